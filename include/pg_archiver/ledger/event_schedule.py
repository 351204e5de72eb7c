"""The clock's events: the jobs of functions that are due, each fired once, in the transaction that moves its start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pg_archiver.ledger.jobs import Choice
from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class DueFunction:
    """A job of a function that is due; `definition` is the digest of its row when it was planned.

    `caused_by` says why: schedule or manual. `now` is the database's clock, and `due` when it should have begun.
    """

    job_id: int
    definition: str
    due: datetime
    now: datetime
    caused_by: str


class EventSchedule:
    """The jobs of functions of one database, in the transaction that the session is in."""

    def __init__(self, session: Session) -> None:
        """Read and write through this session."""
        self._session = session

    def lock_due(self, most: int, choice: Choice) -> list[DueFunction]:
        """Return what is due that nobody else fires, and hold it until the transaction ends."""
        rows = self._session.fetch_all(
            "events/schedule/lock_due",
            most=most,
            jobs=None if choice.jobs is None else list(choice.jobs),
            databases=None if choice.databases is None else list(choice.databases),
            application=choice.application_name,
            run_now=choice.run_now,
        )
        return [
            DueFunction(row.job_id, row.definition, row.next_start or row.now, row.now, row.caused_by) for row in rows
        ]

    def fire(self, due: DueFunction, next_start: datetime | None, dag_id: str, run_id: str) -> int | None:
        """Put one event into the queue, count the run and move the next start; return the event's number.

        None where the schedule's binding, or the database, notes no events now: then nothing has changed.
        """
        rows = self._session.fetch_all(
            "events/schedule/fire",
            job_id=due.job_id,
            due=due.due,
            next_start=next_start,
            caused_by=due.caused_by,
            dag_id=dag_id,
            run_id=run_id,
        )
        return int(rows[0].id) if rows else None

    def skip(self, due: DueFunction, next_start: datetime | None, reason: str) -> None:
        """Move the next start without an event, and say why."""
        self._session.execute("events/schedule/skip", job_id=due.job_id, next_start=next_start, reason=reason)

    def ran_since(self, job_id: int, since: datetime) -> bool:
        """Return whether an event of the job waits, is at work, or has ended well since then."""
        return bool(self._session.fetch_one("events/schedule/ran_since", job_id=job_id, since=since).ran)
