"""What the tests of maintenance share: tables with dead space, and steps with limits that a test can wait for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from pg_archiver.maintenance.bloat import measure_table
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace
from pg_archiver.maintenance.index import BuildLimits, Indexed, index
from pg_archiver.maintenance.inspection import Inspection
from pg_archiver.runtime.lock_retry import LockRetry
from tests.support.place import EVENTS, Place

GATE = "LOCK TABLE gate IN ACCESS EXCLUSIVE MODE"
PLENTY = FreeSpace(lambda: 10**12, "the test")
QUICK = LockRetry(timedelta(milliseconds=50), 3, timedelta(milliseconds=10), timedelta(milliseconds=20))
BUILD = BuildLimits(timedelta(seconds=30), timedelta(seconds=20), QUICK)


def filled(place: Place, rows: int = 4000, width: int = 200) -> Place:
    """A table of narrow rows, in which each minute of the last days has one, and no index on the timestamp."""
    place.sql(EVENTS)
    place.sql("DROP INDEX analytics.events_triggered_at")
    more(place, rows, width)
    return place


def more(place: Place, rows: int, width: int = 200) -> None:
    place.sql(
        f"INSERT INTO {place.relation} ({place.order.timestamp_column}, name)"
        f" SELECT timestamp '2024-01-01' + n * interval '1 minute', repeat('x', {width})"
        f" FROM generate_series(1, {rows}) AS n"
    )


def bloated(place: Place, rows: int = 6000) -> Place:
    """The same, of which one row in twenty is left."""
    filled(place, rows)
    place.sql("DELETE FROM analytics.events WHERE id % 20 <> 0")
    place.sql("VACUUM (ANALYZE) analytics.events")
    return place


def gated(place: Place) -> None:
    """Lets each rewrite of the table stop at an index that has to wait for a user's lock on what it calls."""
    place.sql("CREATE TABLE gate (x int)")
    place.sql(
        "CREATE FUNCTION waits(bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN PERFORM count(*) FROM public.gate; RETURN $1; END $$"
    )
    place.sql("CREATE INDEX slow ON analytics.events (waits(id))")


def file_node(place: Place) -> int:
    """The number of the table's file: another one after a rewrite."""
    return int(place.sql(f"SELECT pg_relation_filenode('{place.relation}')")[0][0])


def inspected(place: Place) -> Inspection:
    with place.session() as session:
        return measure_table(session, place.order.table, place.order.timestamp_column)


def indexed(place: Place, limits: BuildLimits = BUILD, space: FreeSpace = UNKNOWN_SPACE) -> Indexed:
    with place.session() as session:
        return index(session, place.order, place.session, limits, space)


def upkeep(place: Place, columns: str = "action, strategy, state") -> list[tuple[Any, ...]]:
    return place.sql(f"SELECT {columns} FROM archiver.maintenance ORDER BY id")


@contextmanager
def transaction(place: Place, *statements: str) -> Generator[psycopg.Connection[Any]]:
    """A user's transaction that stays open while the block runs."""
    with place.server.connect(place.database, autocommit=False) as user:
        for statement in statements:
            user.execute(statement.encode())
        yield user
        user.rollback()
