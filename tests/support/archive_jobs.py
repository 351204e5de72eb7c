"""A job that archives the table of a place, without Airflow: what it does, and what the record of its run counts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import psycopg

from pg_archiver.domain.work import WorkOrder
from pg_archiver.jobs.archive_table import TableResult, archive_table, rehearse_archive
from pg_archiver.ledger.job_runs import JobRunLog, RunStart
from pg_archiver.ledger.migrations import LedgerTables
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import write_table
from pg_archiver.policies.table_jobs import TableJob, TableJobPolicy
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

KEEP_DAYS = 2
Count = Callable[[Session, int], None]


class Reached(Protocol):
    """A place of any kind: a database with a table, and a bucket."""

    @property
    def database(self) -> str: ...

    @property
    def order(self) -> WorkOrder: ...

    @property
    def store(self) -> Bucket: ...

    def connect(self) -> psycopg.Connection[Any]: ...


def never() -> None:
    """Says that the work goes on."""


@dataclass(frozen=True)
class ArchiveJob:
    """The job; `opened` are the steps for which it opened a session."""

    place: Reached
    table: TableJob
    opened: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, place: Reached, keep_days: int = KEEP_DAYS, **settings: Any) -> ArchiveJob:
        order = place.order
        given = {
            "table": write_table(order.table),
            "timestamp_column": order.timestamp_column,
            "bucket": order.bucket,
            "prefix": order.prefix,
            "batch_size": order.batch_size,
            "compression": order.compression,
            "children": tuple(map(write_table, order.children)),
            "keep_days": keep_days,
        }
        policy = TableJobPolicy.model_validate({**given, **settings})
        return cls(
            place, TableJob(order.client, (), place.database, policy, KeepDays(keep_days, "the job's keep_days"))
        )

    def begin(self) -> int:
        """A run in the record of runs."""
        with self.open_session("begin") as session:
            LedgerTables(session).migrate()
            database = self.place.database
            start = RunStart(str(self.table.table), "table", "archive", "schedule", database, 1, database)
            return JobRunLog(session).begin(start)

    def archive(
        self,
        run: int | None = None,
        stopping: Callable[[], str | None] = never,
        bucket: Bucket | None = None,
        count: Count | None = None,
        adopt: str | None = None,
    ) -> TableResult:
        """What a run does, by itself or as the run of this number."""
        number = self.begin() if run is None else run
        return archive_table(
            self.open_session,
            bucket or self.place.store,
            self.table,
            f"jobs__rds_main/run {number}",
            stopping,
            count or partial(add_rows, number),
            adopt,
        )

    def rehearse(self, bucket: Bucket | None = None) -> str:
        with self.open_session("rehearse") as session:
            return rehearse_archive(session, bucket or self.place.store, self.table, "jobs__rds_main/run 1")

    def counted(self) -> int:
        """How many rows of the table all runs have counted."""
        with self.place.connect() as connection:
            statement = "SELECT coalesce(sum(rows), 0) FROM archiver.job_runs WHERE job_name = %s"
            found = connection.execute(statement, [str(self.table.table)]).fetchone()
        assert found
        return int(found[0])

    def open_session(self, step: str) -> AbstractContextManager[Session]:
        self.opened.append(step)
        return Session.connect(self.place.connect, self.place.database, f"archiver job {step}")


def add_rows(run: int, session: Session, rows: int) -> None:
    JobRunLog(session).add_rows(run, rows)
