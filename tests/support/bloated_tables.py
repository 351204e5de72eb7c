"""Bloated tables of several shapes, compacting them, and what they held before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from psycopg import sql

from pg_archiver.domain.tables import TableName
from pg_archiver.maintenance.compact.compact import Compacted, CompactOptions, compact
from pg_archiver.maintenance.compact.reindex import Bloat
from pg_archiver.maintenance.compact.row_mover import MovePace
from tests.support.place import Place

EVENTS = TableName("analytics", "events")
# Tests wait for nobody for long, and small indexes count as bloated too.
EFFORT = CompactOptions(tempo=MovePace(rest=0.0, patience_seconds=1.0), bloat=Bloat(least_bytes=1 << 16))
ROWS = 4000


def bloated(place: Place, kept: str = "id > 3600", width: int = 400, rows: int = ROWS, options: str = "") -> None:
    """Events of which only the `kept` ones are left, the others deleted."""
    place.sql(
        f"""
        CREATE SCHEMA IF NOT EXISTS analytics;
        CREATE TABLE analytics.events (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            triggered_at timestamp NOT NULL DEFAULT now(),
            name text,
            touched integer NOT NULL DEFAULT 0
        ) {options};
        CREATE INDEX events_triggered_at ON analytics.events (triggered_at, name)
        """
    )
    place.sql(
        "INSERT INTO analytics.events (triggered_at, name) SELECT now() - row * interval '1 minute',"
        f" rpad(md5(row::text), {width - 40}, md5((row + 1)::text)) FROM generate_series(1, {rows}) AS row"
    )
    place.sql(f"DELETE FROM analytics.events WHERE NOT ({kept})")


def compacted(
    place: Place, table: TableName = EVENTS, stopping: Callable[[], bool] = lambda: False, **changes: Any
) -> Compacted:
    with place.session() as session:
        return compact(session, table, stopping, replace(EFFORT, **changes))


def owned(place: Place) -> Place:
    """The same place for a role that owns the table and is nothing else."""
    owner = place.as_role("owner", "USAGE ON SCHEMA analytics")
    place.sql(f"ALTER TABLE analytics.events OWNER TO {owner.role}")
    return owner


def heap_bytes(place: Place, table: TableName = EVENTS) -> int:
    """Of the rows, and of the maps of free space and visibility beside them."""
    return sum(_forks(place, table))


def _forks(place: Place, table: TableName) -> tuple[int, int]:
    """The bytes of the rows, and those of the two maps."""
    asked = (
        "SELECT pg_relation_size(oid)::bigint, pg_relation_size(oid, 'fsm') + pg_relation_size(oid, 'vm')"
        " FROM pg_class WHERE oid = %s::regclass"
    )
    rows, maps = place.sql(asked, named(table))[0]
    return int(rows), int(maps)


def fresh_heap_bytes(place: Place, table: TableName = EVENTS) -> int:
    """What the same rows take in a new table with the same settings, and the maps that the table has now."""
    (options,) = place.sql(
        "SELECT array_to_string(reloptions, ',') FROM pg_class WHERE oid = %s::regclass", named(table)
    )[0]
    place.sql(
        f"DROP TABLE IF EXISTS public.fresh_copy; CREATE TABLE public.fresh_copy"
        f" {f'WITH ({options})' if options else ''} AS SELECT * FROM {named(table)}"
    )
    return _forks(place, TableName("public", "fresh_copy"))[0] + _forks(place, table)[1]


def content(place: Place, table: TableName = EVENTS) -> Counter[bytes]:
    """Every row as COPY writes it."""
    with place.user.cursor() as cursor, cursor.copy(f"COPY (SELECT * FROM {named(table)}) TO STDOUT".encode()) as copy:
        return Counter(b"".join(map(bytes, copy)).splitlines())


def named(table: TableName) -> str:
    return sql.Identifier(table.schema, table.name).as_string()


def after(batches: int) -> Callable[[], bool]:
    """Says stop after so many questions."""
    left = iter(range(batches))
    return lambda: next(left, None) is None
