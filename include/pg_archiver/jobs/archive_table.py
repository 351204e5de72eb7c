"""What a job with action `archive` does to its table: plan, and the steps side by side, until nothing is left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pg_archiver.archive.pipeline import Pipeline, Totals, open_pipeline
from pg_archiver.archive.plan import Plan, plan
from pg_archiver.archive.report import list_stuck
from pg_archiver.archive.run_span import Limits
from pg_archiver.archive.take_over import find_hindrance, take_over
from pg_archiver.archive.tried import Tried
from pg_archiver.domain.sizes import format_bytes
from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError, JobRefused, Stopped, Unfinished
from pg_archiver.policies.table_jobs import TableJob
from pg_archiver.policies.work_orders import make_order
from pg_archiver.postgres.rows_that_stay import refuse_never_leaving
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

_MOST_NAMED = 10
OpenSession = Callable[[str], AbstractContextManager[Session]]


@dataclass(frozen=True)
class TableResult:
    """What came of a job's work on a table.

    Attributes:
        rows: how many rows went.
        bytes: how large the objects are that hold them; of versions that were deleted, how many bytes they had.
        told: one line for people.
        left: why it ended before its end, in good order; None if it did not.
        kept_by: what binds, of all that keeps versions; None where nothing does, or the job keeps none.
        highest_version: the highest version that went; None where none did.
    """

    rows: int
    bytes: int
    told: str
    left: str | None
    kept_by: str | None = None
    highest_version: str | None = None


def rehearse_archive(session: Session, bucket: Bucket, job: TableJob, run_id: str, adopt: str | None = None) -> str:
    """Return what `archive_table` would do, in one line. Nothing that stays is written anywhere.

    Whether objects can be written is tried by an upload that is aborted.

    Args:
        session: a session on the database of the table.
        bucket: where the objects would go.
        job: the table.
        run_id: the run, as in `archive_table`.
        adopt: as in `archive_table`.

    Raises:
        TableRefused: the table is missing, or rows cannot be deleted from it safely.
        StorageRefused: the bucket is missing, or does not take what the archive sends.
        JobRefused: the ledger may not be written to, or another database may act for the archive.
        Unfinished: rows of it can never leave.
    """
    if job.keep.everything:
        return _tell_everything(job)
    order = make_order(job.client, job.policy, run_id, dry_run=True)
    found = plan(session, bucket, order, job.policy, job.keep, _limit_to(datetime.now(UTC)))
    if hindrance := find_hindrance(session, bucket, order, adopt):
        raise JobRefused(hindrance)
    bucket.check(order.prefix, writing=True, thorough=True)
    refuse_never_leaving(found.staying)
    return _tell_plan(found)


def archive_table(
    open_session: OpenSession,
    bucket: Bucket,
    job: TableJob,
    run_id: str,
    stopping: Callable[[], str | None],
    count: Callable[[Session, int], None],
    adopt: str | None = None,
) -> TableResult:
    """Archive what is due of the table, as of now, oldest first; each window at most once.

    Args:
        open_session: opens a connection to the table's database for the step of this name; at most four at a time.
        bucket: where the objects go.
        job: the table.
        run_id: the run, by which the ledger knows it; no two jobs of one table share one.
        stopping: asked before each window's export, before each delete batch and before a partition is dropped, by
            one thread at a time, for why the work is to end there; None if it goes on. What it raises ends it, too.
        count: called in each transaction in which rows leave, on its session, with their number. What it raises
            keeps them.
        adopt: why this database acts for the archive from now on, if another one did, in a person's words. It counts if
            something is due.

    Raises:
        OwnedElsewhere: another database acts for this archive; nothing was archived.
        TableRefused, StorageRefused, DatabaseRefused: rows cannot be archived from it, or not into it.
        ArchiverError: of the windows that failed, when all others have had their turn. What was done counts.
        Unfinished: rows of it can never leave, or those of a window have not left in two runs.
        Stopped: the process was told to end.
    """
    if job.keep.everything:
        return TableResult(0, 0, _tell_everything(job), None)
    order = make_order(job.client, job.policy, run_id, dry_run=False)
    return _ArchiveRun(open_session, bucket, job, order, _Watch(stopping), count, adopt).run()


class _Watch:
    """Whether the work goes on: asked by several threads, and no more once it does not."""

    def __init__(self, ask: Callable[[], str | None]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._error: ArchiverError | None = None
        self.reason: str | None = None

    def __call__(self) -> bool:
        """Return whether the work is to end here."""
        with self._lock:
            if self.reason is None and self._error is None:
                try:
                    self.reason = self._ask()
                except ArchiverError as error:
                    # It concerns the run, and no window.
                    self._error = error
            return self.reason is not None or self._error is not None

    def settle(self) -> None:
        """Fail if it could not be found out.

        Raises:
            ArchiverError: what the question raised.
        """
        if self._error is not None:
            raise self._error


@dataclass
class _ArchiveRun:
    """One run on one table. What is due is what was old enough when it began, however long it takes."""

    open_session: OpenSession
    bucket: Bucket
    job: TableJob
    order: WorkOrder
    watch: _Watch
    count: Callable[[Session, int], None]
    adopt: str | None
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    tried: Tried = field(default_factory=Tried)
    counted: int = 0

    def run(self) -> TableResult:
        """Plan and archive, until nothing is left, or somebody says that it ends here."""
        if self.watch():
            self.watch.settle()
            return TableResult(0, 0, "nothing was archived", self.watch.reason)
        found = self._plan()
        if not found.batches:
            refuse_never_leaving(found.staying)
            return TableResult(0, 0, _tell_plan(found), None, found.kept_by)
        with open_pipeline(self.open_session, self.bucket, self.order, self.watch, self._count) as pipeline:
            self._archive(pipeline, found)
            totals = pipeline.totals
            stuck = list(list_stuck(pipeline.exporting, self.order))
        if stuck:
            named = "; ".join(stuck[:_MOST_NAMED])
            raise Unfinished(f"rows of {say_count(len(stuck), 'window')} do not leave: {named}. No row is lost by that")
        refuse_never_leaving(found.staying)
        told = self._tell(totals, found)
        return TableResult(self.counted, totals.object_bytes, told, self.watch.reason, found.kept_by)

    def _archive(self, pipeline: Pipeline, found: Plan) -> None:
        """Take plan after plan through the steps.

        Raises:
            ArchiverError: of the windows that failed, or of what concerns them all.
            Stopped: the process was told to end.
        """
        try:
            while found.batches:
                for batch in found.batches:
                    self.tried.add(batch)
                pipeline.archive(found.batches)
                if not found.more or self.watch():
                    break
                found = self._plan()
        except Stopped:
            self.watch.settle()
            if self.watch.reason is None:
                raise
        self.watch.settle()
        pipeline.settle()

    def _plan(self) -> Plan:
        with self.open_session("plan") as session:
            found = plan(
                session,
                self.bucket,
                self.order,
                self.job.policy,
                self.job.keep,
                _limit_to(self.began),
                tried=self.tried,
            )
            take_over(session, self.bucket, self.order, found, self.adopt)
        return found

    def _count(self, session: Session, rows: int) -> None:
        self.count(session, rows)
        self.counted += rows

    def _tell(self, totals: Totals, found: Plan) -> str:
        rows, windows = say_count(self.counted, "row"), say_count(totals.windows, "window")
        told = f"{rows} of {windows} archived ({format_bytes(totals.object_bytes)}) and deleted"
        if totals.partitions:
            told += f", {say_count(totals.partitions, 'partition')} dropped whole"
        if totals.changed:
            told += f"; {say_count(totals.changed, 'row')} had changed since the export and stayed"
        return "; ".join([told, _tell_cutoff(found), *found.notes])


def _limit_to(moment: datetime) -> Limits:
    return Limits(run_time=moment, start=None, end=None)


def _tell_everything(job: TableJob) -> str:
    return f"{job.keep.source} is -1: everything is kept"


def _tell_cutoff(found: Plan) -> str:
    days = f"{found.keep_days.source}: {found.keep_days.days}"
    return f"due is what is older than {found.cutoff:%Y-%m-%d %H:%M} UTC ({days})"


def _tell_plan(found: Plan) -> str:
    """Return what a plan found, in one line."""
    if not found.batches:
        return "; ".join(["nothing is due", _tell_cutoff(found), *found.notes])
    start = min(batch.span.start for batch in found.batches)
    end = max(batch.span.end for batch in found.batches)
    windows = f"{say_count(found.windows, 'window')}{' and more' if found.more else ''}"
    told = [
        f"{windows} from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} would be archived, and their rows deleted",
        _tell_cutoff(found),
    ]
    if partitions := found.partitions:
        named = ", ".join(str(one.table) for one in partitions[:_MOST_NAMED])
        more = ", ..." if len(partitions) > _MOST_NAMED else ""
        told.append(f"{say_count(len(partitions), 'partition')} would be dropped whole: {named}{more}")
    return "; ".join([*told, *found.notes])
