"""Partitions that are due as a whole are dropped once every row of theirs is in a checked object, and not before."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.support.partitions import ROWS, checked, day, drops, name_of, partitioned, partitions, removed, run
from tests.support.place import Place
from tests.support.restores import restored


@pytest.mark.parametrize("default", [False, True], ids=["alone", "beside a default partition"])
@pytest.mark.parametrize("key", ["", "id, triggered_at"], ids=["no key", "key"])
def test_whole_partitions_are_archived_and_dropped_and_the_young_ones_stay(
    place: Place, default: bool, key: str
) -> None:
    partitioned(place, 5, 4, 1, 0, default=default, key=key)
    old = Counter({row: 1 for row in place.csv_of_table() if row[1] < str(day(3))})
    found = run(place)
    assert [(one.table.name, one.rows) for one in found] == [(name_of(n).split(".")[1], ROWS) for n in (5, 4)]
    assert all(one.bytes > 0 for one in found)
    assert partitions(place) == {name_of(1), name_of(0), *(["analytics.events_rest"] if default else [])}
    assert place.archived() == old
    assert len(place.live()) == 2 * ROWS
    assert place.ledger() == [("deleted", 2, 2)] * 8
    assert drops(place) == [("dropped", ROWS)] * 2
    assert run(place) == []


def test_a_partition_that_was_emptied_before_is_dropped_too(place: Place) -> None:
    partitioned(place, 5)
    place.with_policy(drop_partitions=False).archive()
    assert partitions(place) == {name_of(5)}
    assert [(one.rows, str(one.table)) for one in run(place)] == [(0, name_of(5))]
    assert partitions(place) == set()


@pytest.mark.parametrize("default", [False, True], ids=["alone", "beside a default partition"])
@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO analytics.events (triggered_at, name) VALUES ('{at}', 'late')",
        "UPDATE analytics.events SET name = 'changed' WHERE id = 3",
    ],
    ids=["a late row", "a changed row"],
)
def test_a_row_that_is_in_no_object_keeps_its_partition_and_the_next_run_archives_it(
    place: Place, change: str, default: bool
) -> None:
    partitioned(place, 5, default=default)
    batches = checked(place)
    place.sql(change.format(at=day(5) + timedelta(hours=1)))
    assert [removed(place, batch) for batch in batches] == [None]
    assert drops(place) == [], "it was not even detached"
    assert partitions(place) == {name_of(5), *(["analytics.events_rest"] if default else [])}
    assert len(place.live()) == 1
    assert [one.rows for one in run(place)] == [1]
    assert not place.live()


def test_a_row_deleted_by_a_user_since_is_told_from_those_that_left_with_the_partition(place: Place) -> None:
    partitioned(place, 5)
    batches = checked(place)
    place.sql("DELETE FROM analytics.events WHERE id = 4")
    assert [found.rows for batch in batches if (found := removed(place, batch))] == [ROWS - 1]
    assert sorted(place.ledger("state, deleted_rows, kept_positions"))[0] == ("deleted", 1, [2])
    assert any(".kept." in key for key in list(place.keys()))


def test_a_rewritten_partition_is_not_dropped(place: Place) -> None:
    partitioned(place, 5)
    batches = checked(place)
    place.sql(f"VACUUM FULL {name_of(5)}")
    assert [removed(place, batch) for batch in batches] == [None]
    assert len(place.live()) == ROWS
    assert [one.rows for one in run(place)] == [ROWS]


def test_a_column_added_since_the_export_keeps_the_partition(place: Place) -> None:
    partitioned(place, 5)
    batches = checked(place)
    place.sql("ALTER TABLE analytics.events ADD COLUMN more text DEFAULT 'a value'")
    assert [removed(place, batch) for batch in batches] == [None]
    assert len(place.live()) == ROWS


def test_rows_whose_partition_is_gone_come_back_into_a_new_table_or_a_new_partition(place: Place) -> None:
    partitioned(place, 5, 1)
    before = place.live()
    run(place)
    refused = "create a partition for those rows, or restore into a new table"
    assert all(refused in failure for failure in restored(place).failures)
    assert restored(place, into="analytics.back").restored == ROWS
    place.sql(f"CREATE TABLE {name_of(5)} PARTITION OF analytics.events FOR VALUES FROM ('{day(5)}') TO ('{day(4)}')")
    assert restored(place).restored == ROWS
    assert place.live() == before
    assert run(place) == []
    assert place.live() == before
