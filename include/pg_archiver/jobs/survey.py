"""How the jobs of one database stand: what waits to be woken, and what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.jobs.source import JobConnections, JobsSource
from pg_archiver.ledger.jobs import JobsTable


@dataclass(frozen=True)
class Survey:
    """What was seen.

    Attributes:
        due: how many jobs are due that no run of Airflow has taken.
        exhausted: the jobs that have failed as often as they may, each with its reason.
        waiting_for_slot: how many jobs were taken ten minutes ago or longer and have not begun, while none is at work.
    """

    due: int
    exhausted: tuple[str, ...]
    waiting_for_slot: int = 0


def survey_jobs(source: JobsSource, connections: JobConnections) -> Survey:
    """Return how the jobs of a database stand that `plan_jobs` has looked after.

    Raises:
        ArchiverError: it cannot be read.
    """
    with connections.open_archiver(source.database) as session:
        table = JobsTable(session)
        return Survey(
            table.count_due(),
            tuple(
                f"{row.database_name} / {row.job_name} has failed as often as it may ({row.reason}). Fix: correct it, "
                f"then SELECT archiver.alter_job({row.job_id}, scheduled => true) in database {source.database}"
                for row in table.list_exhausted()
            ),
            table.count_waiting_for_slot(),
        )
