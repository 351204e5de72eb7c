"""The checked lists of all that a partition should hold, and the comparison of its rows with them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pg_archiver.archive.exported_rows import ELSEWHERE, OTHER_KEY, ExportedRows, close_generation, refuse_replaced
from pg_archiver.archive.same_table import OLDER, Parts
from pg_archiver.domain.row_numbers import Positions
from pg_archiver.domain.tables import Partition, TableName, TableShape
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.restores import RestoreLog
from pg_archiver.ledger.window_generation import Generation, State
from pg_archiver.ledger.window_ledger import CountDeleted, WindowLedger, manifest_of
from pg_archiver.postgres.catalog import describe_table
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.subscribers import find_subscribers
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Coverage:
    """The checked lists of all that the partition should hold, loaded and ready to be compared with it.

    `rows` are the ledger's, without their manifests: of a year of hours these would be megabytes.
    """

    session: Session
    bucket: Bucket
    ledger: WindowLedger
    order: WorkOrder
    partition: Partition
    shape: TableShape
    rows: Sequence[Generation]
    parts: Parts
    keys: ExportedRows

    @property
    def listed_rows(self) -> int:
        """How many rows the lists name."""
        return sum(row.rows or 0 for row in self.rows)

    def compare(self, table: TableName) -> Positions | None:
        """Return the numbers of the lines to which no row belongs; None if a row belongs to no line.

        A rewritten partition, or one with another set of columns, is one whose rows are in no object.
        """
        found = self._look(table)
        changed = self.find_change()
        if not changed and not found.uncovered:
            return Positions.parse(found.missing)
        reason = changed or f"{found.uncovered} row(s) came or changed since the export"
        log.warning("%s is not dropped whole: %s; its rows are deleted in batches", self.partition, reason)
        return None

    def find_missing(self, table: TableName) -> Positions:
        """Return the numbers of the lines to which no row belongs, whatever else there is."""
        return Positions.parse(self._look(table).missing)

    def _look(self, table: TableName) -> Row:
        return self.session.fetch_one("archive/drop_partition/compare", {"partition": table, **self.keys.matching})

    def find_change(self) -> str | None:
        """Return why its rows cannot be compared with the lists, though these are good.

        Its own columns are what counts: once it is detached, those of its table may have become others.
        """
        return self.parts.find_change(self.session, self.partition.oid)

    def note_progress(self, missing: Positions) -> dict[int, int]:
        """Note for each window which of its rows went and which had gone before; the deleted rows by window."""
        deleted, first = {}, 0
        for row in self.rows:
            rows = row.rows or 0
            kept = missing.within(first + row.deleted_upto + 1, first + rows).moved(-first)
            deleted[row.id] = rows - row.deleted_upto - len(kept)
            self.ledger.note_progress(row, row.deleted_upto, rows, deleted[row.id], kept)
            first += rows
        return deleted

    def finish(self, deleted: dict[int, int]) -> None:
        """End the windows' generations, when the partition is gone and that is committed."""
        for row in self.rows:
            whole = self.ledger.find_by_object(row.bucket, row.object_key) or row
            close_generation(self.bucket, self.ledger, whole, row.deleted_rows + deleted[row.id])


def load_coverage(
    session: Session, bucket: Bucket, order: WorkOrder, partition: Partition, count_deleted: CountDeleted | None = None
) -> Coverage | None:
    """Load the sidecars of the partition's windows; None if a window is not ready, or held by a restore.

    `count_deleted` is called with the rows of each window in the transaction in which they leave.
    """
    ledger = WindowLedger(session, order, count_deleted)
    if any(row.state is not State.STORED for row in ledger.list_open_generations(partition.span)):
        log.warning("%s is not dropped: not all of its windows are checked yet", partition)
        return None
    shape = describe_table(session, order.table, order.timestamp_column)
    if reason := _find_reason_to_stay(session, order, partition, shape):
        log.warning("%s is not dropped: %s", partition, reason)
        return None
    keys, parts, rows = ExportedRows(session, bucket, order, shape), Parts(), []
    keys.create()
    for row in ledger.list_open_generations(partition.span):
        if reason := _add_window(bucket, row, shape, keys, parts):
            log.warning("%s is not dropped: of one of its windows, %s", partition, reason)
            return None
        rows.append(replace(row, manifest=None))
    keys.analyze()
    return Coverage(session, bucket, ledger, order, partition, shape, rows, parts, keys)


def _find_reason_to_stay(session: Session, order: WorkOrder, partition: Partition, shape: TableShape) -> str | None:
    """Return why it may not go as a whole, whatever its lists say; since the plan that may have come to be."""
    if RestoreLog(session, order).list_holds(partition.span):
        return "a restore holds rows of it"
    others = find_subscribers(session, shape.oid)
    return f"its subscribers would keep the rows ({others})" if others else None


def _add_window(bucket: Bucket, row: Generation, shape: TableShape, keys: ExportedRows, parts: Parts) -> str | None:
    """Add a window's list; or say why nothing may be deleted because of it, so that its delete abandons it."""
    if row.state is not State.STORED:
        return "another run is working on it"
    if row.bucket != bucket.name:
        return ELSEWHERE
    manifest = manifest_of(row, row.span)
    if row.sub_ranges_gone or manifest.keys is None:
        return "its rows leave by ranges of time, without a list"
    if manifest.members is None:
        return OLDER
    if manifest.identity_columns != shape.identity_columns:
        return OTHER_KEY
    refuse_replaced(bucket, row, manifest)
    parts.add(manifest)
    return keys.add(manifest)
