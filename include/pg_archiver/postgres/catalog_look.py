"""What the catalog says of a table in one statement: each kind of thing as rows, which travel as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

from pg_archiver.domain.tables import Member, TableName
from pg_archiver.domain.windows import Window
from pg_archiver.postgres.session import Row, Session


@dataclass(frozen=True)
class Look:
    """All that has to be known of a table before rows leave it; each list as the statement of its name gives it."""

    columns: Sequence[Row]
    pointing: Sequence[Row]
    delete_rules: Sequence[Row]
    parts_not_heap: Sequence[Row]
    foreign_parts: Sequence[Row]
    columns_of_children: Sequence[Row]
    parts_without_identity: Sequence[Row]
    identity: Sequence[Row]
    timestamp_index: Sequence[Row]
    delete_triggers: Sequence[Row]


@dataclass(frozen=True)
class PartsNow:
    """What changes though a table is locked: who has its name, the parts of each window, whether some lie elsewhere."""

    named: int | None
    parts: Sequence[Mapping[str, Member]]
    has_foreign: bool


@dataclass(frozen=True)
class LockedTable(PartsNow):
    """What a delete looks at under its lock; `next_transaction` is the number that the next one gets, all 64 bits."""

    columns: Sequence[Row]
    pointing: Sequence[Row]
    delete_triggers: Sequence[Row]
    next_transaction: int

    @property
    def calls_users_code(self) -> bool:
        """Whether code of users runs when rows of it are deleted: for a trigger, or for who points to it."""
        return bool(self.pointing or self.delete_triggers)


def look_at(session: Session, oid: int, timestamp_column: str | None) -> Look:
    """Return what the catalog says of the table with this oid."""
    row = session.fetch_one("postgres/catalog/shape", oid=oid, column=timestamp_column)
    return Look(**{name: list_documents(getattr(row, name)) for name in Look.__dataclass_fields__})


def look_at_locked(
    session: Session, table: TableName, oid: int, timestamp_column: str, windows: Sequence[Window]
) -> LockedTable:
    """Return what a delete has to know of the table with this oid, which it has locked by this name."""
    row = session.fetch_one("postgres/catalog/locked_table", **_values(table, oid, timestamp_column, windows))
    return LockedTable(
        named=row.named,
        parts=members_of(list_documents(row.parts), len(windows)),
        has_foreign=bool(row.foreign_parts),
        columns=list_documents(row.columns),
        pointing=list_documents(row.pointing),
        delete_triggers=list_documents(row.delete_triggers),
        next_transaction=int(row.next_transaction),
    )


def look_at_parts(
    session: Session, table: TableName, oid: int, timestamp_column: str, windows: Sequence[Window]
) -> PartsNow:
    """Return which parts the table with this oid has now that may hold rows of the windows, and who has its name."""
    row = session.fetch_one("postgres/catalog/parts_now", **_values(table, oid, timestamp_column, windows))
    return PartsNow(row.named, members_of(list_documents(row.parts), len(windows)), bool(row.foreign_parts))


def list_documents(documents: Sequence[Mapping[str, object]]) -> list[Row]:
    """Return rows that came as documents."""
    return [cast(Row, SimpleNamespace(**document)) for document in documents]


def spans_of(windows: Sequence[Window]) -> dict[str, object]:
    """Return the values by which a statement knows several windows, in their order."""
    return {"starts": [window.start for window in windows], "ends": [window.end for window in windows]}


def members_of(rows: Sequence[Row], windows: int) -> list[dict[str, Member]]:
    """Return the parts of each of so many windows, by oid."""
    parts: list[dict[str, Member]] = [{} for _ in range(windows)]
    for row in rows:
        parts[row.number - 1][row.oid] = Member(
            table_schema=row.schema, table=row.name, file_node=row.file_node, columns=row.columns
        )
    return parts


def _values(table: TableName, oid: int, timestamp_column: str, windows: Sequence[Window]) -> dict[str, object]:
    subject = {"schema": table.schema, "table": table.name, "oid": oid, "column": timestamp_column}
    return subject | spans_of(windows)
