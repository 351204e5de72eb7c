"""The checked lists of all that a partition should hold, and the comparison of its rows with them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from include.archiver.database import Database
from include.archiver.ledger import Ledger, manifest_of
from include.archiver.manifest import Manifest
from include.archiver.models import LedgerRow, Partition, State, TableName, TableShape, WorkOrder
from include.archiver.removal import ELSEWHERE, KeyList, finish, refuse_replaced
from include.archiver.restores import Restores
from include.archiver.same_table import OLDER, parts_changed
from include.archiver.storage import ObjectStore
from include.archiver.subscribers import find_subscribers
from include.archiver.table import describe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Coverage:
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
        changed = self.changed()
        if not changed and not found.uncovered:
            return [int(position) for position in found.missing]
        reason = changed or f"{found.uncovered} row(s) came or changed since the export"
        log.warning("%s is not dropped whole: %s; its rows are deleted in batches", self.partition, reason)
        return None

    def changed(self) -> str | None:
        """Why its rows cannot be compared with the lists, though these are good.

        Its own columns are what counts: once it is detached, those of its table may have become others.
        """
        reasons = (parts_changed(self.database, self.partition.oid, manifest) for manifest in self.manifests)
        return next(filter(None, reasons), None)

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

    def finish(self, deleted: dict[int, int]) -> None:
        """Ends the windows' generations, when the partition is gone and that is committed."""
        for row in self.rows:
            finish(self.bucket, self.ledger, row, row.deleted_rows + deleted[row.id])


def load_coverage(database: Database, bucket: ObjectStore, order: WorkOrder, partition: Partition) -> Coverage | None:
    """Loads the sidecars of the partition's windows; None if a window is not ready, or held by a restore."""
    ledger = Ledger(database, order)
    rows = ledger.open_rows(partition.span)
    if any(row.state is not State.STORED for row in rows):
        log.warning("%s is not dropped: not all of its windows are checked yet", partition)
        return None
    shape = describe(database, order.table, order.timestamp_column)
    if reason := _reason_to_stay(database, order, partition, shape):
        log.warning("%s is not dropped: %s", partition, reason)
        return None
    manifests = [manifest_of(row, row.span) for row in rows]
    if reason := _outdated(bucket, rows, manifests):
        log.warning("%s is not dropped: of one of its windows, %s", partition, reason)
        return None
    if any(manifest.identity_columns != shape.identity_columns for manifest in manifests):
        return None
    keys = KeyList(database, bucket, order, shape)
    keys.create()
    for row, manifest in zip(rows, manifests, strict=True):
        refuse_replaced(bucket, row, manifest)
        if reason := keys.add(manifest):
            log.warning("%s is not dropped: of one of its windows, %s", partition, reason)
            return None
    keys.ready()
    return Coverage(database, bucket, ledger, order, partition, shape, rows, manifests, keys)


def _reason_to_stay(database: Database, order: WorkOrder, partition: Partition, shape: TableShape) -> str | None:
    """Why it may not go as a whole, whatever its lists say; since the plan that may have come to be."""
    if Restores(database, order).holds(partition.span):
        return "a restore holds rows of it"
    others = find_subscribers(database, shape.oid)
    return f"its subscribers would keep the rows ({others})" if others else None


def _outdated(bucket: ObjectStore, rows: Sequence[LedgerRow], manifests: Sequence[Manifest]) -> str | None:
    """Why nothing may go on account of one of these; the delete of its window gives it up then."""
    if any(row.bucket != bucket.bucket for row in rows):
        return ELSEWHERE
    return OLDER if any(manifest.members is None for manifest in manifests) else None
