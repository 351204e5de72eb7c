"""Two things at once: work in a second thread, and waiting until it is where the test wants it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from tests.integration.place import Place

Result = TypeVar("Result")
# Only how long a broken test hangs; nothing is asserted about time.
_PATIENCE_SECONDS = 30.0


@contextmanager
def in_background(work: Callable[[], Result]) -> Generator[Future[Result]]:
    """Runs `work` in a thread while the block runs, and waits for its end."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit(work)


def at_once(works: Sequence[Callable[[], Result]]) -> list[Future[Result]]:
    """Starts all of these at the same moment and waits until all have ended."""
    start = threading.Barrier(len(works))

    def started(work: Callable[[], Result]) -> Result:
        start.wait(_PATIENCE_SECONDS)
        return work()

    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        return [pool.submit(started, work) for work in works]


def wait_for_blocked(place: Place) -> None:
    """Waits until a session of the archiver waits for somebody's lock."""
    until(
        lambda: bool(
            place.sql(
                "SELECT 1 FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'test' AND wait_event_type = 'Lock'"
            )
        )
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what the test waits for does not happen")
        time.sleep(0.02)
