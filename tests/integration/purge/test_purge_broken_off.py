"""A purge whose session ends at any statement, or at any instant: just old rows are gone, and counted as often."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pg_archiver.errors import ArchiverError, DatabaseInterrupted
from pg_archiver.purge.purge import purge
from tests.faults.chance import seeded
from tests.support.broken_session import BrokenSession
from tests.support.partitions import ROWS as A_DAY
from tests.support.partitions import day, partitioned
from tests.support.place import Place
from tests.support.purges import COUNTED, END_SESSION, NOTES, Purges, never

pytestmark = pytest.mark.more

POINTS, INSTANTS = 20, 12
YOUNG = "SELECT count(*) FROM {} WHERE {} >= now() - interval '2 days'"


def notes(place: Place) -> Purges:
    place.sql(f"DROP TABLE IF EXISTS public.notes, public.counted; {NOTES}")
    return Purges(place, place.on("public.notes").order.table)


def unindexed(place: Place) -> Purges:
    purges = notes(place)
    place.sql("DROP INDEX public.notes_at")
    return purges


def days(place: Place) -> Purges:
    place.sql("DROP SCHEMA IF EXISTS analytics CASCADE; DROP TABLE IF EXISTS public.counted")
    partitioned(place, 6, 5, 1)
    # A row of a partition that is not due as a whole.
    place.sql(
        f"CREATE TABLE analytics.half PARTITION OF analytics.events FOR VALUES FROM ('{day(4)}') TO ('{day(1)}');"
        f"INSERT INTO analytics.events (triggered_at) SELECT '{day(4)}' FROM generate_series(1, 9)"
    )
    return Purges(place, place.on("analytics.events").order.table, "triggered_at")


SHAPES: dict[str, Callable[[Place], Purges]] = {"index": notes, "no index": unindexed, "partitions": days}


def run(purges: Purges, ends_before: int | None = None) -> list[str]:
    """Purges, and returns the statements that were sent."""
    with BrokenSession.connect(purges.place.connect, purges.place.database, "test") as session:
        assert isinstance(session, BrokenSession)
        session.begin(lambda: purges.place.sql(END_SESSION), ends_before)
        purge(session, purges.order(), never, purges.counter(session))
    return session.sent


def made(place: Place, shape: str) -> tuple[Purges, int]:
    """The table, and how many rows of it there are."""
    purges = SHAPES[shape](place)
    place.sql(COUNTED)
    place.sql("DELETE FROM archiver.partitions") if place.has_ledger() else None
    return purges, purges.rows()


def check(purges: Purges, before: int, young: int) -> None:
    """Just old rows are gone, and counted; the next run ends it."""
    assert sum(purges.counts()) == before - count_all(purges)
    run(purges)
    assert sum(purges.counts()) == before - purges.rows()
    assert purges.rows() == young == count_young(purges)


def count_all(purges: Purges) -> int:
    """The rows that are there, those of detached partitions too, which are out of sight until the next run."""
    tables = purges.place.sql(
        "SELECT class.oid::regclass::text FROM pg_class AS class WHERE relkind = 'r' AND relnamespace ="
        " (SELECT relnamespace FROM pg_class WHERE oid = %s::regclass) AND relname <> 'counted'",
        purges.relation,
    )
    return sum(purges.place.sql(f"SELECT count(*) FROM {table}")[0][0] for (table,) in tables)


def count_young(purges: Purges) -> int:
    return int(purges.place.sql(YOUNG.format(purges.relation, purges.column))[0][0])


def settle(place: Place) -> None:
    place.sql("SET archiver.ledger_version = '3'")
    place.sql(f"ALTER DATABASE {place.database} SET archiver.ledger_version = '3'")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_session_that_ends_before_any_statement(place: Place, shape: str) -> None:
    settle(place)
    # The first makes the ledger too.
    for _ in range(2):
        purges, _ = made(place, shape)
        sent = run(purges)
    assert len(sent) > POINTS
    numbers = seeded(f"points of {shape}").sample(range(len(sent)), POINTS)
    # Those around which the outcome turns are always among them.
    turning = [
        number for number, one in enumerate(sent) if one.startswith(("partitions/", "purge/delete", "purge/lock"))
    ]
    for number in sorted({*numbers, *turning}):
        purges, before = made(place, shape)
        young = count_young(purges)
        with pytest.raises(ArchiverError):
            run(purges, number)
        check(purges, before, young)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_session_that_ends_at_any_instant(place: Place, shape: str) -> None:
    settle(place)
    chance, broken = seeded(f"instants of {shape}"), 0
    for _ in range(10 * INSTANTS):
        purges, before = made(place, shape)
        young = count_young(purges)
        timer = threading.Timer(chance.uniform(0.02, 0.3), place.sql, [END_SESSION])
        timer.start()
        try:
            run(purges)
        except DatabaseInterrupted:
            broken += 1
        timer.cancel()
        timer.join()
        check(purges, before, young)
        if broken == INSTANTS:
            return
    raise AssertionError("the run was always faster than its end")


def test_the_partitions_of_these_tests_hold_rows(place: Place) -> None:
    purges = days(place)
    assert purges.rows() == 3 * A_DAY + 9
