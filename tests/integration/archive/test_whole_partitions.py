"""Which partitions leave as a whole, and which lose their rows one by one: bounds, trees, owners, obstacles, holds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.partitions import ROWS, checked, day, name_of, partitioned, partitions, run
from tests.support.place import Place, hours_ago


def test_rows_of_the_half_due_partition_are_deleted_in_batches(place: Place) -> None:
    partitioned(place)
    # Not by days: at midnight the cutoff would be the bound of one.
    place.sql(
        f"CREATE TABLE analytics.half PARTITION OF analytics.events"
        f" FOR VALUES FROM ('{hours_ago(60)}') TO ('{hours_ago(36)}')"
    )
    # A row at its very beginning, so that only its end keeps it from being due as a whole.
    place.events(hours_ago(60), hours_ago(49), hours_ago(47))
    assert place.plan().partitions == ()
    assert not [one for one in run(place) if one.rows]
    assert partitions(place) == {"analytics.half"}
    assert len(place.live()) == 1


def test_a_policy_can_keep_partitions(place: Place) -> None:
    partitioned(place, 5)
    kept = place.with_policy(drop_partitions=False)
    assert run(kept) == []
    assert partitions(place) == {name_of(5)}
    assert not place.live()


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
def test_what_a_drop_would_pass_over_makes_it_row_by_row_and_the_plan_says_why(
    place: Place, obstacle: str, why: str
) -> None:
    partitioned(place, 5)
    place.sql(obstacle.format(partition=name_of(5)))
    assert any(why in note and name_of(5) in note for note in place.plan().notes)
    assert run(place) == []
    assert partitions(place) == {name_of(5)}
    assert not place.live()


@pytest.mark.first_run
def test_a_role_that_does_not_own_the_partition_deletes_its_rows(place: Place) -> None:
    partitioned(place, 5)
    guest = place.as_role(
        "guest",
        f"CREATE ON DATABASE {place.database}",
        "USAGE ON SCHEMA analytics",
        "SELECT, DELETE ON analytics.events",
    )
    assert any("owns" in note for note in guest.plan().notes)
    assert run(guest) == []
    assert not place.live()
    assert partitions(place) == {name_of(5)}


def test_partitions_of_partitions_go_with_the_largest_that_is_due(place: Place) -> None:
    place.sql(
        "CREATE SCHEMA analytics;"
        "CREATE TABLE analytics.events (id bigint, triggered_at timestamp NOT NULL, name text, data jsonb)"
        " PARTITION BY RANGE (triggered_at);"
        f"CREATE TABLE analytics.old PARTITION OF analytics.events FOR VALUES FROM ('{day(9)}') TO ('{day(7)}')"
        " PARTITION BY RANGE (triggered_at);"
        f"CREATE TABLE analytics.old_1 PARTITION OF analytics.old FOR VALUES FROM ('{day(9)}') TO ('{day(8)}');"
        f"CREATE TABLE analytics.old_2 PARTITION OF analytics.old FOR VALUES FROM ('{day(8)}') TO ('{day(7)}');"
        f"CREATE TABLE analytics.half PARTITION OF analytics.events FOR VALUES FROM ('{day(7)}') TO ('{day(-1)}')"
        " PARTITION BY RANGE (triggered_at);"
        f"CREATE TABLE analytics.half_1 PARTITION OF analytics.half FOR VALUES FROM ('{day(7)}') TO ('{day(5)}')"
        " PARTITION BY LIST (name);"
        "CREATE TABLE analytics.half_a PARTITION OF analytics.half_1 FOR VALUES IN ('a');"
        "CREATE TABLE analytics.half_b PARTITION OF analytics.half_1 FOR VALUES IN ('b');"
        f"CREATE TABLE analytics.half_2 PARTITION OF analytics.half FOR VALUES FROM ('{day(5)}') TO ('{day(-1)}')"
    )
    for at, name in ((9, "a"), (8, "b"), (7, "a"), (6, "b"), (5, "c"), (0, "d")):
        place.sql("INSERT INTO analytics.events VALUES (1, %s, %s, NULL)", day(at), name)
    assert [(str(one.table), one.rows) for one in run(place)] == [("analytics.old", 2), ("analytics.half_1", 2)]
    assert [row[0] for row in place.sql("SELECT name FROM analytics.events")] == ["d"]


def test_a_table_divided_by_something_else_first_loses_no_partition(place: Place) -> None:
    place.sql(
        "CREATE SCHEMA analytics;"
        "CREATE TABLE analytics.events (id bigint, triggered_at timestamp NOT NULL, name text, data jsonb)"
        " PARTITION BY LIST (name);"
        "CREATE TABLE analytics.a PARTITION OF analytics.events FOR VALUES IN ('a') PARTITION BY RANGE (triggered_at);"
        f"CREATE TABLE analytics.a_1 PARTITION OF analytics.a FOR VALUES FROM ('{day(9)}') TO ('{day(8)}')"
    )
    place.sql("INSERT INTO analytics.events VALUES (1, %s, 'a', NULL)", day(9))
    assert run(place) == []
    assert not place.live()
    assert place.sql("SELECT to_regclass('analytics.a_1') IS NOT NULL") == [(True,)]


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [("date", ("2024-01-01", "2024-01-02")), ("timestamptz", ("2024-01-01 00:00+05", "2024-01-02 00:00+05"))],
)
def test_columns_of_every_kind(place: Place, kind: str, bounds: tuple[str, str]) -> None:
    place.sql(
        "CREATE SCHEMA analytics;"
        f"CREATE TABLE analytics.events (triggered_at {kind} NOT NULL, n int) PARTITION BY RANGE (triggered_at);"
        f"CREATE TABLE analytics.p PARTITION OF analytics.events FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}');"
        f"INSERT INTO analytics.events VALUES ('{bounds[0]}', 1)"
    )
    assert [one.rows for one in run(place)] == [1]


def test_a_partition_whose_bounds_cut_through_a_window_is_deleted_row_by_row(place: Place) -> None:
    partitioned(place, 9, 8)
    weekly = place.with_policy(window_hours=168)
    assert run(weekly) == []
    assert not place.live()


def test_a_run_that_cannot_carry_all_windows_of_a_partition_leaves_it_for_later(place: Place) -> None:
    partitioned(place, 5)
    small = place.with_policy(max_mapped_windows=1, windows_per_task=2)
    assert [(len(batch), batch.partition) for batch in small.plan().batches] == [(2, None)]
    assert run(small) == []
    assert [one.rows for one in run(small)] == [ROWS // 2]


def test_rows_that_a_restore_holds_keep_their_partition(place: Place) -> None:
    partitioned(place, 5)
    checked(place)
    place.sql("SET archiver.ledger_version = '3'")
    place.sql(
        "INSERT INTO archiver.restores (client, table_schema, table_name, bucket, object_key, generation,"
        " target_schema, target_table, target_oid, span_start, span_end, rows, run_id, hold_until)"
        " VALUES ('c', 'analytics', 'events', 'b', 'k', 1, 'analytics', 'events', 1, %s, %s, 1, 'r', now() + '1 day')",
        day(5),
        day(5) + timedelta(hours=1),
    )
    assert all(batch.partition is None for batch in place.plan().batches)
