"""Partitions that are due as a whole are dropped, if all of their rows are; rows of all others go in batches."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from pg_archiver.errors import TableRefused
from tests.support.concurrency import Beside
from tests.support.hooks import acting_before
from tests.support.partitions import ROWS, TODAY, day, drops, name_of, partitioned, partitions
from tests.support.place import Place, hours_ago
from tests.support.purges import Purges, after, never


def of_days(place: Place, *days: int, default: bool = False) -> Purges:
    """A table with a partition for each of these days."""
    partitioned(place, *days, default=default)
    return Purges.of(place, "analytics.events", "triggered_at", "SELECT 1")


def test_partitions_that_are_due_are_dropped_counted_and_told(place: Place) -> None:
    purges = of_days(place, 6, 5, 4, 1)
    told = purges.rehearse()
    assert "3 partitions would be dropped whole: analytics.events_" in told
    assert "rows would be deleted" not in told
    assert partitions(place) == {name_of(6), name_of(5), name_of(4), name_of(1)}
    assert not place.has_ledger()
    result = purges.purge()
    assert (result.rows, result.partitions, purges.counts()) == (3 * ROWS, 3, [ROWS] * 3)
    assert "3 partitions dropped whole" in result.told
    assert partitions(place) == {name_of(1)}
    assert purges.rows() == ROWS
    assert drops(place) == [("dropped", ROWS)] * 3


def test_rows_of_a_partition_that_is_half_due_go_in_batches(place: Place) -> None:
    purges = of_days(place, 5)
    place.sql(
        "CREATE TABLE analytics.half PARTITION OF analytics.events"
        f" FOR VALUES FROM ('{hours_ago(60)}') TO ('{hours_ago(36)}')"
    )
    place.events(hours_ago(60), hours_ago(49), hours_ago(44))
    result = purges.purge()
    assert (result.rows, result.partitions) == (ROWS + 2, 1)
    assert partitions(place) == {"analytics.half"}
    assert purges.rows() == 1


def test_bounds_need_no_grid(place: Place) -> None:
    purges = of_days(place)
    place.sql(
        "CREATE TABLE analytics.odd PARTITION OF analytics.events"
        f" FOR VALUES FROM ('{day(9)}') TO ('{day(5) + timedelta(minutes=17, seconds=3)}')"
    )
    place.events(day(7))
    assert purges.purge().partitions == 1


def test_a_policy_can_keep_partitions(place: Place) -> None:
    purges = of_days(place, 5)
    assert purges.purge(drop_partitions=False).rows == ROWS
    assert purges.counts() == [6, 2]
    assert partitions(place) == {name_of(5)}


@pytest.mark.parametrize(
    ("obstacle", "why"),
    [
        ("CREATE VIEW public.v AS SELECT * FROM {partition}", "views or foreign keys"),
        ("CREATE PUBLICATION pub FOR TABLE analytics.events", "subscribers"),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';"
            "CREATE TRIGGER t BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION f()",
            "triggers",
        ),
    ],
)
def test_what_a_drop_would_pass_over_makes_it_row_by_row_and_that_is_told(
    place: Place, obstacle: str, why: str
) -> None:
    purges = of_days(place, 5)
    place.sql(obstacle.format(partition=name_of(5)))
    assert why in purges.rehearse()
    result = purges.purge()
    assert (result.rows, result.partitions) == (ROWS, 0)
    assert why in result.told
    assert partitions(place) == {name_of(5)}


def test_a_role_that_does_not_own_them_deletes_rows(place: Place) -> None:
    purges = of_days(place, 6, 5)
    rights = ("USAGE ON SCHEMA analytics", "SELECT, DELETE, UPDATE ON analytics.events", "USAGE ON SCHEMA public")
    guest = replace(purges, place=place.as_role("guest", *rights, f"CREATE ON DATABASE {place.database}"))
    assert guest.purge().rows == 2 * ROWS
    assert partitions(place) == {name_of(6), name_of(5)}


def test_partitions_of_partitions_go_with_the_largest_that_is_due(place: Place) -> None:
    place.sql(
        "CREATE SCHEMA analytics;"
        "CREATE TABLE analytics.events (id bigint, triggered_at timestamptz NOT NULL, name text)"
        " PARTITION BY RANGE (triggered_at);"
        f"CREATE TABLE analytics.old PARTITION OF analytics.events FOR VALUES FROM ('{day(9)}') TO ('{day(7)}')"
        " PARTITION BY LIST (name);"
        "CREATE TABLE analytics.old_a PARTITION OF analytics.old FOR VALUES IN ('a');"
        "CREATE TABLE analytics.old_rest PARTITION OF analytics.old DEFAULT;"
        f"CREATE TABLE analytics.half PARTITION OF analytics.events FOR VALUES FROM ('{day(7)}') TO ('{day(-1)}')"
        " PARTITION BY RANGE (triggered_at);"
        f"CREATE TABLE analytics.half_1 PARTITION OF analytics.half FOR VALUES FROM ('{day(7)}') TO ('{day(5)}');"
        f"CREATE TABLE analytics.half_2 PARTITION OF analytics.half FOR VALUES FROM ('{day(5)}') TO ('{day(-1)}')"
    )
    for at, name in ((8.5, "a"), (7.5, "b"), (6, "a"), (4, "c"), (0, "d")):
        place.sql("INSERT INTO analytics.events VALUES (1, %s, %s)", TODAY - timedelta(days=at), name)
    purges = Purges.of(place, "analytics.events", "triggered_at", "SELECT 1")
    result = purges.purge()
    assert (result.rows, result.partitions) == (4, 2)
    assert place.sql("SELECT name FROM analytics.events") == [("d",)]
    assert place.sql("SELECT to_regclass('analytics.old_a') IS NULL") == [(True,)]


def test_a_table_divided_by_something_else_first_loses_no_partition(place: Place) -> None:
    place.sql(
        "CREATE SCHEMA analytics;"
        "CREATE TABLE analytics.events (id bigint, triggered_at timestamp NOT NULL) PARTITION BY HASH (id);"
        "CREATE TABLE analytics.a PARTITION OF analytics.events FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE analytics.b PARTITION OF analytics.events FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        f"INSERT INTO analytics.events SELECT n, '{day(5)}' FROM generate_series(1, 40) AS n;"
        "INSERT INTO analytics.events VALUES (99, now())"
    )
    purges = Purges.of(place, "analytics.events", "triggered_at", "SELECT 1")
    result = purges.purge()
    assert (result.rows, result.partitions) == (40, 0)
    assert place.sql("SELECT id FROM analytics.events") == [(99,)]
    assert partitions(place) == {"analytics.a", "analytics.b"}


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [("date", ("2024-01-01", "2024-01-02")), ("timestamptz", ("2024-01-01 00:00+05", "2024-01-02 00:00+05"))],
)
def test_columns_of_every_kind(place: Place, kind: str, bounds: tuple[str, str]) -> None:
    made = (
        f"CREATE TABLE public.notes (at {kind} NOT NULL, n int) PARTITION BY RANGE (at);"
        f"CREATE TABLE public.p PARTITION OF public.notes FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}');"
        f"INSERT INTO public.notes VALUES ('{bounds[0]}', 1)"
    )
    result = Purges.of(place, made=made).purge()
    assert (result.rows, result.partitions) == (1, 1)


def test_rows_of_a_default_partition_go_in_batches_and_an_empty_partition_beside_it_is_dropped(place: Place) -> None:
    purges = of_days(place, 6, default=True)
    place.events(day(30), day(31), hours_ago(1))
    result = purges.purge()
    assert (result.rows, result.partitions) == (ROWS + 2, 1)
    assert partitions(place) == {"analytics.events_rest"}
    assert purges.rows() == 1


def test_beside_a_default_partition_one_that_takes_long_to_count_stops_nobody(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pg_archiver.purge.drop_partitions.LONGEST_STOP_SECONDS", -1.0)
    purges = of_days(place, 6, default=True)
    result = purges.purge()
    assert (result.rows, result.partitions) == (ROWS, 0)
    assert partitions(place) == {name_of(6), "analytics.events_rest"}


@pytest.mark.parametrize("default", [False, True], ids=["alone", "beside a default partition"])
def test_nobody_writes_into_a_partition_between_its_count_and_its_drop(place: Place, default: bool) -> None:
    purges = of_days(place, 5, default=default)
    late = f"INSERT INTO {name_of(5)} (id, triggered_at, name) VALUES (999, '{day(5)}', 'late')"
    writer = Beside(place, late)
    with acting_before(place, "ledger/partition_drops/end", writer.begin) as session:
        assert purges.purge(never, session).rows == ROWS
    assert writer.waited
    with pytest.raises(psycopg.errors.UndefinedTable):
        writer.end()


def test_readers_and_writers_of_the_table_go_on_while_the_rows_of_a_partition_are_counted(place: Place) -> None:
    purges = of_days(place, 5, 1)
    reader = Beside(place, "SELECT count(*) FROM analytics.events")
    writer = Beside(place, f"INSERT INTO analytics.events (triggered_at) VALUES ('{day(1)}')")

    def begin() -> None:
        reader.begin()
        writer.begin()

    with acting_before(place, "ledger/partition_drops/end", begin) as session:
        assert purges.purge(never, session).partitions == 1
    assert not reader.waited
    assert not writer.waited
    reader.end()
    writer.end()


def test_a_row_that_is_not_due_and_was_written_into_the_detached_partition_is_not_dropped_with_it(place: Place) -> None:
    """The server keeps it to its bounds, until somebody takes these away."""
    purges = of_days(place, 5, 1)
    name = name_of(5)
    young = (
        f"ALTER TABLE {name} DROP CONSTRAINT {name.partition('.')[2]}_triggered_at_check;"
        f"INSERT INTO {name} (id, triggered_at, name) VALUES (999, now(), 'young')"
    )
    with (
        acting_before(place, "partitions/lock_partition", lambda: place.sql(young)) as session,
        pytest.raises(TableRefused, match="holds rows that are not due, and cannot be attached any more"),
    ):
        purges.purge(never, session)
    assert place.sql(f"SELECT count(*) FROM {name}") == [(ROWS + 1,)]
    assert purges.counts() == []
    place.sql(f"DELETE FROM {name} WHERE id = 999")
    assert purges.purge().partitions == 1


def test_one_of_which_a_restore_holds_rows_after_the_detach_comes_back(place: Place) -> None:
    purges = of_days(place, 5, 1)
    with acting_before(
        place, "partitions/lock_partition", lambda: purges.hold(day(5), day(5) + timedelta(hours=1))
    ) as session:
        result = purges.purge(never, session)
    # The rows of the hours that are not held went one by one.
    assert (result.rows, result.partitions) == (ROWS - 2, 0)
    assert partitions(place) == {name_of(5), name_of(1)}
    assert drops(place) == [("attached", None)]


def test_rows_that_a_restore_holds_keep_their_partition(place: Place) -> None:
    purges = of_days(place, 6, 5)
    purges.migrate()
    purges.hold(day(5), day(5) + timedelta(hours=1))
    assert "1 partition would be dropped whole" in purges.rehearse()
    result = purges.purge()
    assert (result.rows, result.partitions) == (2 * ROWS - 2, 1)
    assert partitions(place) == {name_of(5)}
    assert purges.rows() == 2


def test_where_rows_wait_for_children_no_partition_is_dropped(place: Place) -> None:
    purges = of_days(place, 5)
    place.sql("CREATE TABLE analytics.clicks (event bigint)")
    children = (place.on("analytics.clicks").order.table,)
    result = purges.purge(children=children)
    assert (result.rows, result.partitions) == (ROWS, 0)
    assert partitions(place) == {name_of(5)}


def test_no_partition_is_dropped_after_the_work_is_not_wanted_any_more(place: Place) -> None:
    purges = of_days(place, 6, 5, 4)
    # The questions: before all, before the first, before its locks.
    result = purges.purge(after(2))
    assert (result.rows, result.partitions, result.left) == (0, 0, "its row has changed")
    assert partitions(place) == {name_of(6), name_of(5), name_of(4)}
    assert drops(place) == [("attached", None)]
    result = purges.purge(after(3))
    assert (result.rows, result.partitions, result.left) == (ROWS, 1, "its row has changed")
    assert partitions(place) == {name_of(5), name_of(4)}
