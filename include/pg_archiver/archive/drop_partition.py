"""drop: a partition all of whose rows are in checked objects is detached and dropped, instead of emptied row by row.

Detaching comes first, without a lock that anybody waits for; the comparison of every row with the checked lists
comes after it, when nobody can reach the partition through its table, and in one transaction with the drop
and the ledger. If a row turns out to be in no object, the partition is attached again as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from pg_archiver.archive.detaching import Whereabouts, detach, finalize, find_whereabouts, take_turn
from pg_archiver.archive.exported_rows import refuse_in_dry_run
from pg_archiver.archive.partition_coverage import Coverage, load_coverage
from pg_archiver.archive.put_back_detached import put_back
from pg_archiver.domain.row_numbers import Positions
from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused, Refused, TableRefused
from pg_archiver.ledger.locks import partition_lock, rewrite_lock
from pg_archiver.ledger.partition_drops import Dropped, PartitionDropLog
from pg_archiver.ledger.window_ledger import CountDeleted
from pg_archiver.postgres.catalog import describe_table
from pg_archiver.postgres.foreign_keys import find_keys_to_wait_for
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Literal
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)


def ask_nothing() -> None:
    """Ask nobody: only the ledger and S3 decide whether the partition may be dropped."""


def drop(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    partition: Partition,
    confirm: Callable[[], None] = ask_nothing,
    count_deleted: CountDeleted | None = None,
) -> Dropped | None:
    """Drop the partition, if every row in it is in an object that was checked; else leave it, and return None.

    A drop that was broken off is taken up where it stands. None means that the rows are to be deleted in batches.
    `confirm` is called just before the locks are taken under which it goes, when all lists have been loaded and the
    detach was waited for; what it raises keeps the partition. `count_deleted` is called in the transaction of the drop
    with the number of its rows.

    Raises:
        NotEnabled: this is a dry run.
        CheckFailed: an object is not the one that was checked; nothing was dropped.
        DatabaseInterrupted: a lock was not to be had in time; the partition is still whole, and a rerun continues.
        DatabaseRefused: the server will not detach or drop it; it is attached as before.
    """
    refuse_in_dry_run(order)
    drops = PartitionDropLog(session, order)

    def load() -> Coverage | None:
        return load_coverage(session, bucket, order, partition, count_deleted)

    with (
        session.advisory_lock(partition_lock(order.table, partition.oid), str(partition)),
        session.advisory_lock(rewrite_lock(order), f"table {order.table}", shared=True),
    ):
        begun, partition = _find_begun(drops, partition)
        here = find_whereabouts(session, partition)
        if here is None or here.table != partition.table:
            return _end_gone(session, drops, begun, partition, here)
        if here.attached:
            if begun is not None:
                drops.end(begun, "attached", "the detach never took place")
            work = load()
            if work is None or not work.is_covered(here.table):
                return None
            if not partition.alone:
                confirm()
                return _drop_at_once(work, drops, partition)
            begun = drops.begin(partition)
            detach(session, drops, partition, here.table, begun)
            return _compare_and_drop(session, order, partition, drops, begun, lambda: work, confirm)
        if begun is None:
            raise DatabaseInterrupted(f"{partition} is being detached by somebody else. It is left to them")
        with take_turn(session, partition):
            finalize(session, partition)
        return _compare_and_drop(session, order, partition, drops, begun, load, confirm)


def bring_back(session: Session, order: WorkOrder, partition: Partition) -> None:
    """Attach a partition again that an earlier run began to drop and that is no longer due.

    Raises:
        DatabaseInterrupted: a lock was not to be had in time; a rerun continues.
        DatabaseRefused: the server will not attach it.
    """
    refuse_in_dry_run(order)
    drops = PartitionDropLog(session, order)
    with session.advisory_lock(partition_lock(order.table, partition.oid), str(partition)):
        begun, partition = _find_begun(drops, partition)
        here = find_whereabouts(session, partition)
        if begun is None:
            return
        if here is None or here.table != partition.table:
            _end_gone(session, drops, begun, partition, here)
            return
        if here.attached:
            drops.end(begun, "attached", "the detach never took place, and it is not due any more")
            return
        with take_turn(session, partition):
            finalize(session, partition)
        _return_to_table(session, order, partition, drops, begun, None, "it is not due any more")


def _find_begun(drops: PartitionDropLog, partition: Partition) -> tuple[int | None, Partition]:
    """Return the number of the line of a drop that was begun, if any, and the partition as that has it."""
    for number, one in drops.list_unfinished().items():
        if one.oid == partition.oid:
            return number, replace(partition, table=one.table, parent=one.parent, bounds=one.bounds)
    return None, partition


def _end_gone(
    session: Session, drops: PartitionDropLog, begun: int | None, partition: Partition, here: Whereabouts | None
) -> Dropped | None:
    """End what cannot be continued; `here` is what goes by the partition's oid now, under another name.

    That may be the partition, which somebody renamed, or a stranger: after a dump and restore oids mean other tables.

    Raises:
        TableRefused: there are rows in it, or may be; it was left alone.
    """
    found = f"its oid is that of {here.table}, which was left alone" if here else "somebody else dropped it"
    log.warning("%s is not there any more under this name: %s", partition, found)
    if begun is None:
        return None
    drops.end(begun, "gone", found)
    if here and _may_hold_rows(session, here.table):
        raise TableRefused(
            f"{partition} was detached to be dropped and is not there any more under this name. {here.table} has its "
            "oid and holds rows: it was left alone. Fix: if somebody renamed the partition, put its rows back with "
            "ALTER TABLE ... ATTACH PARTITION, or INSERT them. If that is another table, there is nothing to do"
        )
    return None


def _may_hold_rows(session: Session, table: TableName) -> bool:
    try:
        return bool(session.fetch_one("archive/drop_partition/has_rows", {"partition": table}).found)
    except DatabaseRefused:
        return True


def _compare_and_drop(
    session: Session,
    order: WorkOrder,
    partition: Partition,
    drops: PartitionDropLog,
    begun: int,
    prepare: Callable[[], Coverage | None],
    confirm: Callable[[], None],
) -> Dropped | None:
    """Compare and drop the detached partition in one transaction; or it goes back into its table."""
    try:
        work = prepare()
        confirm()
        with session.transaction():
            table = _lock_partition(session, partition)
            missing = work.compare(table) if work else None
            if work is not None and missing is not None:
                deleted, dropped = work.note_progress(missing), _drop_now(work, partition, table, len(missing))
                drops.end(begun, "dropped", dropped=dropped)
    except Refused as refusal:
        _return_to_table(session, order, partition, drops, begun, None, str(refusal))
        raise
    if work is None or missing is None:
        _return_to_table(session, order, partition, drops, begun, work, "not every row of it is in a checked object")
        return None
    return _finish_drop(work, deleted, dropped)


def _return_to_table(
    session: Session,
    order: WorkOrder,
    partition: Partition,
    drops: PartitionDropLog,
    begun: int,
    work: Coverage | None,
    why: str,
) -> None:
    """Attach the detached partition again; if the server refuses that permanently, its rows are put back instead.

    Raises:
        TableRefused: neither is possible; nothing was done.
    """
    try:
        with session.transaction():
            _attach(session, partition, _lock_partition(session, partition))
            drops.end(begun, "attached", why)
    except DatabaseRefused as refusal:
        try:
            _put_back(session, order, partition, drops, begun, work)
        except Refused as other:
            raise TableRefused(
                f"{partition} was detached to be dropped, holds rows that are in no checked object, and cannot be "
                f"attached any more ({refusal}). Nor can its rows be put back into {order.table}: {other}. Nothing "
                "was changed. Fix: make room for it, and the next run attaches it. Or remove what is in the way, "
                f"INSERT its rows into {order.table} with OVERRIDING SYSTEM VALUE and DROP TABLE {partition.table} in "
                "one transaction"
            ) from None


def _put_back(
    session: Session, order: WorkOrder, partition: Partition, drops: PartitionDropLog, begun: int, work: Coverage | None
) -> None:
    """Insert what is in no checked object into the table and drop the partition: all of it in one transaction."""
    deleted: dict[int, int] = {}
    with session.transaction():
        table = _lock_partition(session, partition)
        lists = work if work and not work.find_change() else None
        shape = describe_table(session, order.table, order.timestamp_column, order.children)
        rows = put_back(session, shape, table, partition.oid, lists.keys if lists else None)
        if lists:
            found = session.fetch_one("archive/drop_partition/compare", {"partition": table, **lists.keys.matching})
            deleted = lists.note_progress(Positions.parse(found.missing))
        dropped = Dropped(partition.table, sum(deleted.values()), _drop_table(session, partition, table))
        drops.end(begun, "moved", f"it could not be attached again: {rows} row(s) put back into the table", dropped)
    log.warning("%s could not be attached again: %d row(s) of it were put back into %s", partition, rows, order.table)
    if lists:
        lists.finish(deleted)


def _drop_at_once(work: Coverage, drops: PartitionDropLog, partition: Partition) -> Dropped | None:
    """Drop in one transaction: with a default partition the server cannot detach concurrently."""
    session = work.session
    with session.transaction():
        session.execute("archive/drop_partition/lock_parent", {"parent": partition.parent})
        table = _lock_partition(session, partition)
        missing = work.compare(table)
        if missing is None:
            return None
        begun = drops.begin(partition)
        deleted = work.note_progress(missing)
        session.execute("archive/drop_partition/detach", {"parent": partition.parent, "partition": table})
        dropped = _drop_now(work, partition, table, len(missing))
        drops.end(begun, "dropped", dropped=dropped)
    return _finish_drop(work, deleted, dropped)


def _lock_partition(session: Session, partition: Partition) -> TableName:
    """Lock the partition under the name that it has now, and make sure that the name is still its own."""
    here = find_whereabouts(session, partition)
    if here is not None:
        session.execute("archive/drop_partition/lock_partition", {"partition": here.table})
        if here.table == partition.table and find_whereabouts(session, partition) == here:
            return here.table
    raise DatabaseInterrupted(f"database {session.name}: {partition} was renamed or dropped by somebody else just now")


def _drop_now(work: Coverage, partition: Partition, table: TableName, missing: int) -> Dropped:
    bytes_ = _drop_table(work.session, partition, table)
    rows = sum(row.rows or 0 for row in work.rows) - missing
    return Dropped(partition.table, rows, bytes_)


def _drop_table(session: Session, partition: Partition, table: TableName) -> int:
    """Return what its files took."""
    find_keys_to_wait_for(session, table, partition.oid, ())
    bytes_ = int(session.fetch_one("archive/drop_partition/partition_bytes", oid=partition.oid).bytes)
    session.execute("archive/drop_partition/drop", {"partition": table})
    return bytes_


def _attach(session: Session, partition: Partition, table: TableName) -> None:
    names = {"parent": partition.parent, "partition": table}
    lower, upper = map(Literal, partition.bounds)
    session.execute("archive/drop_partition/attach", {**names, "lower": lower, "upper": upper})
    log.warning("%s is attached again", partition)


def _finish_drop(work: Coverage, deleted: dict[int, int], dropped: Dropped) -> Dropped:
    work.finish(deleted)
    log.info("%s", dropped)
    return dropped
