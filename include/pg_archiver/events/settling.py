"""What becomes of an event after its function has ended: gone, put off, or dead; and what is told of it in the log."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pg_archiver.events.calling import CallResult, Ending
from pg_archiver.events.queue import EventQueue, EventRun, QueuedEvent
from pg_archiver.postgres.functions_session import Statement

log = logging.getLogger(__name__)

# Of one function that fails in one way, a line each so many seconds.
_SECONDS_BETWEEN_LINES = 5.0


@dataclass
class Tally:
    """How many events ended how, and how many of those that failed are dead."""

    endings: Counter[Ending] = field(default_factory=Counter)
    dead: int = 0

    def add(self, other: Tally) -> None:
        """Add what was counted elsewhere."""
        self.endings.update(other.endings)
        self.dead += other.dead

    @property
    def all(self) -> int:
        """All that were run to an end."""
        return self.endings.total()

    def __str__(self) -> str:
        told = ", ".join(f"{self.endings[ending]} {ending}" for ending in Ending if self.endings[ending])
        return f"{told or 'none'}{f' ({self.dead} dead)' if self.dead else ''}"


class Settler:
    """Settles events; what it counts holds once their batch is committed."""

    def __init__(self, queue: EventQueue) -> None:
        """Settle events of this queue."""
        self._queue = queue
        self._lines: dict[tuple[str, str], float] = {}
        self._tally = Tally()

    def take_tally(self) -> Tally:
        """Return what was counted since this was asked, and begin anew."""
        tally, self._tally = self._tally, Tally()
        return tally

    def note_gone(self, events: Sequence[QueuedEvent], result: CallResult) -> list[EventRun]:
        """Return what is to be written of events of one call that are done or discarded, by `write_gone`."""
        message = result.failure.message if result.failure else None
        return self._describe(events, result, message)

    def write_gone(self, runs: Sequence[EventRun]) -> list[Statement]:
        """Return the statement, if there is anything to write, that removes events."""
        for run in runs:
            self._tally.endings[Ending.DONE if run.message is None else Ending.DISCARDED] += 1
        return [self._queue.complete(runs)] if runs else []

    def write_later(self, events: Sequence[QueuedEvent], result: CallResult) -> list[Statement]:
        """Return the statements for events of one call that failed or are snoozed."""
        self._tally.endings[result.ending] += len(events)
        if result.ending is Ending.SNOOZED:
            wait = timedelta(seconds=result.wait_seconds)
            return [self._queue.put_off(event, wait) for event in events]
        for event in events:
            self._tell(event, result)
        message = result.failure.message if result.failure else "no reason"
        return [self._queue.fail(run) for run in self._describe(events, result, message)]

    def _describe(self, events: Sequence[QueuedEvent], result: CallResult, message: str | None) -> list[EventRun]:
        each = result.seconds / len(events)
        return [
            # Printed once, and noted once.
            EventRun(event, result.started_at, each, "" if number else result.output, message)
            for number, event in enumerate(events)
        ]

    def _tell(self, event: QueuedEvent, result: CallResult) -> None:
        attempt = event.attempts + 1
        is_last = attempt >= event.max_attempts
        self._tally.dead += is_last
        told = result.failure.told if result.failure else "no reason"
        now, known = time.monotonic(), (event.function, told)
        if not is_last and now - self._lines.get(known, -_SECONDS_BETWEEN_LINES) < _SECONDS_BETWEEN_LINES:
            return
        self._lines[known] = now
        log.warning(
            "event %d: function %s failed, attempt %d of %d%s: %s. Its own words are in the database",
            event.id,
            event.function,
            attempt,
            event.max_attempts,
            ", so the event is dead" if is_last else "",
            told,
        )
