"""drop: a partition all of whose rows are in checked objects is detached and dropped, instead of emptied row by row.

Detaching comes first, without a lock that anybody waits for; the comparison of every row with the checked lists
comes after it, when nobody can reach the partition through its table any more, and in one transaction with the drop
and the ledger. If a row turns out to be in no object, the partition is attached again as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from include.archiver.database import Database
from include.archiver.errors import DatabaseInterrupted, Refused
from include.archiver.ledger import Ledger, manifest_of, rewrite_lock
from include.archiver.manifest import Manifest
from include.archiver.models import LedgerRow, Partition, State, TableName, TableShape, WorkOrder
from include.archiver.partitions import Dropped, Drops
from include.archiver.references import keys_to_wait_for
from include.archiver.removal import KeyList, finish, refuse_in_dry_run, refuse_replaced
from include.archiver.restores import Restores
from include.archiver.statements import Text
from include.archiver.storage import ObjectStore
from include.archiver.table import describe, members

log = logging.getLogger(__name__)

# A concurrent detach waits for transactions that still see the partition; meanwhile it is in nobody's way.
_DETACH_LOCK_TIMEOUT = "5min"


def nothing_more_to_ask() -> None:
    """Where nobody but the ledger and S3 has a say in whether a partition may go."""


def drop(
    database: Database,
    bucket: ObjectStore,
    order: WorkOrder,
    partition: Partition,
    confirm: Callable[[], None] = nothing_more_to_ask,
) -> Dropped | None:
    """Drops the partition, if every row in it is in an object that was checked; else leaves it, and returns None.

    A drop that was broken off is taken up where it stands. None means that the rows are to be deleted in batches.
    `confirm` is called just before the locks are taken under which it goes, when all lists have been loaded and the
    detach was waited for; what it raises keeps the partition.

    Raises:
        NotEnabled: this is a dry run.
        CheckFailed: an object is not the one that was checked; nothing was dropped.
        DatabaseInterrupted: a lock was not to be had in time; the partition is still whole, and a rerun goes on.
        DatabaseRefused: the server will not detach or drop it; it is attached as before.
    """
    refuse_in_dry_run(order)
    drops = Drops(database, order)
    with (
        database.locked(drops.lock_name(partition.oid), str(partition)),
        database.locked(rewrite_lock(order), f"table {order.table}", shared=True),
    ):
        begun = next((number for number, one in drops.unfinished().items() if one.oid == partition.oid), None)
        here = _whereabouts(database, partition)
        if here is None:
            return _gone(drops, begun, partition)
        if here.attached:
            if begun is not None:
                drops.ended(begun, "attached", "the detach never took place")
            work = _prepared(database, bucket, order, partition)
            if work is None or not work.covered(here.table):
                return None
            if not partition.alone:
                confirm()
                return _dropped_at_once(work, drops, partition)
            begun = drops.begin(partition)
            _detach(database, drops, partition, here.table, begun)
            return _dropped(database, partition, drops, begun, lambda: work, confirm)
        if begun is None:
            raise DatabaseInterrupted(f"{partition} is being detached by somebody else; it is left to them")
        _finalize(database, partition)
        return _dropped(
            database, partition, drops, begun, lambda: _prepared(database, bucket, order, partition), confirm
        )


def bring_back(database: Database, order: WorkOrder, partition: Partition) -> None:
    """Attaches a partition again that an earlier run began to drop and that is not due any more.

    Raises:
        DatabaseInterrupted: a lock was not to be had in time; a rerun goes on.
        DatabaseRefused: the server will not attach it.
    """
    refuse_in_dry_run(order)
    drops = Drops(database, order)
    with database.locked(drops.lock_name(partition.oid), str(partition)):
        begun = next((number for number, one in drops.unfinished().items() if one.oid == partition.oid), None)
        here = _whereabouts(database, partition)
        if begun is None:
            return
        if here is None:
            _gone(drops, begun, partition)
            return
        if here.attached:
            drops.ended(begun, "attached", "the detach never took place, and it is not due any more")
            return
        _finalize(database, partition)
        with database.transaction():
            _attach(database, partition, _held(database, partition))
            drops.ended(begun, "attached", "it is not due any more")


@dataclass(frozen=True)
class _Whereabouts:
    """Where the partition is now: its name, and whether it is a part of its table."""

    table: TableName
    attached: bool
    pending: bool


def _whereabouts(database: Database, partition: Partition) -> _Whereabouts | None:
    rows = database.all("partition/state", oid=partition.oid)
    if not rows:
        return None
    return _Whereabouts(TableName(rows[0].schema, rows[0].name), rows[0].attached, rows[0].pending)


def _gone(drops: Drops, begun: int | None, partition: Partition) -> Dropped | None:
    log.info("%s is not there any more", partition)
    if begun is not None:
        drops.ended(begun, "gone", "somebody else dropped it")
    return None


@dataclass(frozen=True)
class _Work:
    """The checked lists of all that the partition should hold, loaded and ready to be compared with it."""

    database: Database
    bucket: ObjectStore
    ledger: Ledger
    order: WorkOrder
    partition: Partition
    shape: TableShape
    rows: Sequence[LedgerRow]
    manifests: Sequence[Manifest]
    keys: KeyList

    def covered(self, table: TableName) -> bool:
        """Whether every row of the partition is on the lists right now."""
        return self.comparison(table) is not None

    def comparison(self, table: TableName) -> list[int] | None:
        """The numbers of the lines to which no row belongs any more; None if a row belongs to no line.

        A rewritten partition, or one with another set of columns, is one whose rows are in no object.
        """
        found = self.database.one("partition/compare", {"partition": table, **self.keys.matching})
        changed = self._changed()
        if not changed and not found.uncovered:
            return [int(position) for position in found.missing]
        reason = changed or f"{found.uncovered} row(s) came or changed since the export"
        log.warning("%s is not dropped whole: %s; its rows are deleted in batches", self.partition, reason)
        return None

    def _changed(self) -> str | None:
        now = members(self.database, self.partition.oid)
        for manifest in self.manifests:
            then = manifest.members or {}
            if any(oid not in then or then[oid].file_node != member.file_node for oid, member in now.items()):
                return "it was rewritten since the export"
            if any(then[oid].columns != member.columns for oid, member in now.items()):
                return "its columns changed since the export"
        return None

    def progress(self, missing: Sequence[int]) -> dict[int, int]:
        """Notes for each window which of its rows went and which had gone before; the deleted rows by window."""
        deleted, first = {}, 0
        for row, manifest in zip(self.rows, self.manifests, strict=True):
            left = [number - first for number in missing if first < number <= first + manifest.rows]
            kept = [number for number in left if number > row.deleted_upto]
            deleted[row.id] = manifest.rows - row.deleted_upto - len(kept)
            self.ledger.progress(row, row.deleted_upto, manifest.rows, deleted[row.id], kept)
            first += manifest.rows
        return deleted


def _prepared(database: Database, bucket: ObjectStore, order: WorkOrder, partition: Partition) -> _Work | None:
    """Loads the sidecars of the partition's windows; None if a window is not ready, or held by a restore."""
    ledger = Ledger(database, order)
    rows = ledger.open_rows(partition.span)
    if any(row.state is not State.STORED for row in rows):
        log.warning("%s is not dropped: not all of its windows are checked yet", partition)
        return None
    if Restores(database, order).holds(partition.span):
        log.warning("%s is not dropped: a restore holds rows of it", partition)
        return None
    shape = describe(database, order.table, order.timestamp_column)
    manifests = [manifest_of(row, row.span) for row in rows]
    if any(manifest.identity_columns != shape.identity_columns for manifest in manifests):
        return None
    keys = KeyList(database, bucket, order, shape)
    keys.create()
    for row, manifest in zip(rows, manifests, strict=True):
        refuse_replaced(bucket, row, manifest)
        keys.add(manifest)
    keys.ready()
    return _Work(database, bucket, ledger, order, partition, shape, rows, manifests, keys)


