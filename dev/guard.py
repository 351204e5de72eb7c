"""A small process that outlives the stack for a few seconds and ends what the stack left behind.

`kill -9` gives the stack no chance to stop its children, and the children of those children (a scheduler's
workers, the tasks in them) would not even notice. The guard reads its standard input, whose other end only
the stack holds. When it closes, for whatever reason, every family still on the list is killed.
"""

import atexit
import contextlib
import functools
import subprocess
import sys
import time
from pathlib import Path

from dev.families import family, kill

GRACE_SECONDS = 5.0
"""What remains gets this long to stop by itself: the system signalled the children at the same time."""


class Guard:
    """The stack's end of the guard process."""

    def __init__(self) -> None:
        """Start the guard process, in a session of its own so that Ctrl-C does not reach it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dev.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
            text=True,
            bufsize=1,
        )
        atexit.register(self.close)

    def watch(self, pid: int) -> None:
        """Kill the family of `pid` when this process ends."""
        self._tell(f"watch {pid}")

    def forget(self, pid: int) -> None:
        """Stop watching `pid`: its family is gone, the number may be given to someone else."""
        self._tell(f"forget {pid}")

    def close(self) -> None:
        """End the guard, after it has killed the families that are still watched."""
        self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101  # opened as a pipe above
        with contextlib.suppress(BrokenPipeError):  # a lost guard must not disturb an orderly stop
            self._process.stdin.write(line + "\n")


@functools.cache
def guard() -> Guard:
    """Return the one guard of this process, started at the first call."""
    return Guard()


def main() -> None:
    """Keep the list of watched pids until standard input closes, then kill their families."""
    watched: set[int] = set()
    for line in sys.stdin:
        verb, pid = line.split()
        if verb == "watch":
            watched.add(int(pid))
        else:
            watched.discard(int(pid))
    deadline = time.monotonic() + GRACE_SECONDS
    while (remaining := [process for pid in watched for process in family(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    kill(remaining)


if __name__ == "__main__":
    main()
