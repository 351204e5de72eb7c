"""The actions `archive` and `delete`: rows of one table go, once they are old enough, by the archiver's own login.

Before each batch it is asked whether the work is still wanted: the job's row may have changed or gone, a person may
have stopped its client, its time may be over. Then it ends there in good order, and the rest stays for the next run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import ArchiverError, JobRefused, PolicyError, Stopped, TableMissing, TableRefused
from pg_archiver.jobs.archive_table import TableResult, archive_table, rehearse_archive
from pg_archiver.jobs.planning import find_table
from pg_archiver.jobs.source import Claim, JobConnections, JobsSource
from pg_archiver.jobs.work import NotRunError, Outcome
from pg_archiver.ledger.job_runs import JobRunLog
from pg_archiver.ledger.jobs import JobRow, JobsTable
from pg_archiver.policies.jobs import Action, Job
from pg_archiver.policies.table_jobs import TableJob
from pg_archiver.postgres.calls import CallError
from pg_archiver.postgres.catalog import describe_deletable
from pg_archiver.postgres.session import Session
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.purge import purge, rehearse

# Variables are asked for by way of Airflow's API server, so not before each batch.
ASKED_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class TableSession:
    """A session of the archiver's login on the database of a table."""

    session: Session
    claim: Claim
    source: JobsSource
    connections: JobConnections

    @classmethod
    @contextmanager
    def opened(cls, claim: Claim, source: JobsSource, connections: JobConnections) -> Generator[TableSession]:
        """Open it."""
        with connections.open_archiver(claim.database) as session:
            yield cls(session, claim, source, connections)

    def find(self, row: JobRow, job: Job) -> TableWork:
        """Look for the table.

        Raises:
            JobRefused: its rows may not be taken away, or not safely.
            NotRunError: not now, as a person has said.
            SettingError: the form asks for fewer days than the job keeps.
            Interrupted: whether a person has said so could not be found out.
        """
        try:
            table = find_table(self.source, row, job, self.claim.database)
        except PolicyError as error:
            raise JobRefused(str(error)) from None
        if table is None:
            raise JobRefused(f"job {job.name!r} works on no table. Nothing was done. Fix: set action to archive")
        table = table.raise_keep_days(self.claim.keep_days, "the run's parameter keep_days")
        if reason := self.connections.find_stop(table):
            raise NotRunError(f"{reason}. Nothing was done; it is put off until it is due again")
        nothing = None
        try:
            self._look(table)
        except TableMissing as missing:
            if not table.missing_ok:
                raise JobRefused(str(missing)) from None
            nothing = f"skipped: {missing}"
        except TableRefused as refusal:
            raise JobRefused(str(refusal)) from None
        return TableWork(self, row, job, table, nothing)

    def _look(self, table: TableJob) -> None:
        """Refuse a table from which rows cannot go safely, or that the policy file or its parent speaks for.

        Raises:
            TableRefused: it is such a one, or is missing.
        """
        policy = table.policy
        timed = None if table.versions and not table.versions.timed else policy.timestamp_column
        shape = describe_deletable(self.session, table.table, timed, policy.child_names)
        archived = {name for tenant in self.source.instance.tenants.get(table.database, ()) for name in tenant.tables}
        for row in self.session.fetch_all("jobs/table/family", oid=shape.oid):
            other = TableName(row.schema, row.name)
            if row.is_above:
                raise TableRefused(
                    f"{table.table} in database {table.database} is a part of {other}, so its rows are those of that "
                    "table too. Nothing was done. Fix: let the job name the whole table"
                )
            if other in archived:
                raise TableRefused(
                    f"{other}, a part of {table.table} in database {table.database}, is archived by the policy file. "
                    "Nothing was done. Fix: delete the job, or take that table out of the file"
                )


