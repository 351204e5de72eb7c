"""What one task is to work on: the order of an archive, a batch of windows, the order of a restore."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.versions import KeepVersions
from pg_archiver.domain.windows import DueWindow, Window


class TableOrder(Protocol):
    """Which table of which client a run works on, whatever it does there."""

    @property
    def client(self) -> str:
        """The client, as the ledger calls it."""
        ...

    @property
    def table(self) -> TableName:
        """The table."""
        ...

    @property
    def timestamp_column(self) -> str:
        """The column that says how old a row is."""
        ...

    @property
    def run_id(self) -> str:
        """The run."""
        ...

    @property
    def children(self) -> tuple[TableName, ...]:
        """The tables that point to it, and whose rows go first."""
        ...


@dataclass(frozen=True)
class WorkOrder:
    """What one task is to work on, and for whom: the part of a run that every step needs.

    `versions` says which versions of each key stay, None where age alone decides.
    """

    client: str
    table: TableName
    timestamp_column: str
    timezone: str
    run_id: str
    dry_run: bool
    batch_size: int
    bucket: str
    prefix: str
    compression: Literal["gzip", "zstd"]
    children: tuple[TableName, ...] = ()
    versions: KeepVersions | None = None


@dataclass(frozen=True)
class Batch:
    """What one mapped task carries: consecutive windows, or a whole partition with all of its windows, if any.

    In their order, but for those that an earlier run could not export: these have their turn last.
    """

    windows: tuple[DueWindow, ...]
    partition: Partition | None = None

    def __iter__(self) -> Iterator[DueWindow]:
        """Yield the windows, in the order of their turns."""
        return iter(self.windows)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    @property
    def span(self) -> Window:
        """From the oldest window's start to the youngest one's end; of a partition, all that it may hold."""
        if self.partition:
            return self.partition.span
        spans = [window.span for window in self.windows]
        return Window(min(span.start for span in spans), max(span.end for span in spans))


class OnConflict(StrEnum):
    """What becomes of a row to be restored whose key is in the table already."""

    SKIP = "skip"
    NEWEST = "newest"
    FAIL = "fail"


@dataclass(frozen=True)
class RestoreOrder:
    """What to bring back of one table, and into which.

    `start` and `end` bound the timestamp column, half-open; a moment without an offset is in column time. `into`
    is None for the table itself. Rows that come back into the table itself are left alone by the archive for
    `hold_days`. A new table takes `text_columns` as text, as they were archived; `set_sequences` moves sequences that
    stand behind the restored values.
    """

    work: WorkOrder
    start: datetime
    end: datetime
    into: TableName | None = None
    on_conflict: OnConflict = OnConflict.SKIP
    hold_days: int = 7
    ignore_missing_columns: bool = False
    text_columns: tuple[str, ...] = ()
    set_sequences: bool = False

    @property
    def target(self) -> TableName:
        """The table that gets the rows."""
        return self.into or self.work.table

    @property
    def into_itself(self) -> bool:
        """Whether the rows go back where they came from."""
        return self.target == self.work.table
