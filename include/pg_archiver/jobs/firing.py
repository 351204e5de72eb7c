"""Firing the schedules of functions: each becomes one event in the queue, in the transaction that moves the next start.

So whoever plans, and however often, a fire is one event. It takes no slot of the jobs: the workers of events run it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pg_archiver.jobs.timing import plan_after_fire
from pg_archiver.ledger.event_schedule import DueFunction, EventSchedule
from pg_archiver.ledger.jobs import Choice, JobsTable
from pg_archiver.policies.jobs import Job
from pg_archiver.postgres.session import Session


def fire_due_functions(session: Session, most: int, choice: Choice, run_id: str) -> list[str]:
    """Put an event into the queue for each function that is due in this database; return a line for each.

    Args:
        session: the archiver's, on the database of the jobs, not in a transaction.
        most: at most so many.
        choice: which of them.
        run_id: what stands for the Airflow run, `dag id/run id`.

    Raises:
        ArchiverError: the database cannot be read or written; nothing was fired.
    """
    dag_id, _, run = run_id.partition("/")
    schedule, table = EventSchedule(session), JobsTable(session)
    told = []
    with session.transaction():
        for due in schedule.lock_due(most, choice):
            if (found := _read_job(table, due)) is not None:
                told.append(f"{session.name} / {found.name}: {_fire(schedule, found, due, dag_id, run)}")
    return told


def _read_job(table: JobsTable, due: DueFunction) -> Job | None:
    """Return the job if its row says what it said when it was planned; else the next look plans it anew."""
    row = table.find_job(due.job_id)
    return None if row is None else Job.read_as_planned(row.as_mapping(), due.definition)


def _fire(schedule: EventSchedule, job: Job, due: DueFunction, dag_id: str, run_id: str) -> str:
    next_start = plan_after_fire(job, due.now)
    asks = job.only_if_idle and due.caused_by != "manual"
    if asks and schedule.ran_since(due.job_id, due.due - _find_period(job, due.due)):
        schedule.skip(due, next_start, "its last start by the clock was left out: an event ran it")
        return "an event runs it already, so its start by the clock was left out"
    if schedule.fire(due, next_start, dag_id, run_id) is None:
        schedule.skip(due, next_start, "its last start by the clock was left out: its events are off")
        return "its events are switched off, so its start by the clock was left out"
    return "its event is in the queue"


def _find_period(job: Job, due: datetime) -> timedelta:
    """Return how long it is from one start to the next: that of the next two, since a schedule may have any."""
    first = plan_after_fire(job, due)
    second = plan_after_fire(job, first) if first else None
    return second - first if first and second else timedelta(0)
