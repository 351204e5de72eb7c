"""delete: removes from the table the very row versions that `store` vouched for, and nothing else.

It never asks the table what is old. It takes the list of places, versions and keys that was written in the
snapshot of the export, and deletes what is still exactly that; or, where that snapshot proves it, the versions that it
saw in a range of time (`delete_by_range`). Each batch commits together with its line in the ledger, so a batch counts
once or not at all, whenever the process dies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

from pg_archiver.archive.delete_by_range import RangeDelete, delete_by_range, find_why_not_by_range, is_server_known
from pg_archiver.archive.delete_together import delete_together
from pg_archiver.archive.exported_rows import (
    ELSEWHERE,
    OTHER_KEY,
    ExportedRows,
    SidecarPrefetch,
    abandon_generation,
    close_generation,
    note_abandoned,
    refuse_in_dry_run,
    refuse_replaced,
)
from pg_archiver.archive.grouping import cut_into_turns
from pg_archiver.archive.kept_versions import NewestVersions
from pg_archiver.archive.same_table import OLDER, OtherTableError, find_part_change, find_table_change, lock_and_look
from pg_archiver.domain.row_numbers import Positions
from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import DueWindow, bounds
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import Busy, CheckFailed, Stopped, TriggerRefused
from pg_archiver.ledger.lazy_notes import flush, noting_lazily
from pg_archiver.ledger.locks import rewrite_lock, window_lock
from pg_archiver.ledger.window_generation import Generation, State
from pg_archiver.ledger.window_groups import GroupLedger
from pg_archiver.ledger.window_ledger import CountDeleted, WindowLedger, manifest_of
from pg_archiver.objects.manifest import Manifest
from pg_archiver.postgres.catalog import describe_table, tell_triggers
from pg_archiver.postgres.catalog_look import look_at_parts
from pg_archiver.postgres.foreign_keys import choose_keys_to_wait_for, rows_that_are_pointed_to
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, NotReferenced
from pg_archiver.postgres.trigger_deletes import TriggerDeletes
from pg_archiver.runtime.failures import Failures
from pg_archiver.runtime.log_interval import LogInterval
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deleted:
    """What became of one window's rows: those deleted, and those that had changed since the export and stay.

    A row to which a child has been made to point since the export counts as changed, and so does a version that is
    among the newest of its key by now.
    """

    rows: int
    changed: int


def delete(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    window: DueWindow,
    stopping: Callable[[], bool],
    count_deleted: CountDeleted | None = None,
) -> Deleted:
    """Delete one window's archived rows, continuing from where an earlier try stopped.

    Args:
        session: a session on the client database.
        bucket: where the objects are.
        order: the client and table to work on.
        stopping: asked between batches; true ends the step there.
        count_deleted: called in each batch's transaction with the number of its rows.

    Raises:
        Busy: another run has begun the window's next generation and not checked it yet.
        CheckFailed: an object is not the one that was checked; nothing more is deleted.
        Stopped: `stopping` said so, or a batch was broken off because it took too long; progress is kept.
        Superseded: another process deleted the same batch first; this one's was rolled back.
    """
    (deleted,) = delete_all(session, bucket, order, [window], stopping, count_deleted)
    return deleted


def delete_all(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    windows: Sequence[DueWindow],
    stopping: Callable[[], bool],
    count_deleted: CountDeleted | None = None,
) -> list[Deleted]:
    """Delete several windows, in their order; while the rows of one are deleted, the next one's sidecar is fetched.

    One bad window keeps no other one's rows.

    Raises:
        Stopped: `stopping` said so; the windows after that are left for another try.
        ArchiverError: of each window that failed, when all have had their turn (`Failures`).
    """
    failures = Failures(session)
    results = delete_each(session, bucket, order, windows, stopping, failures, count_deleted)
    if windows:
        failures.end_with(partial(flush, session))
    failures.settle()
    return [results[window] for window in windows if window in results]


def delete_each(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    windows: Sequence[DueWindow],
    stopping: Callable[[], bool],
    failures: Failures,
    count_deleted: CountDeleted | None = None,
) -> dict[DueWindow, Deleted]:
    """Do so without a `flush`; return what became of each window that did not fail, `failures` has the others."""
    refuse_in_dry_run(order)
    ledger = GroupLedger(session, order, count_deleted)
    results: dict[DueWindow, Deleted] = {}
    small = ledger.count_rows(windows, State.STORED) if len(windows) > 1 and not order.children else {}
    with SidecarPrefetch(bucket) as sidecars, noting_lazily(session):
        for turn in cut_into_turns(windows, small, order.batch_size):
            if turn.together:
                find = partial(_find_manifest_by_range, bucket, ledger, order)
                gone = delete_together(session, bucket, ledger, order, turn.windows, find, stopping)
                results |= {window: Deleted(rows, 0) for window, rows in gone.items()}
            left = [window for window in turn.windows if window not in results]
            for window, following in zip_longest(left, left[1:]):
                with (
                    failures.collect(window),
                    session.advisory_locks(
                        *(window_lock(order.table, window.cell), f"window {window}"),
                        *(rewrite_lock(order), f"table {order.table}"),
                    ),
                ):
                    results[window] = _delete_window(
                        ledger, bucket, sidecars, session, order, window, following, stopping
                    )
    return results


def _find_manifest_by_range(
    bucket: Bucket, ledger: GroupLedger, order: WorkOrder, row: Generation, window: DueWindow
) -> Manifest | None:
    """Return the manifest by which rows of a window may leave by range, in its own turn or with others; None if not."""
    if row.state is not State.STORED or _find_why_outdated(bucket, row, window):
        return None
    manifest = manifest_of(row, window)
    by_range = _goes_by_range(row, manifest, order, ledger)
    return None if not by_range or find_why_not_by_range(ledger, order, manifest) else manifest


def _delete_window(
    ledger: GroupLedger,
    bucket: Bucket,
    sidecars: SidecarPrefetch,
    session: Session,
    order: WorkOrder,
    window: DueWindow,
    following: DueWindow | None,
    stopping: Callable[[], bool],
) -> Deleted:
    row = ledger.find_latest(window.cell)
    if row is None or row.state is not State.STORED:
        if row is not None and row.state is State.DELETED:
            # A try that died at the end of a delete that was abandoned has left no note.
            note_abandoned(ledger, bucket, row)
        return _nothing_to_do(row, window, order.run_id)
    if reason := _find_why_outdated(bucket, row, window):
        return _abandon_generation(bucket, ledger, row, reason)
    manifest = manifest_of(row, window)
    refuse_replaced(bucket, row, manifest)
    shape = describe_table(session, order.table, order.timestamp_column, order.children, noted=False)
    if shape.identity_columns != manifest.identity_columns:
        return _abandon_generation(bucket, ledger, row, OTHER_KEY)
    if _goes_by_range(row, manifest, order, ledger):
        return _delete_by_range(RangeDelete(session, bucket, ledger, order, row, manifest, shape), stopping)
    keys = ExportedRows(session, bucket, order, shape, sidecars)
    keys.create()
    if reason := keys.add(manifest):
        return _abandon_generation(bucket, ledger, row, reason)
    keys.analyze()
    session.fetch_all("archive/delete/plan_by_place")
    if following and (ahead := ledger.read_ahead(following, State.STORED)):
        sidecars.begin(ahead)
    with NewestVersions.listed(session, order, row.span, keys.places, row.deleted_upto) as newest:
        work = _WindowDelete(session, bucket, ledger, order, row, manifest, shape, keys, newest)
        return _delete_generation(work, stopping)


def _goes_by_range(row: Generation, manifest: Manifest, order: WorkOrder, ledger: WindowLedger) -> bool:
    """Return whether rows leave by ranges of time. What began in one way, as with a whole partition, ends in it."""
    if not manifest.sub_ranges or row.deleted_upto:
        return False
    if row.sub_ranges_gone or manifest.keys is None:
        return True
    # Of a table whose policy lists children since, or keeps versions, the list tells row by row which of them stay; and
    # where nobody can tell whether the transactions that the export saw are those of this server, it tells which
    # versions of rows they were.
    return not order.children and not order.versions and is_server_known(ledger, manifest)


def _find_why_outdated(bucket: Bucket, row: Generation, window: DueWindow) -> str | None:
    """Return why nothing may be deleted because of this generation, by the ledger alone."""
    if row.span.start < window.span.start or row.span.end > window.span.end:
        return "more of the window was exported than is due now"
    if row.bucket != bucket.name:
        return ELSEWHERE
    return OLDER if manifest_of(row, window).members is None else None


@dataclass(frozen=True)
class _WindowDelete:
    """All that deleting one generation needs."""

    session: Session
    bucket: Bucket
    ledger: WindowLedger
    order: WorkOrder
    row: Generation
    manifest: Manifest
    shape: TableShape
    keys: ExportedRows
    newest: NewestVersions | None


def _nothing_to_do(row: Generation | None, window: DueWindow, run_id: str) -> Deleted:
    if row is not None and row.state is State.DELETED:
        log.info("window %s: already deleted, %d rows", window, row.deleted_rows)
        return Deleted(row.deleted_rows, (row.rows or 0) - row.deleted_rows)
    if row is not None and row.state in {State.PLANNED, State.EXPORTED}:
        if row.note:
            raise CheckFailed(f"window {window} could not be exported, so none of its rows may be deleted: {row.note}")
        if row.run_id != run_id:
            raise Busy(
                f"window {window} is {row.state} by run {row.run_id}, which has not checked it yet. Nothing was "
                "deleted. Fix, if that run ends without checking it: run the window's export and store tasks again "
                "before delete"
            )
        raise CheckFailed(
            f"window {window} is {row.state}, not checked. Nothing was deleted. Fix: run its export and store "
            "tasks again before delete"
        )
    log.info("window %s: nothing to delete (%s)", window, row.note if row else "never exported")
    return Deleted(0, 0)


def _abandon_generation(bucket: Bucket, ledger: WindowLedger, row: Generation, reason: str) -> Deleted:
    """End this generation; its rows stay, and the next run exports them again."""
    abandon_generation(bucket, ledger, row, reason)
    log.warning("window %s: %s; its rows stay for the next run to export again", row.span, reason)
    return Deleted(row.deleted_rows, (row.rows or 0) - row.deleted_rows)


def _delete_by_range(work: RangeDelete, stopping: Callable[[], bool]) -> Deleted:
    row, rows = work.row, work.manifest.rows
    if reason := find_why_not_by_range(work.ledger, work.order, work.manifest):
        return _abandon_generation(work.bucket, work.ledger, row, reason)
    try:
        deleted = delete_by_range(work, stopping)
    except OtherTableError as reason:
        return _abandon_generation(work.bucket, work.ledger, work.ledger.find_latest(row.cell) or row, str(reason))
    return Deleted(deleted, rows - deleted)


def _delete_generation(work: _WindowDelete, stopping: Callable[[], bool]) -> Deleted:
    row, rows = work.row, work.manifest.rows
    upto, deleted, pace = row.deleted_upto, row.deleted_rows, LogInterval()
    if upto:
        log.info("window %s: continuing after %d of %d rows", row.span, upto, rows)
    while upto < rows:
        if stopping():
            raise Stopped(f"window {row.span}: stopped after {upto} of {rows} rows. Run the task again to continue")
        after, upto = upto, min(upto + work.order.batch_size, rows)
        delete_batch = partial(_delete_batch, work, after, upto)
        try:
            batch = work.newest.delete_next(delete_batch) if work.newest else delete_batch()
        except Stopped as stopped:
            raise Stopped(
                f"window {row.span}: stopped after {after} of {rows} rows. Run the task again to continue ({stopped})"
            ) from None
        except OtherTableError as reason:
            return _abandon_generation(work.bucket, work.ledger, work.ledger.find_latest(row.cell) or row, str(reason))
        deleted += batch
        if pace.due():
            log.info("window %s: %d of %d rows processed", row.span, upto, rows)
    close_generation(
        work.bucket, work.ledger, row, deleted, "changed, or got children," if work.order.children else "changed"
    )
    return Deleted(deleted, rows - deleted)


def _delete_batch(work: _WindowDelete, after: int, upto: int) -> int:
    """Delete one batch in one transaction: rows and their line in the ledger.

    The lock keeps nobody from attaching a part. So the parts are looked at once more when the rows are gone: from
    whichever part one went, it is locked until the end.

    Raises:
        OtherTableError: the table is another now; nothing was done.
        TriggerRefused: triggers removed rows by themselves; nothing was done.
    """
    session, order, row = work.session, work.order, work.row
    with rows_that_are_pointed_to(order.table), session.transaction():
        locked = lock_and_look(session, work.shape, [work.manifest])
        if reason := find_table_change(locked, work.shape, work.manifest):
            raise OtherTableError(reason)
        keys = choose_keys_to_wait_for(session, order.table, locked.pointing, order.children)
        triggers = TriggerDeletes.watch(session, order.table, work.shape.oid, tell_triggers(locked.delete_triggers))
        names: Names = {
            "table": order.table,
            "column": order.timestamp_column,
            **work.keys.matching,
        }
        start, end = bounds(row.span, work.shape.timestamp_kind)
        values: dict[str, object] = {"after": after, "upto": upto, "start": start, "end": end}
        if keys:
            session.fetch_one("archive/delete/lock_parents", names, **values)
        values["superseded"] = work.newest.find_superseded(after, upto) if work.newest else None
        session.use_database_search_path(builtins_first=False)
        names = {**names, "unreferenced": NotReferenced("target", keys)}
        try:
            result = session.fetch_one("archive/delete/batch", names, **values)
        except TriggerRefused as refusal:
            raise TriggerRefused(f"{refusal}. {triggers.tell_fix()}") from None
        # Triggers have run, under the path of the users, along which anything may lie.
        session.use_builtin_search_path()
        column = work.manifest.timestamp_column
        now = look_at_parts(session, order.table, work.shape.oid, column, [work.manifest.span])
        if reason := find_part_change(now, work.manifest):
            raise OtherTableError(reason)
        triggers.refuse_others(int(result.deleted))
        work.ledger.note_progress(row, after, upto, result.deleted, Positions.parse(result.kept))
        if locked.calls_users_code:
            # Deferred triggers run at the commit, and count on theirs.
            session.use_database_search_path(builtins_first=False)
    return int(result.deleted)
