"""Two things at once: work in a second thread, and waiting until it is where the test wants it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from tests.support.place import Place

Result = TypeVar("Result")
# Only how long a broken test hangs; nothing is asserted about time.
_PATIENCE_SECONDS = 30.0


@contextmanager
def in_background(work: Callable[[], Result]) -> Generator[Future[Result]]:
    """Runs `work` in a thread while the block runs, and waits for its end.

    Where the block fails, nobody waits: what keeps `work` waiting may end only with a block around this one.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        yield pool.submit(work)
    except BaseException:
        pool.shutdown(wait=False)
        raise
    pool.shutdown()


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
    until(lambda: is_blocked(place))


def is_blocked(place: Place) -> bool:
    """Whether a session of the archiver waits for somebody's lock just now."""
    return bool(
        place.sql(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'test' AND wait_event_type = 'Lock'"
        )
    )


class Beside:
    """Somebody else's statement, sent in the middle of our work: then it has ended, or `waited` for a lock of ours."""

    def __init__(self, place: Place, statement: str) -> None:
        self.waited = False
        self._place = place
        self._statement = statement
        self._thread = ThreadPoolExecutor(1)
        self._running: Future[None] | None = None

    def begin(self) -> None:
        running = self._running = self._thread.submit(self._run)
        blocked = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'beside'"
            " AND wait_event_type = 'Lock'"
        )
        until(lambda: running.done() or bool(self._place.sql(blocked)))
        self.waited = not running.done()

    def end(self) -> None:
        """Waits for its end, and raises what the server had against it."""
        assert self._running, "the moment never came"
        self._running.result(_PATIENCE_SECONDS)

    def _run(self) -> None:
        with self._place.server.connect(self._place.database) as user:
            user.execute("SET application_name = 'beside'")
            user.execute(self._statement.encode())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what the test waits for does not happen")
        time.sleep(0.02)
