"""delete by range: rows leave by their times and the age of their versions, without a list of them.

A version that a transaction below the export's oldest one made, and that is there now, was there at the export, so it
is in the object. So what such a delete takes is a part of what was exported; if it is as many rows, it is all of them.
That holds as long as the table is the one that was exported, with the very same parts, and the numbers are near: all of
it is looked at in the transaction of the delete. Of a sub-range whose rows are no longer as many, every one stays.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pg_archiver.archive.exported_rows import close_generation, note_abandoned
from pg_archiver.archive.same_table import OtherTableError, find_part_change, find_table_change, lock_and_look
from pg_archiver.archive.sub_ranges import RangeBatch, join_batches, split
from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import Window, bounds
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import Stopped, Superseded, TriggerRefused
from pg_archiver.ledger.removed_rows import needs_note, number_rows
from pg_archiver.ledger.window_generation import Generation, State
from pg_archiver.ledger.window_groups import GroupLedger
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.manifest import Manifest, SubRange
from pg_archiver.postgres.catalog import tell_triggers
from pg_archiver.postgres.catalog_look import look_at_parts
from pg_archiver.postgres.foreign_keys import choose_keys_to_wait_for, rows_that_are_pointed_to
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names
from pg_archiver.postgres.trigger_deletes import TriggerDeletes
from pg_archiver.runtime.log_interval import LogInterval
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

FAR = "too many transactions lie between its export and now, or none: its rows cannot be told by their age"
CHILDREN = "the policy has listed children since the export, and its rows may have to wait for theirs"
VERSIONS = "the policy has kept versions since the export, and its rows may be among the newest of their keys"
ANOTHER_COLUMN = "the policy names another timestamp column than at the export"
UNKNOWN_SERVER = (
    "the server does not say who it is now, so nobody can tell whether it is that of the export. Fix: grant EXECUTE on "
    "the function pg_control_system() to the archiver's login"
)
ANOTHER_SERVER = "it was exported on another server, whose transactions say nothing of the rows here"


@dataclass(frozen=True)
class RangeDelete:
    """All that deleting one generation by ranges of time needs."""

    session: Session
    bucket: Bucket
    ledger: GroupLedger
    order: WorkOrder
    row: Generation
    manifest: Manifest
    shape: TableShape
    sub_ranges: tuple[SubRange, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Take the sub-ranges from the manifest."""
        object.__setattr__(self, "sub_ranges", self.manifest.sub_ranges or ())


def find_why_not_by_range(ledger: WindowLedger, order: WorkOrder, manifest: Manifest) -> str | None:
    """Return why no row may leave by range because of this manifest, though it has sub-ranges; None if they may."""
    if order.versions:
        return VERSIONS
    if order.timestamp_column != manifest.timestamp_column:
        return ANOTHER_COLUMN
    here = ledger.read_past().system_identifier
    if not here:
        return UNKNOWN_SERVER
    return None if here == manifest.server.system_identifier else ANOTHER_SERVER


def is_server_known(ledger: WindowLedger, manifest: Manifest) -> bool:
    """Return whether it can be told if this is the server of the export; on another one numbers mean something else."""
    return bool(ledger.read_past().system_identifier and manifest.server.system_identifier)


def delete_by_range(work: RangeDelete, stopping: Callable[[], bool]) -> int:
    """Delete what is left of a generation and end it; return how many of its rows left in all.

    Sub-ranges that are joined leave together; if their rows are no longer as many, each is tried by itself.

    Raises:
        OtherTableError: the table is another now; the generation is not ended.
        Stopped: `stopping` said so, or a batch was broken off because it took too long; progress is kept.
    """
    row, rows = work.row, work.manifest.rows
    deleted, missed, pace = row.deleted_rows, 0, LogInterval()
    if deleted:
        log.info("window %s: continuing after %d of %d rows", row.span, deleted, rows)
    whole = is_whole(work.ledger, row, work.manifest)
    batches = deque(join_batches(work.sub_ranges, row.sub_ranges_gone, work.order.batch_size))
    while batches:
        if stopping():
            raise Stopped(f"window {row.span}: stopped after {deleted} of {rows} rows. Run the task again to continue")
        batch = batches.popleft()
        try:
            _delete_batch(work, batch, whole=whole)
        except Stopped as stopped:
            raise Stopped(
                f"window {row.span}: stopped after {deleted} of {rows} rows. Run the task again to continue ({stopped})"
            ) from None
        except _OtherRowsError:
            _refuse_overtaken(work, batch)
            parts = split(batch, work.sub_ranges)
            batches.extendleft(reversed(parts))
            missed += not parts
            continue
        deleted += batch.rows
        if pace.due():
            log.info("window %s: %d of %d rows deleted", row.span, deleted, rows)
    if missed:
        _end_missed(work, missed)
    elif whole:
        log.info("window %s: %d rows deleted", row.span, deleted)
    else:
        close_generation(work.bucket, work.ledger, work.ledger.find_latest(row.cell) or row, deleted)
    return deleted


