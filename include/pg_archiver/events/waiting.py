"""What a worker does when it finds nothing to do: it looks again for a while, then sleeps until it is woken or ends."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.ledger.locks import events_at_work_lock
from pg_archiver.postgres.notices_session import NoticesSession
from pg_archiver.runtime.stopping import Stop

# While it is at work nobody is sent for, so it looks by itself.
_SECONDS_BETWEEN_LOOKS = 0.1
# Workers are sent for once a second at most, and not at all for what has waited long enough: who sleeps looks as often.
_LONGEST_SLEEP_SECONDS = 1.0
# A stop is to be seen soon.
_SLICE_SECONDS = 0.2


@dataclass(frozen=True)
class WorkLimits:
    """Which part of the queue a worker works on, and when it ends.

    Attributes:
        lane: its lane, from 0; where that is empty it helps the next.
        lanes: the number of lanes: topics are divided between them.
        linger_seconds: how long it goes on looking after the last event.
        max_seconds: how long it works at most; None is without end.
        waits: after that it sleeps until it is sent for, instead of ending.
        commit_seconds: after how long a batch begins no further event, and commits.
        longest_in_batch: how long a function may take whose work commits with its event, where its job says no less.
        longest_alone: how long one may take that commits by itself, so too.
    """

    lane: int = 0
    lanes: int = 1
    linger_seconds: float = 5.0
    max_seconds: float | None = None
    waits: bool = False
    commit_seconds: float = 0.05
    longest_in_batch: timedelta = timedelta(seconds=60)
    longest_alone: timedelta = timedelta(hours=4)


class Waiting:
    """The times at which nothing was found."""

    def __init__(self, session: NoticesSession, limits: WorkLimits, stop: Stop, deadline: float) -> None:
        """Begin as if something had been found just now; `deadline` is the end by the monotonic clock."""
        self._session = session
        self._limits = limits
        self._stop = stop
        self._deadline = deadline
        self._last = time.monotonic()
        self._lock = ExitStack()
        self._is_at_work = False

    @contextmanager
    def at_work(self) -> Generator[None]:
        """Be at work in this block, but for the times at which this sleeps: nobody is sent for meanwhile."""
        with self._lock:
            self._begin_work()
            yield

    def note_work(self) -> None:
        """Note that something was found."""
        self._last = time.monotonic()
        self._begin_work()

    def wait(self) -> bool:
        """Wait until it is worth while to look again; return False if it is over."""
        now = time.monotonic()
        if now < self._last + self._limits.linger_seconds:
            self._sleep(now + _SECONDS_BETWEEN_LOOKS)
            return True
        if self._is_at_work:
            # Whoever put something into the queue a moment ago sent for nobody: look once more.
            self._lock.close()
            self._is_at_work = False
            return True
        if self._limits.waits:
            self._sleep(now + _LONGEST_SLEEP_SECONDS)
        return self._limits.waits

    def wait_for_intake(self) -> None:
        """Wait a moment for what another worker takes into the queue, or what is left to be taken in."""
        self._sleep(time.monotonic() + _SECONDS_BETWEEN_LOOKS)

    def _begin_work(self) -> None:
        if not self._is_at_work:
            name = events_at_work_lock()
            self._lock.enter_context(self._session.advisory_lock(name, "the queue of events", shared=True))
            self._is_at_work = True

    def _sleep(self, end: float) -> None:
        """Sleep until then, or until a worker is sent for."""
        end = min(end, self._deadline)
        while not self._stop() and (left := end - time.monotonic()) > 0:
            if self._session.wait_for_notice(min(left, _SLICE_SECONDS)):
                return