@dataclass(frozen=True)
class TableWork:
    """A table from which rows are to go."""

    opened: TableSession
    row: JobRow
    job: Job
    table: TableJob
    nothing: str | None = None

    @property
    def subject(self) -> str:
        """The table."""
        return str(self.table.table)

    def check(self) -> str:
        """Return what would go; nothing that stays is written.

        Raises:
            JobRefused: it cannot be done.
            ArchiverError: that could not be found out.
        """
        if self.table.keep.everything:
            return f"{self.table.keep.source} is -1: everything is kept"
        try:
            if self.job.action is Action.DELETE:
                return rehearse(self.opened.session, self.purge_order)
            bucket = self.opened.connections.open_bucket(self.table.policy)
            return rehearse_archive(self.opened.session, bucket, self.table, self._run_id, self.opened.claim.adopt)
        except TableRefused as refusal:
            raise JobRefused(str(refusal)) from None

    def do(self, runs: JobRunLog, run: int) -> Outcome:  # noqa: ARG002 (counted by the sessions that delete)
        """Let the rows go."""
        if self.table.keep.everything:
            told = f"{self.table.keep.source} is -1: everything is kept"
            return Outcome(told, output=told, rows=0)
        opened = self.opened
        try:
            with opened.connections.open_archiver(opened.source.database) as watching:
                watch = _Watch(JobsTable(watching), self, time.monotonic() + self.job.longest_run.total_seconds())
                result = self._purge(watch, run) if self.job.action is Action.DELETE else self._archive(watch, run)
        except ArchiverError as error:
            return Outcome(str(error), CallError(None, str(error), str(error)))
        told = f"{result.told}. It ended early: {result.left}" if result.left else result.told
        return Outcome(
            told,
            output=told,
            rows=result.rows,
            bytes=result.bytes,
            kept_by=result.kept_by,
            highest_version=result.highest_version,
        )

    def _archive(self, watch: _Watch, run: int) -> TableResult:
        connections = self.opened.connections
        return archive_table(
            partial(connections.open_table, self.table),
            connections.open_bucket(self.table.policy),
            self.table,
            self._run_id,
            watch,
            lambda session, rows: JobRunLog(session).add_rows(run, rows),
            self.opened.claim.adopt,
        )

    def _purge(self, watch: _Watch, run: int) -> TableResult:
        session = self.opened.session
        with session.timeouts(statement=self.table.policy.longest_statement):
            done = purge(session, self.purge_order, watch, partial(JobRunLog(session).add_rows, run))
        return TableResult(done.rows, done.bytes, done.told, done.left, done.kept_by, done.highest_version)

    @property
    def purge_order(self) -> PurgeOrder:
        """What is deleted without an archive."""
        policy = self.table.policy
        return PurgeOrder(
            client=self.table.client,
            table=self.table.table,
            timestamp_column=policy.timestamp_column,
            timezone=policy.timezone,
            batch_size=policy.batch_size,
            keep=self.table.keep,
            run_id=self._run_id,
            drop_partitions=policy.drop_partitions,
            children=policy.child_names,
            rows_per_second=self.table.rows_per_second,
            versions=self.table.versions,
        )

    @property
    def _run_id(self) -> str:
        return self.opened.claim.claimed_by


@dataclass
class _Watch:
    """Whether the work is still wanted; asked before each batch, by whichever thread."""

    jobs: JobsTable
    work: TableWork
    deadline: float
    _seen: JobRow = field(init=False)
    _asked: float = field(default_factory=time.monotonic)
    _reason: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._seen = self.work.row

    def __call__(self) -> str | None:
        """Return why the work ends here, None if it goes on.

        Raises:
            Stopped: Airflow told the task to end.
            ArchiverError: whether it is still wanted could not be found out.
        """
        opened = self.work.opened
        if opened.session.stop():
            raise Stopped(f"{opened.claim}: the task was told to stop before its next batch. What went stays counted")
        with self._lock:
            self._reason = self._reason or self._find_reason()
            return self._reason

    def _find_reason(self) -> str | None:
        opened, now = self.work.opened, time.monotonic()
        if now > self.deadline:
            return f"it may take {self.work.job.longest_run}, by max_runtime; the rest is for the next run"
        row = self.jobs.find_job(opened.claim.job_id)
        if row is None:
            return "its row is gone"
        if replace(row, next_start=None) != replace(self._seen, next_start=None):
            if not Job.read_as_planned(row.as_mapping(), opened.claim.definition):
                return "its row has changed; it is planned anew"
            self._seen = row
        if now - self._asked < ASKED_EVERY_SECONDS:
            return None
        self._asked = now
        return opened.connections.find_stop(self.work.table)