def is_whole(ledger: WindowLedger, row: Generation, manifest: Manifest) -> bool:
    """Return whether nothing of a generation has left, all of it lies in one range, and its end takes no note."""
    begun = row.deleted_rows or row.deleted_upto or row.sub_ranges_gone
    single = len(manifest.sub_ranges or ()) == 1 and row.rows == manifest.rows
    return not begun and single and not needs_note(ledger, replace(row, deleted_upto=row.rows or 0))


def delete_range(session: Session, shape: TableShape, manifest: Manifest, span: Window) -> int:
    """Delete the rows of a part of the window that the export saw; return how many they were.

    What has to be looked at before and after is the caller's business, in the same transaction.
    """
    names: Names = {"table": shape.table, "column": manifest.timestamp_column}
    start, end = bounds(span, shape.timestamp_kind)
    oldest = str(manifest.server.oldest_transaction)
    return int(session.fetch_one("archive/delete/batch_by_range", names, start=start, end=end, oldest=oldest).deleted)


class _OtherRowsError(Exception):
    """The rows of a sub-range are no longer as many as were exported."""


def _delete_batch(work: RangeDelete, batch: RangeBatch, *, whole: bool) -> None:
    """Delete just the rows that were exported of these sub-ranges, in one transaction with their line in the ledger.

    If they are the `whole` generation, that is its end, too.

    The lock keeps nobody from attaching a part, with rows that are as old and in no object. So the parts are looked at
    once more when the rows are gone: from whichever part one went, it is locked until the end.

    Raises:
        OtherTableError: the table is another now; nothing was done.
        TriggerRefused: triggers removed rows by themselves; nothing was done.
        _OtherRowsError: not as many rows went as were exported; nothing was done.
    """
    session, order, manifest = work.session, work.order, work.manifest
    column, spans = manifest.timestamp_column, [manifest.span]
    with rows_that_are_pointed_to(order.table), session.transaction():
        locked = lock_and_look(session, work.shape, [manifest])
        if reason := find_table_change(locked, work.shape, manifest, all_parts=True):
            raise OtherTableError(reason)
        if not manifest.server.is_near(locked.next_transaction):
            raise OtherTableError(FAR)
        if choose_keys_to_wait_for(session, order.table, locked.pointing, order.children):
            raise OtherTableError(CHILDREN)
        triggers = TriggerDeletes.watch(session, order.table, work.shape.oid, tell_triggers(locked.delete_triggers))
        # None is made now on what is locked; one that comes with a part is rolled back with what it did.
        with session.users_code(known=locked.calls_users_code):
            try:
                deleted = delete_range(session, work.shape, manifest, batch.span)
            except TriggerRefused as refusal:
                raise TriggerRefused(f"{refusal}. {triggers.tell_fix()}") from None
        now = look_at_parts(session, order.table, work.shape.oid, column, spans)
        if reason := find_part_change(now, manifest, all_parts=True):
            raise OtherTableError(reason)
        triggers.refuse_others(deleted)
        if deleted != batch.rows:
            raise _OtherRowsError
        if whole:
            work.ledger.end_all_by_range([work.row])
        else:
            work.ledger.note_sub_ranges(work.row, batch.numbers, deleted)
        if locked.calls_users_code:
            # Deferred triggers run at the commit, and count on theirs.
            session.use_database_search_path(builtins_first=False)


def _refuse_overtaken(work: RangeDelete, batch: RangeBatch) -> None:
    """Refuse to take rows that another process has deleted just now for rows that changed.

    Raises:
        Superseded: it has, or has ended the generation.
    """
    row = work.ledger.find_latest(work.row.cell)
    if row is None or row.id != work.row.id or row.state is not State.STORED or row.sub_ranges_gone & batch.numbers:
        raise Superseded(
            f"window {work.row.cell} (generation {work.row.generation}) was taken over by another run while this one "
            "worked on it. Nothing more was deleted"
        )


def _end_missed(work: RangeDelete, missed: int) -> None:
    """End a generation of which sub-ranges stayed whole; the next run exports their rows again."""
    row = work.ledger.find_latest(work.row.cell) or work.row
    rows = work.manifest.rows - row.deleted_rows
    note = (
        f"{rows} row(s) stayed: in {missed} of {len(work.sub_ranges)} parts of the window rows changed since the "
        "export; the next run exports them again"
    )
    log.warning("window %s: %s", row.span, note)
    if not row.sub_ranges_gone:
        work.ledger.mark_void(row, note, missed=True)
        return
    numbered = number_rows(work.bucket, row, work.manifest)
    work.ledger.end_sub_ranges(numbered, note, missed=True)
    note_abandoned(work.ledger, work.bucket, numbered)
