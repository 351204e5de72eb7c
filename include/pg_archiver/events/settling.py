"""What becomes of an event after its function has ended: gone, put off, or dead; and what is told of it in the log."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pg_archiver.events.calling import CallResult, Ending
from pg_archiver.ledger.event_queue import ClaimedEvent, EventQueue, Failure, Run

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
    """Settles events, in the transaction in which it is asked; what it counts holds once that is committed."""

    def __init__(self, queue: EventQueue, worker: str) -> None:
        """Settle events of this queue; the log names the worker."""
        self._queue = queue
        self._worker = worker
        self._lines: dict[tuple[str, str], float] = {}
        self._tally = Tally()

    def take_tally(self) -> Tally:
        """Return what was counted since this was asked, and begin anew."""
        tally, self._tally = self._tally, Tally()
        return tally

    def write_gone(self, runs: Sequence[Run]) -> None:
        """Remove events that are done or discarded, as `describe_runs` has them."""
        if runs:
            self._queue.complete(runs, self._worker)
        for run in runs:
            self._tally.endings[Ending.DONE if run.message is None else Ending.DISCARDED] += 1

    def write_later(self, events: Sequence[ClaimedEvent], result: CallResult) -> None:
        """Put events off that failed or are snoozed."""
        self._tally.endings[result.ending] += len(events)
        for run in describe_runs(events, result):
            if result.ending is Ending.SNOOZED:
                self._queue.put_off(run.event, result.wait_seconds)
            else:
                is_dead = self._queue.fail(run, self._worker) is Failure.DEAD
                self._tally.dead += is_dead
                self._tell(run.event, result, is_dead=is_dead)

    def _tell(self, event: ClaimedEvent, result: CallResult, *, is_dead: bool) -> None:
        told = result.failure.told if result.failure else "no reason"
        now, known = time.monotonic(), (event.function_name, told)
        if not is_dead and now - self._lines.get(known, -_SECONDS_BETWEEN_LINES) < _SECONDS_BETWEEN_LINES:
            return
        self._lines[known] = now
        log.warning(
            "event %d: function %s failed, attempt %d of %d%s: %s. Its own words are in the database",
            event.id,
            event.function_name,
            event.attempts + 1,
            event.max_attempts,
            ", so the event is dead" if is_dead else "",
            told,
        )


def describe_runs(events: Sequence[ClaimedEvent], result: CallResult) -> list[Run]:
    """Return what is to be written of the events of one call; what it printed is noted with the first of them."""
    each, message = result.seconds * 1000 / len(events), result.failure.message if result.failure else None
    return [
        Run(event, result.started_at, each, message, None if number else result.output or None)
        for number, event in enumerate(events)
    ]
