"""What a person has to approve before a job runs for the first time, and again after it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pg_archiver.jobs.source import JobConnections, JobsSource
from pg_archiver.ledger.jobs import JobKey, JobsTable
from pg_archiver.policies.jobs import TABLE_ACTIONS, Action
from pg_archiver.postgres.session import Row


@dataclass(frozen=True)
class ApprovalRequest:
    """One definition of one job in one database that waits for an answer. Plain values, for an Airflow run's conf.

    Attributes:
        conn_id: the instance.
        source_database: the database of the job's row.
        database: the database in which it would act.
        job_id: the row's key.
        job_name: for people.
        definition: the digest of what is asked about; an answer counts for this one alone.
        what: what it would do, for people; not its config, which may hold what is not for Airflow.
    """

    conn_id: str
    source_database: str
    database: str
    job_id: int
    job_name: str
    definition: str
    what: str

    @property
    def name(self) -> str:
        """What tells it from all other requests; the same for the same question."""
        return f"{self.conn_id} {self.source_database} {self.job_id} {self.database} {self.definition}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ApprovalRequest:
        """Return the request that these plain values were made of."""
        return cls(**values)


def list_requests(source: JobsSource, connections: JobConnections) -> list[ApprovalRequest]:
    """Return what a person is to be asked about jobs of this database that `plan_jobs` has looked after.

    Raises:
        ArchiverError: it cannot be read.
    """
    with connections.open_archiver(source.database) as session:
        return [
            ApprovalRequest(
                source.instance.conn_id,
                source.database,
                row.database_name,
                row.job_id,
                row.job_name,
                row.definition,
                _describe(row),
            )
            for row in JobsTable(session).list_waiting()
        ]


def answer(request: ApprovalRequest, rejection: str | None, source: JobsSource, connections: JobConnections) -> bool:
    """Write what a person has answered; return False if the job has changed or is gone, so that the answer is void.

    Args:
        request: what was asked.
        rejection: who rejected it and when; None if it was approved.
        source: the database of the job's row.
        connections: how databases are reached.

    Raises:
        ArchiverError: it cannot be written.
    """
    key = JobKey(request.job_id, request.database)
    with connections.open_archiver(source.database) as session:
        table = JobsTable(session)
        if rejection is None:
            return table.approve(key, request.definition)
        return table.reject(key, request.definition, rejection)


def _describe(row: Row) -> str:
    if row.action in TABLE_ACTIONS:
        how = "without an archive, " if row.action == Action.DELETE else ""
        rehearsed = f" Its rehearsal: {row.reason}" if row.reason else ""
        return (
            f"{row.action} rows of {row.table_name} that are older than {row.keep_days} days, {how}written by "
            f"{row.owner}.{rehearsed}"
        )
    names = [name for name in (row.proc_schema, row.proc_name, row.function_name) if name]
    return f"{row.action} {'.'.join(names)}, written by {row.owner}"
