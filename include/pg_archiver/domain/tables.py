"""Tables and what the catalog says of them: names, columns, foreign keys, identities of rows, partitions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pg_archiver.domain.frozen import Frozen
from pg_archiver.domain.windows import TimestampKind, Window


@dataclass(frozen=True, order=True)
class TableName:
    """A table by its schema and its own name, each exactly as the catalog holds it, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


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


class RowIdentity(StrEnum):
    """How a row is distinguished from every other one; beside it always stands the row's `xmin`, its version."""

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
    `delete_triggers` names those that fire when rows are deleted.
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
    delete_triggers: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeletableTable:
    """What the catalog says of a table from which rows go by something else than their time alone.

    `timestamp_kind` is None where rows have no time, `identity_columns` are empty where no key tells them apart;
    `may_lock` is whether the role may lock rows. `waits_for` is as of a `TableShape`.
    """

    oid: int
    table: TableName
    columns: tuple[Column, ...]
    timestamp_kind: TimestampKind | None
    identity_columns: tuple[str, ...]
    may_lock: bool
    notes: tuple[str, ...]
    waits_for: tuple[ForeignKey, ...] = ()


@dataclass(frozen=True)
class Partition:
    """A partition of the table that is due as a whole: `span`, in column time, is just what it may hold.

    `bounds` are the literals of its definition. `alone` tells that its parent has no default partition beside it.
    `back` tells that an earlier run began to drop it and that it is no longer due: it is only brought back.
    """

    oid: int
    table: TableName
    parent: TableName
    span: Window
    bounds: tuple[str, str]
    alone: bool
    back: bool = False

    def __str__(self) -> str:
        """Return the partition in a human-readable form."""
        return f"partition {self.table} ({self.span})"


class Member(Frozen):
    """A table that could hold rows of the window at the export: the table itself, a partition or a child.

    `columns` stands for the numbers, names and types of its columns: any change of one gives another text.
    """

    table_schema: str
    table: str
    file_node: int
    columns: str