def _detach(database: Database, drops: Drops, partition: Partition, table: TableName, begun: int) -> None:
    """Takes the partition out of its table, without a lock on the table that would stop readers or writers."""
    log.info("%s: detaching it", partition)
    try:
        with database.patience(_DETACH_LOCK_TIMEOUT):
            database.change("partition/detach_concurrently", {"parent": partition.parent, "partition": table})
    except Refused as refusal:
        now = _whereabouts(database, partition)
        if now and now.attached:
            drops.ended(begun, "attached", str(refusal))
        raise


def _dropped(
    database: Database,
    partition: Partition,
    drops: Drops,
    begun: int,
    prepare: Callable[[], _Work | None],
    confirm: Callable[[], None],
) -> Dropped | None:
    """Compares and drops the detached partition, or attaches it again; one transaction either way."""
    try:
        work = prepare()
        confirm()
        with database.transaction():
            table = _held(database, partition)
            missing = work.comparison(table) if work else None
            if work is None or missing is None:
                _attach(database, partition, table)
                drops.ended(begun, "attached", "not every row of it is in a checked object")
                return None
            deleted, dropped = work.progress(missing), _drop_now(work, partition, table, len(missing))
            drops.ended(begun, "dropped", dropped=dropped)
    except Refused as refusal:
        with database.transaction():
            _attach(database, partition, _held(database, partition))
            drops.ended(begun, "attached", str(refusal))
        raise
    return _finished(work, deleted, dropped)


