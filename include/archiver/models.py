"""The nouns: tables, windows, rows' identities and what the ledger says about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from include.archiver.positions import NONE, Positions

# How long a window may be; a listing of a span begins so long before it, where the first such window may have begun.
MOST_WINDOW_HOURS = 168
# What this program may write into a ledger. A migration that an older program must not write beside raises it, here and
# in the ledger's own table `lowest_version`; the ledger's triggers then refuse what an older program writes.
LEDGER_VERSION = 2


@dataclass(frozen=True, order=True)
class TableName:
    """A table by its schema and its own name, each exactly as the catalog holds it, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """A half-open span `[start, end)` of the timestamp column.

    Both ends are naive and in column time: UTC for `timestamptz`, otherwise whatever wall clock the column
    holds. Naive hours do not repeat or vanish when clocks change, so windows cover a span exactly once.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a window must start before it ends: {self.start} to {self.end}")

    def overlaps(self, other: Window) -> bool:
        """Whether they have a moment in common."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        last = f"{self.end:%H:%M}" if self.start.date() == self.end.date() else f"{self.end:%Y-%m-%d %H:%M}"
        return f"{self.start:%Y-%m-%d %H:%M} to {last}"


@dataclass(frozen=True, order=True, slots=True)
class DueWindow:
    """One hour of work: the cell of the grid that names it, and the part of that cell that is due.

    The span is smaller than the cell where the cutoff, or the run's `start` or `end`, cuts through it. The
    cell alone is the window's identity, in the ledger and in object keys.
    """

    cell: Window
    span: Window

    def __str__(self) -> str:
        return str(self.span)


@dataclass(frozen=True)
class KeyPair:
    """Two columns that a foreign key ties: one of the archived table, one of the table that points to it.

    The operator, and the collation if the columns differ in theirs, are those by which the server compares them;
    each is a schema and a name.
    """

    own: str
    other: str
    operator: tuple[str, str]
    collation: tuple[str, str] | None = None


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key of table `child` that points to an archived table.

    `tables` is the child and whatever it is a partition of, `reaches` what a delete would do to the child's rows
    (CASCADE, SET NULL, SET DEFAULT), None if the server refuses such a delete instead. `timed` is whether the child has
    a column by whose time it could be archived itself.
    """

    name: str
    child: TableName
    tables: tuple[TableName, ...]
    reaches: str | None
    pairs: tuple[KeyPair, ...]
    indexed: bool
    may_read: bool
    timed: bool = True


class TimestampKind(StrEnum):
    """The types that a timestamp column may have."""

    DATE = "date"
    TIMESTAMP = "timestamp without time zone"
    TIMESTAMPTZ = "timestamp with time zone"


class RowIdentity(StrEnum):
    """How a row is told from every other one; beside it always stands the row's `xmin`, its version."""

    PRIMARY_KEY = "primary key"
    UNIQUE_INDEX = "unique index"
    PLACE = "table and place in it (tableoid, ctid)"


@dataclass(frozen=True)
class Column:
    """A column of the table, with its type as `format_type` writes it, and its number there."""

    name: str
    type: str
    is_generated: bool = False
    is_always_identity: bool = False
    number: int | None = None


@dataclass(frozen=True)
class TableShape:
    """What the catalog says of a table: all that export and delete need to know.

    A row to which one of `waits_for` points is not due yet; empty for a table whose policy lists no children.
    """

    oid: int
    table: TableName
    columns: tuple[Column, ...]
    timestamp_column: str
    timestamp_kind: TimestampKind
    identity: RowIdentity
    identity_columns: tuple[str, ...]
    timestamp_index: str | None
    notes: tuple[str, ...]
    waits_for: tuple[ForeignKey, ...] = ()


class State(StrEnum):
    """A window's life. Only `stored` may be deleted from; `void` ends a life in which nothing was deleted."""

    PLANNED = "planned"
    EXPORTED = "exported"
    STORED = "stored"
    DELETED = "deleted"
    VOID = "void"


class Cause(StrEnum):
    """Why a generation ended early: S3 gave back something else, or the table or what is due had changed."""

    DAMAGED = "damaged"
    GIVEN_UP = "given up"


OPEN_STATES = (State.PLANNED, State.EXPORTED, State.STORED)


@dataclass(frozen=True)
class LedgerRow:
    """One generation of one window, as the ledger holds it; the last two only where they were asked for.

    Of the rows up to number `deleted_upto` the `kept` ones stayed. `token` is a random text that the manifest of the
    object holds as well, None in rows of an older version. `handed_over` is told of a new one alone: whether a person
    handed the archive to this database, so that objects may lie there of which this ledger does not know.
    """

    id: int
    generation: int
    state: State
    cell: Window
    span: Window
    bucket: str
    object_key: str
    run_id: str
    rows: int | None = None
    csv_bytes: int | None = None
    object_bytes: int | None = None
    etag: str | None = None
    manifest: Mapping[str, object] | None = None
    deleted_upto: int = 0
    deleted_rows: int = 0
    kept: Positions = NONE
    note: str | None = None
    rebuilt: bool = False
    token: str | None = None
    handed_over: bool = False
    sha256: str | None = None
    deleted_by_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A generation that a run had a part in, or that is still open where it planned; for its report.

    Of its `rows` so many as `deleted_rows` left; both sizes are bytes. `mine` is whether the run itself began or ended
    it; `cause` why it ended early, if it did; `latest` whether no later generation of the window has come; `stuck`
    whether the one before ended in the same way in another run: given up, or with every row still there.
    """

    generation: int
    state: State
    cell: Window
    span: Window
    rows: int
    csv_bytes: int
    object_bytes: int
    deleted_rows: int
    note: str | None
    mine: bool
    cause: Cause | None
    latest: bool
    stuck: bool


@dataclass(frozen=True)
class WorkOrder:
    """What one task is to work on, and for whom: the part of a run that every step needs."""

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


@dataclass(frozen=True)
class Partition:
    """A partition of the table that is due as a whole: `span`, in column time, is just what it may hold.

    `bounds` are the literals of its definition. `alone` tells that its parent has no default partition beside it.
    `back` tells that an earlier run began to drop it and that it is not due any more: it is only brought back.
    """

    oid: int
    table: TableName
    parent: TableName
    span: Window
    bounds: tuple[str, str]
    alone: bool
    back: bool = False

    def __str__(self) -> str:
        """For people."""
        return f"partition {self.table} ({self.span})"


@dataclass(frozen=True)
class Batch:
    """What one mapped task carries: consecutive windows, or a whole partition with all of its windows, if any.

    In their order, but for those that an earlier run could not export: these have their turn last.
    """

    windows: tuple[DueWindow, ...]
    partition: Partition | None = None

    def __iter__(self) -> Iterator[DueWindow]:
        """The windows, in the order of their turns."""
        return iter(self.windows)

    def __len__(self) -> int:
        """How many windows."""
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
