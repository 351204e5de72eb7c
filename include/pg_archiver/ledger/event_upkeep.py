"""What is asked of the queue of events and done to it beside the work: how it stands, and what of it is too old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pg_archiver.postgres.session import Row, Session

_PRUNED_AT_ONCE = 5_000


@dataclass(frozen=True)
class QueueSurvey:
    """How much waits, how many seconds the oldest of what may run has waited, and how much is dead."""

    waiting: int
    oldest_seconds: float | None
    dead: int


class EventUpkeep:
    """The upkeep of one database's queue."""

    def __init__(self, session: Session) -> None:
        """Read and write through this connection, which is not in a transaction."""
        self._session = session

    def survey(self) -> QueueSurvey:
        """Return how much waits and is dead."""
        row = self._session.fetch_one("events/queue/survey")
        return QueueSurvey(row.waiting, row.oldest_seconds, row.dead)

    def retry_dead(self, binding_id: int, ids: Sequence[int] | None = None) -> int:
        """Put dead events of a binding back into the queue, these or all; return how many."""
        wanted = None if ids is None else list(ids)
        return int(self._session.fetch_one("events/queue/retry_dead", binding_id=binding_id, ids=wanted).put_back)

    def suspend_overfull(self) -> list[Row]:
        """Let bindings of which too much waits note nothing more; return number, source and limit of those."""
        return self._session.fetch_all("events/queue/suspend_overfull")

    def prune(self) -> int:
        """Delete what is older than its binding keeps it, and bindings that were ended; return how many rows."""
        deleted = 0
        for statement in ("events/queue/prune_log", "events/queue/prune_dead", "events/queue/prune_successes"):
            while batch := self._session.execute(statement, most=_PRUNED_AT_ONCE):
                deleted += batch
        return deleted + len(self._session.fetch_all("events/queue/prune_bindings"))