def _finalize(database: Database, partition: Partition) -> None:
    """Ends a detach that was broken off."""
    here = _whereabouts(database, partition)
    if here and here.pending:
        with database.patience(_DETACH_LOCK_TIMEOUT):
            database.change("partition/detach_finalize", {"parent": partition.parent, "partition": here.table})


def _dropped_at_once(work: _Work, drops: Drops, partition: Partition) -> Dropped | None:
    """Where a default partition stands beside it, the server cannot detach concurrently: all in one transaction."""
    database = work.database
    with database.transaction():
        database.change("partition/hold_parent", {"parent": partition.parent})
        table = _held(database, partition)
        missing = work.comparison(table)
        if missing is None:
            return None
        begun = drops.begin(partition)
        deleted = work.progress(missing)
        database.change("partition/detach", {"parent": partition.parent, "partition": table})
        dropped = _drop_now(work, partition, table, len(missing))
        drops.ended(begun, "dropped", dropped=dropped)
    return _finished(work, deleted, dropped)


def _held(database: Database, partition: Partition) -> TableName:
    """Locks the partition under the name that it has now, and makes sure that the name is still its own."""
    here = _whereabouts(database, partition)
    if here is not None:
        database.change("partition/hold", {"partition": here.table})
        if _whereabouts(database, partition) == here:
            return here.table
    raise DatabaseInterrupted(f"database {database.name}: {partition} was renamed or dropped by somebody else just now")


def _drop_now(work: _Work, partition: Partition, table: TableName, missing: int) -> Dropped:
    database = work.database
    keys_to_wait_for(database, table, partition.oid, ())
    bytes_ = int(database.one("partition/size", oid=partition.oid).bytes)
    database.change("partition/drop", {"partition": table})
    rows = sum(manifest.rows for manifest in work.manifests) - missing
    return Dropped(partition.table, rows, bytes_)


def _attach(database: Database, partition: Partition, table: TableName) -> None:
    names = {"parent": partition.parent, "partition": table}
    lower, upper = map(Text, partition.bounds)
    database.change("partition/attach", {**names, "lower": lower, "upper": upper})
    log.warning("%s is attached again", partition)


def _finished(work: _Work, deleted: dict[int, int], dropped: Dropped) -> Dropped:
    for row in work.rows:
        finish(work.bucket, work.ledger, row, row.deleted_rows + deleted[row.id])
    log.info("%s", dropped)
    return dropped
