"""delete of small windows together, in one transaction: a counted delete by range for each, and one end of them all.

All that a delete by range looks at is looked at for each of them, under the same lock. If the rows of one are no longer
as many, all of it is rolled back, and the others are tried again without it. Whatever else is out of the ordinary
leaves every window to a turn of its own. So nothing here ends a generation but one of which every row has left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pg_archiver.archive.delete_by_range import delete_range, is_whole
from pg_archiver.archive.exported_rows import refuse_replaced
from pg_archiver.archive.same_table import find_part_change, find_table_change, lock_and_look
from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError, CheckFailed, Stopped
from pg_archiver.ledger.locks import rewrite_lock, window_lock
from pg_archiver.ledger.window_generation import Generation
from pg_archiver.ledger.window_groups import GroupLedger
from pg_archiver.objects.manifest import Manifest
from pg_archiver.postgres.catalog import describe_table
from pg_archiver.postgres.catalog_look import look_at_parts
from pg_archiver.postgres.foreign_keys import rows_that_are_pointed_to
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

_MOST_TRIES = 3


@dataclass(frozen=True)
class JointWindow:
    """A checked window none of whose rows has left, and whose rows leave by one range of time."""

    window: DueWindow
    row: Generation
    manifest: Manifest


class _NotTogetherError(Exception):
    """Some windows, or all of them, have to go by themselves; what was done is rolled back."""

    def __init__(self, why: str, which: Sequence[JointWindow]) -> None:
        super().__init__(why)
        self.which = which


def delete_together(
    session: Session,
    bucket: Bucket,
    ledger: GroupLedger,
    order: WorkOrder,
    windows: Sequence[DueWindow],
    find_manifest: Callable[[Generation, DueWindow], Manifest | None],
    stopping: Callable[[], bool],
) -> dict[DueWindow, int]:
    """Delete the rows of those windows of a group that can go together; return how many of each left.

    Args:
        session: a session on the client database.
        bucket: where the objects are.
        ledger: of this session.
        order: the client and table to work on.
        windows: of few rows each.
        find_manifest: tells by what the rows of a generation may leave by range; None if they may not.
        stopping: asked before the rows go; true ends the step there.

    Raises:
        Stopped: `stopping` said so, or the delete was broken off; it was rolled back.
    """
    locks = {window_lock(order.table, window.cell): window for window in windows}
    try:
        with (
            session.try_advisory_locks(list(locks)) as taken,
            session.advisory_lock(rewrite_lock(order), f"table {order.table}", shared=True),
        ):
            free = [window for name, window in locks.items() if name in taken]
            return _delete_locked(session, bucket, ledger, order, free, find_manifest, stopping)
    except Stopped:
        raise
    except ArchiverError as failure:
        if not session.closed:
            log.warning("the windows of %s go one by one: %s", order.table, failure)
        return {}


def _delete_locked(
    session: Session,
    bucket: Bucket,
    ledger: GroupLedger,
    order: WorkOrder,
    windows: Sequence[DueWindow],
    find_manifest: Callable[[Generation, DueWindow], Manifest | None],
    stopping: Callable[[], bool],
) -> dict[DueWindow, int]:
    found = ledger.find_latest_of(windows)
    ready = [
        JointWindow(window, row, manifest)
        for window, row in found.items()
        if (manifest := find_manifest(row, window)) and is_whole(ledger, row, manifest)
    ]
    ready = [one for one in ready if _has_objects(bucket, one)]
    shape = describe_table(session, order.table, order.timestamp_column, order.children, noted=False)
    ready = [one for one in ready if one.manifest.identity_columns == shape.identity_columns]
    for _ in range(_MOST_TRIES):
        if len(ready) < 2:  # noqa: PLR2004 (two are a group)
            break
        if stopping():
            raise Stopped(f"window {ready[0].row.span}: stopped before its rows left. Run the task again to continue")
        try:
            _delete(session, ledger, order, shape, ready)
        except _NotTogetherError as reason:
            log.info("%d of %d windows of %s go one by one: %s", len(reason.which), len(ready), order.table, reason)
            ready = [one for one in ready if one not in reason.which]
            continue
        for one in ready:
            log.info("window %s: %d rows deleted", one.row.span, one.manifest.rows)
        return {one.window: one.manifest.rows for one in ready}
    return {}


def _has_objects(bucket: Bucket, one: JointWindow) -> bool:
    """Return whether its objects are those that were checked; if not, its own turn says so."""
    try:
        refuse_replaced(bucket, one.row, one.manifest)
    except CheckFailed:
        return False
    return True


def _delete(
    session: Session, ledger: GroupLedger, order: WorkOrder, shape: TableShape, ready: Sequence[JointWindow]
) -> None:
    """Delete the rows of all of these windows, and end their generations, in one transaction.

    The lock keeps nobody from attaching a part, with rows that are as old and in no object. So the parts are looked at
    once more when the rows are gone.

    Raises:
        _NotTogetherError: some of them cannot go, or not with the others; nothing was done.
        Superseded: another process was quicker with one of them; nothing was done.
    """
    manifests = [one.manifest for one in ready]
    with rows_that_are_pointed_to(order.table), session.transaction():
        locked = lock_and_look(session, shape, manifests)
        if locked.calls_users_code:
            raise _NotTogetherError("others point to its rows, or triggers fire for them", ready)
        if changed := [
            one
            for place, one in enumerate(ready)
            if find_table_change(locked, shape, one.manifest, place, all_parts=True)
            or not one.manifest.server.is_near(locked.next_transaction)
        ]:
            raise _NotTogetherError("the table is another now", changed)
        # A part that comes now may bring a trigger; what that does is rolled back.
        with session.users_code(known=False):
            left = [delete_range(session, shape, one.manifest, one.manifest.span) for one in ready]
        other = [one for one, rows in zip(ready, left, strict=True) if rows != one.manifest.rows]
        spans = [manifest.span for manifest in manifests]
        now = look_at_parts(session, order.table, shape.oid, order.timestamp_column, spans)
        if any(find_part_change(now, manifest, place, all_parts=True) for place, manifest in enumerate(manifests)):
            raise _NotTogetherError("a part of the table came, went or was rewritten", ready)
        if other:
            raise _NotTogetherError("their rows are no longer as many as were exported", other)
        ledger.end_all_by_range([one.row for one in ready])
