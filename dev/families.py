"""A process and everything it started: find them, kill them."""

import contextlib
import os
import time

import psutil


def family(pid: int) -> list[psutil.Process]:
    """Return the processes that `pid` started, directly or not, and `pid` itself while it lives.

    Members of the session that `pid` leads count too: they stay findable when the process between them
    and `pid` is gone and the system has given them a new parent.
    """
    members: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if process.pid == pid or _session(process.pid) == pid:
            members[process.pid] = process
            members.update({descendant.pid: descendant for descendant in _descendants(process)})
    return [process for process in members.values() if _lives(process)]


def kill(processes: list[psutil.Process], patience: float = 5.0) -> None:
    """SIGKILL each process and wait up to `patience` seconds until all have ended."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + patience
    while any(_lives(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    """Say whether the process runs; one that has ended and waits for its parent's notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
