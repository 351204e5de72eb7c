"""What a worker does when it finds nothing to do: it looks again for a while, then sleeps until it is woken or ends."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pg_archiver.events.queue import Notes
from pg_archiver.runtime.stopping import Stop

# While it looks by itself nobody is sent for.
_SECONDS_BETWEEN_LOOKS = 0.1
# Workers are sent for once a second at most, so one that is about to sleep looks once more after it.
_FIRST_SLEEP_SECONDS = 1.2
# A notice may be lost, and a stop is to be seen soon.
_LONGEST_SLEEP_SECONDS = 30.0
_SLICE_SECONDS = 0.2


@dataclass(frozen=True)
class WorkLimits:
    """Which part of the queue a worker works on, and when it ends.

    Attributes:
        lane: its lane, from 0; where that is empty it helps the next.
        lanes: the number of lanes: topics are divided between them.
        linger_seconds: how long it goes on looking after the last event.
        max_seconds: how long it works at most; None is without end.
        waits: after that it sleeps until it is woken, instead of ending.
    """

    lane: int = 0
    lanes: int = 1
    linger_seconds: float = 5.0
    max_seconds: float | None = None
    waits: bool = False


class Waiting:
    """The times at which nothing was found."""

    def __init__(self, notes: Notes, limits: WorkLimits, stop: Stop, deadline: float) -> None:
        """Begin to work, as if something had been found just now; `deadline` is its end by the monotonic clock."""
        self._notes = notes
        self._limits = limits
        self._stop = stop
        self._deadline = deadline
        self._last = time.monotonic()
        self._is_at_work = True
        self._sleeps = 0
        notes.begin_work()

    def note_work(self) -> None:
        """Note that something was found."""
        self._last = time.monotonic()
        if not self._is_at_work:
            self._notes.begin_work()
            self._is_at_work = True

    def wait(self) -> bool:
        """Wait until it is worth while to look again; return False if it is over."""
        now = time.monotonic()
        if now < self._last + self._limits.linger_seconds:
            self._sleep(_SECONDS_BETWEEN_LOOKS, now)
            return True
        if self._is_at_work:
            # Whoever put something into the queue a moment ago sent for nobody: look once more.
            self._notes.end_work()
            self._is_at_work = False
            self._sleeps = 0
            return True
        if not self._limits.waits:
            return False
        next_due = self._notes.seconds_to_next()
        longest = _LONGEST_SLEEP_SECONDS if self._sleeps else _FIRST_SLEEP_SECONDS
        self._sleep(longest if next_due is None else min(next_due, longest), now)
        self._sleeps += 1
        return True

    def _sleep(self, seconds: float, now: float) -> None:
        """Sleep so long, or until somebody is sent for."""
        end = min(now + seconds, self._deadline)
        while not self._stop() and (left := end - time.monotonic()) > 0:
            if self._notes.wait(min(left, _SLICE_SECONDS)):
                self._sleeps = -1
                return
