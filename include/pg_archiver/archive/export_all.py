"""export of a batch: windows of few rows together, in one snapshot and with few statements of the ledger, others alone.

Each window keeps its generation, its objects and its manifest, as if it had been exported alone. Whatever keeps one
from going with the others (it was begun before, a restore holds it, its rows are too many or too young, a row of it
cannot be read, its key is taken) leaves it to its own turn, in which that is met as always.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pg_archiver.archive.export import Copied, Exported, copy_window, export, log_result, rehearse
from pg_archiver.archive.grouping import Turn, cut_into_turns, most_rows
from pg_archiver.archive.make_manifest import describe_snapshot, make_manifest
from pg_archiver.archive.same_table import has_same_parts_all
from pg_archiver.archive.sub_ranges import can_be_cut, may_need_list
from pg_archiver.domain.tables import Member, TableShape
from pg_archiver.domain.windows import DueWindow, bounds
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError, KeyTaken, Stopped, ValueRefused
from pg_archiver.ledger.locks import rewrite_lock, window_lock
from pg_archiver.ledger.server_past import read_past
from pg_archiver.ledger.window_generation import Generation
from pg_archiver.ledger.window_groups import GroupLedger
from pg_archiver.objects.manifest import ServerDescription, SubRange
from pg_archiver.postgres.catalog import describe_table
from pg_archiver.postgres.session import Row, Session
from pg_archiver.runtime.failures import Failures
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

# Another's object has the key, or the server could not write a row out, and what it wrote before was kept back.
_NOTHING_UNDER_WAY = (KeyTaken, ValueRefused)


def export_all(session: Session, bucket: Bucket, order: WorkOrder, windows: Sequence[DueWindow]) -> list[Exported]:
    """Export the windows; in a dry run only read them. One bad window keeps no other.

    Raises:
        ArchiverError: of each window that failed, when all have had their turn (`Failures`).
    """
    done: dict[DueWindow, Exported] = {}
    failures = Failures(session)
    for turn in plan_turns(session, order, windows):
        done |= export_turn(session, bucket, order, turn, failures)
    failures.settle()
    return [done[window] for window in windows if window in done]


def export_turn(
    session: Session, bucket: Bucket, order: WorkOrder, turn: Turn, failures: Failures
) -> dict[DueWindow, Exported]:
    """Export the windows of a turn; return what came of those that did not fail, `failures` has the others."""
    group = _export_together(session, bucket, order, turn.windows) if turn.together else _Group()
    done = group.done
    for window in turn.windows:
        if window not in done:
            with failures.collect(window):
                done[window] = _export_alone(session, bucket, order, window, group.begun.get(window))
    return done


def _export_alone(
    session: Session, bucket: Bucket, order: WorkOrder, window: DueWindow, begun: Generation | None
) -> Exported:
    if order.dry_run:
        return rehearse(session, order, window)
    return export(session, bucket, order, window, begun)


def plan_turns(session: Session, order: WorkOrder, windows: Sequence[DueWindow]) -> list[Turn]:
    """Return which windows go together, as far as the rows that they hold right now tell."""
    alone = [Turn(tuple(windows), together=False)]
    if order.dry_run or order.children or order.versions or len(windows) < 2:  # noqa: PLR2004 (two are a group)
        return alone
    try:
        shape = describe_table(session, order.table, order.timestamp_column, noted=False)
        if not can_be_cut(order, shape):
            return alone
        rows = _fetch_rows(session, "archive/export/count_some", shape, windows, most=most_rows(order.batch_size))
    except Stopped:
        raise
    except ArchiverError as refusal:
        # Whatever it is, the windows meet it one by one, and say so.
        log.warning("the windows of %s are not counted: %s", order.table, refusal)
        return alone
    return cut_into_turns(windows, {window: row.rows for window, row in rows.items()}, order.batch_size)


@dataclass
class _Group:
    """Windows that are exported together: what came of them, and the generations of those that are left.

    `sending` is the window whose object is being sent.
    """

    done: dict[DueWindow, Exported] = field(default_factory=dict)
    begun: dict[DueWindow, Generation] = field(default_factory=dict)
    sending: DueWindow | None = None


def _export_together(session: Session, bucket: Bucket, order: WorkOrder, windows: Sequence[DueWindow]) -> _Group:
    """Export those windows of a group that can be; whatever is wrong with the others, they find out by themselves.

    Raises:
        Stopped: the process has to end.
    """
    group = _Group()
    locks = {window_lock(order.table, window.cell): window for window in windows}
    try:
        with (
            session.try_advisory_locks(list(locks)) as taken,
            session.advisory_lock(rewrite_lock(order), f"table {order.table}", shared=True),
        ):
            free = [window for name, window in locks.items() if name in taken]
            _export_locked(session, bucket, order, free, group)
    except Stopped:
        raise
    except ArchiverError as failure:
        if not session.closed:
            log.warning("some windows of %s go one by one: %s", order.table, failure)
    return group


def _export_locked(
    session: Session, bucket: Bucket, order: WorkOrder, windows: Sequence[DueWindow], group: _Group
) -> None:
    ledger = GroupLedger(session, order)
    fresh = ledger.list_fresh(windows)
    held = ledger.list_held(fresh)
    group.begun |= ledger.begin_all([window for window in fresh if window not in held])
    if not group.begun:
        return
    copied: dict[DueWindow, Copied] = {}
    try:
        _copy_snapshot(session, bucket, order, ledger, group, copied)
    except Stopped:
        raise
    except ArchiverError as failure:
        if group.sending and not isinstance(failure, _NOTHING_UNDER_WAY):
            # A request may be under way still. Its key gets no other content, so the window goes on with the next one.
            group.begun.pop(group.sending)
        if session.closed:
            raise
        # What was copied before it was read in a good snapshot, and counts.
        log.warning("the windows of %s that are left go one by one: %s", order.table, failure)
    if copied:
        # Their keys are taken now: a window of which that cannot be noted goes on with the next one.
        rows = {window: group.begun.pop(window) for window in copied}
        group.done |= _note_exported(session, order, ledger, copied, rows)


def _copy_snapshot(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    ledger: GroupLedger,
    group: _Group,
    copied: dict[DueWindow, Copied],
) -> None:
    """Add what one snapshot gives of each window; one whose rows may not leave by its range is left out."""
    read_past(session)
    windows = list(group.begun)
    with session.snapshot():
        session.execute("archive/export/lock_table", {"table": order.table})
        shape = describe_table(session, order.table, order.timestamp_column, order.children, noted=False)
        # In the snapshot that reads the rows: a restore commits them and their hold together.
        held = ledger.list_held(windows)
        server, parts = describe_snapshot(session, shape, [one.span for one in group.begun.values()])
        sub_ranges = _find_sub_ranges(session, order, shape, windows, server)
        for (window, row), found in zip(group.begun.items(), parts, strict=True):
            if window in held or window not in sub_ranges or row.handed_over:
                continue
            group.sending = window
            if one := _copy(session, bucket, order, row, shape, sub_ranges[window], found, server):
                copied[window] = one
            group.sending = None


def _copy(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    row: Generation,
    shape: TableShape,
    sub_range: SubRange,
    found: dict[str, Member],
    server: ServerDescription,
) -> Copied | None:
    listed = may_need_list(shape, found, server)
    written = copy_window(session, order, row, shape, bucket.upload, (sub_range,), listed=listed)
    return Copied(shape.oid, make_manifest(order, shape, row, written, found, server)) if written else None


def _find_sub_ranges(
    session: Session, order: WorkOrder, shape: TableShape, windows: Sequence[DueWindow], server: ServerDescription
) -> dict[DueWindow, SubRange]:
    """Return the whole of each window as its one sub-range, as `cut_window` does where rows are few.

    Left out are those without rows, with too many or too young ones; and all of them where rows leave by a list.
    """
    if not can_be_cut(order, shape):
        return {}
    values = {"oldest": str(server.oldest_transaction)}
    rows = _fetch_rows(session, "archive/export/windows_by_age", shape, windows, **values)
    return {
        window: SubRange(start=window.span.start, end=window.span.end, rows=row.rows)
        for window, row in rows.items()
        if row.is_old and row.rows <= most_rows(order.batch_size)
    }


def _fetch_rows(
    session: Session, statement: str, shape: TableShape, windows: Sequence[DueWindow], **values: object
) -> dict[DueWindow, Row]:
    """Return the row of a statement for each window."""
    ends = [bounds(window.span, shape.timestamp_kind) for window in windows]
    values |= {"starts": [start for start, _ in ends], "ends": [end for _, end in ends]}
    rows = session.fetch_all(statement, {"table": shape.table, "column": shape.timestamp_column}, **values)
    return {windows[row.number - 1]: row for row in rows}


def _note_exported(
    session: Session,
    order: WorkOrder,
    ledger: GroupLedger,
    copied: Mapping[DueWindow, Copied],
    rows: Mapping[DueWindow, Generation],
) -> dict[DueWindow, Exported]:
    """Note what is in S3 now. Where a part of the table came or went meanwhile, a generation counts for nothing."""
    manifests = [one.manifest for one in copied.values()]
    same = has_same_parts_all(session, next(iter(copied.values())).oid, manifests)
    good = {window: one.manifest for (window, one), is_same in zip(copied.items(), same, strict=True) if is_same}
    for window in copied.keys() - good.keys():
        ledger.mark_void(
            rows[window], "a partition or child of the table came, went or was rewritten while it was exported"
        )
        log.warning("window %s: a partition or child of %s came, went or was rewritten meanwhile", window, order.table)
    if not good:
        return {}
    noted = ledger.mark_exported_all([(rows[window], manifest) for window, manifest in good.items()])
    return {window: log_result(window, manifest) for window, manifest in good.items() if rows[window].id in noted}
