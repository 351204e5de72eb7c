"""Ending in time: Airflow kills a task's process five seconds after it asked it to end.

Whatever is at work then may come to its own end for two of these seconds, as a delete batch mostly does. After that it
is broken off, so that what is left suffices to roll it back and to say so. Where even that takes too long the process
is killed, which harms nothing either; only nobody is told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from pg_archiver.errors import Stopped

GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.1
_AGAIN_SECONDS = 0.4


class Stop:
    """Whether this process was asked to end, and whether what it does is to be broken off by now."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Start without a request."""
        self._grace_seconds = grace_seconds
        self._since: float | None = None

    def __call__(self) -> bool:
        """Return whether it was asked to end: no further batch is to be begun."""
        return self._since is not None

    def request(self) -> None:
        """Ask it to end. For a signal's handler: it takes no lock."""
        self._since = self._since or time.monotonic()

    def forget(self) -> None:
        """Forget it, for a process that continues with something else."""
        self._since = None

    @property
    def over(self) -> bool:
        """Whether the time is over in which what is at work may end by itself."""
        return self._since is not None and time.monotonic() - self._since >= self._grace_seconds

    def refuse(self) -> None:
        """Begin nothing more once that time is over.

        Raises:
            Stopped: it is.
        """
        if self.over:
            raise Stopped(
                "the task was told to stop, so what it was doing was broken off. What was not committed is rolled "
                "back, and nothing is lost. Run the task again to continue"
            )

    @contextmanager
    def breaking_off(self, break_off: Callable[[], object]) -> Generator[None]:
        """Call `break_off` from another thread, repeatedly, while the block does not end although time is over."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_AGAIN_SECONDS if self.over else _POLL_SECONDS):
                if self.over:
                    # Again until the block ends: it may have been between two statements.
                    break_off()

        watching = threading.Thread(target=watch, name="stop", daemon=True)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()
