"""What writers did, written down by the writers themselves.

Each change of a row goes into the table and into `account.versions` with one statement, so the note commits with
the change or not at all. Nothing here is a trigger and nothing here belongs to the archiver. The notes of one row are
numbered in the order of its versions, since a writer takes its number while it holds the row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from pg_archiver.domain.tables import TableName
from tests.faults.chance import seeded
from tests.faults.place import Place, hours_ago

SCHEMA = """
    CREATE SCHEMA analytics;
    CREATE SCHEMA account;
    CREATE TABLE account.versions (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        table_name text NOT NULL,
        row_id bigint NOT NULL,
        content text[]
    )
"""
# A row as the fields of its CSV line; what NULL and '' look like is another test's business.
CONTENT = "ARRAY[id::text, triggered_at::text, coalesce(name, ''), weight::text, coalesce(data::text, '')]"
_TABLE = """
    CREATE TABLE {table} (
        id bigint NOT NULL{key},
        triggered_at timestamp NOT NULL,
        name text,
        weight integer NOT NULL DEFAULT 0,
        data jsonb
    );
    CREATE INDEX {index} ON {table} (triggered_at)
"""
# Two partitions: one that is due as a whole, as far as it goes, and one that is not.
_PARTITIONS_MEET = hours_ago(49)
_PARTITIONED = """
    CREATE TABLE {table} (
        id bigint NOT NULL,
        triggered_at timestamp NOT NULL,
        name text,
        weight integer NOT NULL DEFAULT 0,
        data jsonb
        {key}
    ) PARTITION BY RANGE (triggered_at);
    CREATE INDEX {index} ON {table} (triggered_at);
    CREATE TABLE {new} PARTITION OF {table} FOR VALUES FROM ('{due}') TO ('infinity')
"""
# Each row belongs to the parent's row of the same number, and a delete of that would take it along.
_CHILD = "ALTER TABLE {table} ADD FOREIGN KEY (id) REFERENCES {parent} (id) ON DELETE CASCADE"
_OLD_PARTITION = "CREATE TABLE {old} PARTITION OF {table} FOR VALUES FROM ('{first}') TO ('{due}')"
_NOTED = """
    WITH changed AS ({change} RETURNING *)
    INSERT INTO account.versions (table_name, row_id, content)
    SELECT %(table)s, id, {content} FROM changed
    RETURNING number, row_id
"""


def opened(place: Place) -> Place:
    """The place with its two empty schemas."""
    place.sql(SCHEMA)
    return place


def with_table(place: Place, name: str, *, keyed: bool, **order: Any) -> Place:
    """The place with a new table, which has a primary key or no key at all."""
    made = place.on(name, **order)
    key = " PRIMARY KEY" if keyed else ""
    made.sql(_TABLE.format(table=made.relation, key=key, index=f"{name}_triggered_at"))
    return made


def with_partitions(place: Place, name: str, *, keyed: bool, default: bool, **order: Any) -> Place:
    """The same, in partitions; the older one holds all that is older than 49 hours, up to 100."""
    made = place.on(name, **order)
    new, rest = (f"analytics.{name}_{part}" for part in ("new", "rest"))
    key = ", PRIMARY KEY (id, triggered_at)" if keyed else ""
    index = f"{name}_triggered_at"
    made.sql(_PARTITIONED.format(table=made.relation, key=key, index=index, new=new, due=_PARTITIONS_MEET))
    _make_old_partition(made)
    if default:
        made.sql(f"CREATE TABLE {rest} PARTITION OF {made.relation} DEFAULT")
    return made


def with_children(place: Place, name: str, **order: Any) -> Place:
    """The place with a new table with a key, and with one of children that has to leave first."""
    made = with_table(place, name, keyed=True, children=(TableName("analytics", f"{name}_child"),), **order)
    child = with_table(made, f"{name}_child", keyed=True, children=())
    child.sql(_CHILD.format(table=child.relation, parent=made.relation))
    return made


def family(place: Place) -> list[Place]:
    """The table and those of its children, each after the one that its rows point to."""
    return [place, *(place.on(child.name, children=()) for child in place.order.children)]


def _make_old_partition(place: Place) -> None:
    old = f"analytics.{place.order.table.name}_old"
    place.sql(_OLD_PARTITION.format(table=place.relation, old=old, first=hours_ago(100), due=_PARTITIONS_MEET))


def mend_partitions(place: Place) -> None:
    """Makes the older partition again where it was dropped, as whoever wants its rows back has to."""
    statement = "SELECT relkind = 'p' AND to_regclass(%s) IS NULL FROM pg_class WHERE oid = %s::regclass"
    if place.sql(statement, f"analytics.{place.order.table.name}_old", place.relation)[0][0]:
        _make_old_partition(place)


def is_whole(place: Place, name: str) -> bool:
    """Whether the older partition can be written to through its table."""
    found = place.sql("SELECT relispartition FROM pg_class WHERE relname = %s", f"{name}_old")
    detaching = place.sql("SELECT 1 FROM pg_inherits WHERE inhdetachpending")
    return bool(found and found[0][0] and not detaching)


def _statement(change: str, content: str = CONTENT) -> bytes:
    return _NOTED.format(change=change, content=content).encode()


@dataclass(frozen=True)
class Changed:
    """The numbers of the notes that one statement made, and the rows that it met."""

    numbers: tuple[int, ...]
    rows: tuple[int, ...]


class Recorder:
    """Changes rows of one table through one connection, and notes each version. Commits nothing by itself."""

    def __init__(self, connection: psycopg.Connection[Any], place: Place) -> None:
        self._connection = connection
        self._table = str(place.order.table)
        table = place.relation
        self._insert = _statement(
            f"INSERT INTO {table} (id, triggered_at, name, data)"
            " SELECT unnest(%(ids)s::bigint[]), unnest(%(moments)s::timestamp[]), %(name)s, unnest(%(data)s::jsonb[])"
        )
        self._update = _statement(f"UPDATE {table} SET name = %(name)s, weight = weight + 1 WHERE id = ANY(%(ids)s)")
        self._move = _statement(
            f"UPDATE {table} SET triggered_at = %(moment)s, name = %(name)s WHERE id = ANY(%(ids)s)"
        )
        self._delete = _statement(f"DELETE FROM {table} WHERE id = ANY(%(ids)s)", content="NULL")

    def insert(
        self, ids: Sequence[int], moments: Sequence[datetime], name: str | None, data: Sequence[str | None]
    ) -> Changed:
        return self._run(self._insert, ids, moments=list(moments), name=name, data=list(data))

    def update(self, ids: Sequence[int], name: str) -> Changed:
        return self._run(self._update, ids, name=name)

    def move(self, ids: Sequence[int], moment: datetime, name: str) -> Changed:
        return self._run(self._move, ids, moment=moment, name=name)

    def delete(self, ids: Sequence[int]) -> Changed:
        return self._run(self._delete, ids)

    def _run(self, statement: bytes, ids: Sequence[int], **values: object) -> Changed:
        rows = self._connection.execute(statement, {"table": self._table, "ids": list(ids), **values}).fetchall()
        return Changed(tuple(row[0] for row in rows), tuple(row[1] for row in rows))


def filled(place: Place, moments: Sequence[datetime], noise: int = 0) -> None:
    """Inserts one noted row at each of these moments, each with so many characters that do not compress."""
    choice = seeded(place.order.table.name)
    data = [json.dumps(choice.randbytes(noise // 2).hex()) for _ in moments]
    with place.server.connect(place.database) as connection:
        Recorder(connection, place).insert(range(1, len(moments) + 1), moments, "first version", data)
