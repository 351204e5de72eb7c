"""drop: a partition all of whose rows are in checked objects is detached and dropped, instead of emptied row by row.

How a partition leaves its table is in `partitions`; here is said which rows may go with it: those that are on the lists
of the checked objects, each by its place, version and key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pg_archiver.archive.exported_rows import refuse_in_dry_run
from pg_archiver.archive.partition_coverage import Coverage, load_coverage
from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.partition_drops import Dropped
from pg_archiver.ledger.window_ledger import CountDeleted
from pg_archiver.partitions import dropping
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names
from pg_archiver.s3.bucket import Bucket


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

    def load() -> Coverage | None:
        return load_coverage(session, bucket, order, partition, count_deleted)

    return dropping.drop_whole(session, order, partition, _CheckedRows(load, confirm))


def bring_back(session: Session, order: WorkOrder, partition: Partition) -> None:
    """Attach a partition again that an earlier run began to drop and that is no longer due.

    Raises:
        NotEnabled: this is a dry run.
        DatabaseInterrupted: a lock was not to be had in time; a rerun continues.
        DatabaseRefused: the server will not attach it.
    """
    refuse_in_dry_run(order)
    dropping.bring_back(session, order, partition)


@dataclass
class _CheckedRows(dropping.Contents):
    """The rows of a partition beside the lists of its checked objects, once these are loaded."""

    back = "not every row of it is in a checked object"
    rest = "rows that are in no checked object"

    load: Callable[[], Coverage | None]
    ask: Callable[[], None]
    _coverage: Coverage | None = None
    _deleted: dict[int, int] = field(default_factory=dict)

    def prepare(self) -> bool:
        """Load the lists; without all of them it may not go."""
        self._coverage = self.load()
        return self._coverage is not None

    def is_due(self, table: TableName) -> bool:
        """Return whether every row is on the lists right now."""
        return self._loaded.compare(table) is not None

    def confirm(self) -> None:
        """Ask whoever has a say."""
        self.ask()

    def take(self, table: TableName) -> int | None:
        """Compare every row, and note the windows as deleted."""
        missing = self._loaded.compare(table)
        if missing is None:
            return None
        self._deleted = self._loaded.note_progress(missing)
        return self._loaded.listed_rows - len(missing)

    def list_taken(self) -> Names | None:
        """Return how rows are compared with the lists, if they still can be."""
        return None if self._loaded.find_change() else self._loaded.keys.matching

    def take_listed(self, table: TableName) -> int:
        """Note those windows' rows as deleted that are on the lists."""
        self._deleted = self._loaded.note_progress(self._loaded.find_missing(table))
        return sum(self._deleted.values())

    def finish(self) -> None:
        """End the windows' generations."""
        self._loaded.finish(self._deleted)

    @property
    def _loaded(self) -> Coverage:
        if self._coverage is None:
            raise RuntimeError("the lists were not loaded")
        return self._coverage
