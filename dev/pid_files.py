"""Files that name a running process so surely that another one with the same number is not taken for it."""

from pathlib import Path

import psutil

from dev.waiting import wait_until

_CLOCK_TOLERANCE_SECONDS = 2.0


def write(path: Path, pid: int) -> None:
    """Note the process `pid` and when it was born."""
    path.write_text(f"{pid} {psutil.Process(pid).create_time()}\n")


def await_end(path: Path, timeout: float = 15.0) -> None:
    """Wait for the end of the process named in `path`, if there is such a file and such a process.

    After `kill -9` of a stack its processes live on for some seconds, and must be gone before new ones start.
    Raises TimeoutError after `timeout` seconds.
    """
    if not path.exists():
        return
    pid, born = path.read_text().split()
    wait_until(lambda: not _lives(int(pid), float(born)), f"the former {path.stem} (pid {pid}) to end", timeout)
    path.unlink(missing_ok=True)


def _lives(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - born) < _CLOCK_TOLERANCE_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
