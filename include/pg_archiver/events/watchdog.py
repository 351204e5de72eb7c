"""Ends a function that takes too long, wherever in Python it is: the server's own limits end only what it waits for.

A signal reaches the main thread alone, also in the middle of a call of the system. So a worker in another thread has
the server's limits only: a transaction in which nothing comes is cut ten seconds after its function's time is over.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

# After the server's limit of a statement, which says more exactly what it was, and before it cuts the transaction.
_LATER = timedelta(seconds=5)
_POLL_SECONDS = 0.2
# For a function that goes on all the same.
_AGAIN_SECONDS = 1.0
# Used by nobody: a timer of the process's own time, which Airflow and the library leave alone.
_SIGNAL = signal.SIGVTALRM


class FunctionTimeoutError(BaseException):
    """Raised in a function whose time is over; no `except Exception` keeps it."""


class Watchdog:
    """Watches the calls of one worker; one that watches nothing is for a worker that is not in the main thread."""

    def __init__(self, later: timedelta = _LATER) -> None:
        """Watch calls so much longer than they may take."""
        self._later = later
        self._until: float | None = None
        self._thread = threading.main_thread().ident

    @contextmanager
    def watching(self) -> Generator[None]:
        """Watch in this block, if it is in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(_SIGNAL, self._interrupt)
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(ended,), name="watchdog", daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()
            signal.signal(_SIGNAL, before)

    @contextmanager
    def limit(self, longest: timedelta) -> Generator[None]:
        """Raise FunctionTimeoutError in the block if it takes longer than this."""
        self._until = time.monotonic() + (longest + self._later).total_seconds()
        try:
            yield
        finally:
            self._until = None

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(_POLL_SECONDS):
            until = self._until
            if until is not None and time.monotonic() >= until and self._thread is not None:
                signal.pthread_kill(self._thread, _SIGNAL)
                ended.wait(_AGAIN_SECONDS)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        until = self._until
        if until is not None and time.monotonic() >= until:
            raise FunctionTimeoutError
