"""What becomes of an event after its function has ended: gone, put off, or dead; and what is told of it in the log."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pg_archiver.events.attempts import wait_before
from pg_archiver.events.calling import CallResult, Ending
from pg_archiver.events.queue import EventQueue, QueuedEvent, Settlement
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

    def __init__(self, queue: EventQueue, chance: random.Random) -> None:
        """Settle events of this queue; `chance` keeps those that failed together from coming again together."""
        self._queue = queue
        self._chance = chance
        self._lines: dict[tuple[str, str], float] = {}
        self.tally = Tally()

    def take_tally(self) -> Tally:
        """Return what was counted since this was asked, and begin anew."""
        tally, self.tally = self.tally, Tally()
        return tally

    def settle(self, events: Sequence[QueuedEvent], result: CallResult) -> list[Statement]:
        """Return the statements that write what becomes of the events of one call."""
        self.tally.endings[result.ending] += len(events)
        statements = []
        for number, event in enumerate(events):
            # Printed once, and noted once.
            output = "" if number else result.output
            statements.append(self._settle(event, result, result.seconds / len(events), output))
        return statements

    def _settle(self, event: QueuedEvent, result: CallResult, seconds: float, output: str) -> Statement:
        message = result.failure.message if result.failure else None
        match result.ending:
            case Ending.DONE | Ending.DISCARDED:
                return self._queue.complete(event, Settlement(seconds, output, message))
            case Ending.SNOOZED:
                wait = timedelta(seconds=result.wait_seconds)
                return self._queue.fail(event, Settlement(seconds, output, None, wait, counts=False))
            case Ending.FAILED:
                return self._settle_failed(event, result, Settlement(seconds, output, message))

    def _settle_failed(self, event: QueuedEvent, result: CallResult, settlement: Settlement) -> Statement:
        attempt = event.attempts + 1
        is_last = attempt >= event.max_attempts
        self._tell(event, result, attempt, is_last=is_last)
        if is_last:
            self.tally.dead += 1
            return self._queue.bury(event, settlement)
        wait = wait_before(attempt, self._chance)
        return self._queue.fail(event, Settlement(settlement.seconds, settlement.output, settlement.message, wait))

    def _tell(self, event: QueuedEvent, result: CallResult, attempt: int, *, is_last: bool) -> None:
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
