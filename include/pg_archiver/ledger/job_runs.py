"""The record of runs: what was done in one database, by a job or by a DAG of this program, and how it ended.

It lies in the database that was worked on. What the server or a procedure said stays there: it may hold rows.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from pg_archiver.errors import ArchiverError
from pg_archiver.postgres.session import Row, Session

log = logging.getLogger(__name__)

# Runs of jobs are in the statistics of these; runs of DAGs are their own, one a table and day.
KEPT, KEPT_OF_DAGS = timedelta(days=30), timedelta(days=400)
_PRUNED_AT_ONCE = 5_000
MOST_UNFOLDED = 5_000


@dataclass(frozen=True)
class RunStart:
    """What begins: of a job, its row's id and database; of a DAG (`source` and `caused_by` 'dag'), neither."""

    job_name: str
    source: str
    action: str
    caused_by: str
    database: str
    job_id: int | None = None
    source_database: str | None = None
    subject: str | None = None
    dry_run: bool = False
    worker: str | None = None
    dag_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class RunEnd:
    """How it ended. `err_message` and `output` may hold rows, and are kept in the database that was worked on alone."""

    succeeded: bool
    rows: int | None = None
    bytes: int | None = None
    sqlerrcode: str | None = None
    err_message: str | None = None
    output: str | None = None


@dataclass(frozen=True)
class OpenRun:
    """A run of a job without an end: at work, or dead."""

    id: int
    job_id: int
    database: str
    started_at: datetime


@dataclass(frozen=True)
class EndedRun:
    """A run of a job that has ended, or that was found to have crashed.

    `told` is what it said of itself where it worked on a table, which never holds a row. `kept_by` is what binds of all
    that keeps versions, `highest_version` the highest that went: whoever has run it knows, and nobody after a crash.
    """

    id: int
    job_id: int
    database: str
    dry_run: bool
    started_at: datetime
    finished_at: datetime
    succeeded: bool
    crashed: bool
    rows: int | None = None
    bytes: int | None = None
    sqlerrcode: str | None = None
    told: str | None = None
    kept_by: str | None = None
    highest_version: str | None = None


class JobRunLog:
    """The runs in one database."""

    def __init__(self, session: Session) -> None:
        """Read and write through this connection, which is not in a transaction."""
        self._session = session

    def exists(self) -> bool:
        """Return whether this database has a record of runs."""
        return bool(self._session.fetch_one("ledger/schema/schema_exists").job_runs)

    def begin(self, start: RunStart) -> int:
        """Write that a run begins, as a crash until its end is written, and return its id."""
        return int(self._session.fetch_one("ledger/job_runs/begin", **asdict(start)).id)

    def end(self, run: int, end: RunEnd) -> bool:
        """Write how a run ended; return False where somebody had closed it as a crash, which it stays."""
        return self._session.execute("ledger/job_runs/end", id=run, **asdict(end)) == 1

    def add_rows(self, run: int, rows: int, size: int = 0) -> None:
        """Add rows that go in the same transaction, and bytes, so that they count if they are gone and only then."""
        self._session.execute("ledger/job_runs/add_rows", id=run, rows=rows, bytes=size)

    def list_open(self, source_database: str) -> list[OpenRun]:
        """Return the runs without an end, of jobs of this source database."""
        rows = self._session.fetch_all("ledger/job_runs/list_open", source_database=source_database)
        return [OpenRun(row.id, row.job_id, row.database_name, row.started_at) for row in rows]

    def close_crashed(self, run: int) -> bool:
        """Write that a run ended as a crash; return False if somebody has ended it meanwhile."""
        return self._session.execute("ledger/job_runs/close_crashed", id=run) == 1

    def list_unfolded(self, source_database: str) -> list[EndedRun]:
        """Return the runs that ended and are in no statistics yet, of jobs of this source database, the oldest first.

        At most 5,000; whoever marks them gets the next ones.
        """
        rows = self._session.fetch_all(
            "ledger/job_runs/list_unfolded", source_database=source_database, limit=MOST_UNFOLDED
        )
        return [_make_ended(row) for row in rows]

    def find_ended(self, run: int) -> EndedRun | None:
        """Return a run that has ended, as its row tells; None where it has no end, or is gone."""
        rows = self._session.fetch_all("ledger/job_runs/find_ended", id=run)
        return None if not rows else _make_ended(rows[0])

    def mark_folded(self, *runs: int) -> None:
        """Write that the statistics of their jobs have taken these runs in."""
        self._session.execute("ledger/job_runs/mark_folded", ids=list(runs))

    def note_dag_run(
        self, dag_id: str, run_id: str, action: str, subject: str, started_at: datetime | None, end: RunEnd
    ) -> None:
        """Write what a run of a DAG did to one subject; one that was cleared and run again tells it anew.

        Without a `started_at` it has begun now.
        """
        self._session.execute(
            "ledger/job_runs/note_dag_run",
            dag_id=dag_id,
            run_id=run_id,
            action=action,
            subject=subject,
            started_at=started_at,
            succeeded=end.succeeded,
            rows=end.rows,
            bytes=end.bytes,
            err_message=end.err_message,
        )

    def end_dead(self, job_name: str, subject: str) -> None:
        """Close what a dead process of a DAG left open; the caller holds the lock under which such rows are written."""
        self._session.execute("ledger/job_runs/end_dead", job_name=job_name, subject=subject)

    def prune(self, keep: timedelta = KEPT, keep_of_dags: timedelta = KEPT_OF_DAGS) -> int:
        """Delete what began longer than `keep` ago and is in the statistics, in batches; return how many runs."""
        deleted = 0
        while batch := self._prune_batch(keep, keep_of_dags):
            deleted += batch
        return deleted

    def prune_some(self) -> None:
        """Delete a batch of what is older than it is kept for, on the way; what hinders it is told, and is no error."""
        try:
            self._prune_batch(KEPT, KEPT_OF_DAGS)
        except ArchiverError as error:
            log.warning("old runs were not deleted from archiver.job_runs, and the next run tries again: %s", error)

    def _prune_batch(self, keep: timedelta, keep_of_dags: timedelta) -> int:
        return self._session.execute(
            "ledger/job_runs/prune", keep=keep, keep_of_dags=keep_of_dags, most=_PRUNED_AT_ONCE
        )


def _make_ended(row: Row) -> EndedRun:
    return EndedRun(
        row.id,
        row.job_id,
        row.database_name,
        row.dry_run,
        row.started_at,
        row.finished_at,
        bool(row.succeeded),
        row.crashed,
        row.rows,
        row.bytes,
        row.sqlerrcode,
        row.told,
    )
