"""While a partition is detached, and between that and its drop: readers, writers, late rows, lost objects, deaths."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pg_archiver.archive.drop_partition import drop
from pg_archiver.errors import CheckFailed, DatabaseInterrupted, LockWait
from pg_archiver.partitions import detaching
from tests.support.concurrency import at_once, in_background, until, wait_for_blocked
from tests.support.hooks import acting_before
from tests.support.partitions import (
    ROWS,
    checked,
    day,
    dropped,
    drops,
    in_the_middle,
    name_of,
    only,
    partitioned,
    partitions,
    run,
)
from tests.support.place import Place


def test_a_row_written_into_the_partition_itself_after_the_detach_brings_it_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitioned(place, 5)
    partition = only(checked(place))
    late = f"INSERT INTO {name_of(5)} (id, triggered_at, name) VALUES (999, '{day(5)}', 'late')"
    in_the_middle(monkeypatch, lambda: place.sql(late))
    assert dropped(place, partition) is None
    assert partitions(place) == {name_of(5)}
    assert len(place.live()) == ROWS + 1
    assert drops(place) == [("attached", None)]
    assert run(place) == []
    assert [one.rows for one in run(place)] == [1]


def test_a_drop_that_dies_after_the_detach_is_taken_up_by_the_next_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitioned(place, 5, 1)
    partition = only(checked(place))
    in_the_middle(monkeypatch, lambda: place.sql(_terminate("test")))
    with pytest.raises(DatabaseInterrupted):
        dropped(place, partition)
    assert partitions(place) == {name_of(1)}
    assert len(place.live()) == ROWS
    assert drops(place) == [("detaching", None)]
    assert [one.rows for one in run(place)] == [ROWS]
    assert drops(place) == [("dropped", ROWS)]
    assert place.ledger() == [("deleted", 2, 2)] * 4


def test_an_object_lost_after_the_detach_brings_the_partition_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitioned(place, 5)
    partition = only(checked(place))
    in_the_middle(monkeypatch, lambda: place.sql(_terminate("test")))
    with pytest.raises(DatabaseInterrupted):
        dropped(place, partition)
    place.remove(place.data_keys()[0])
    with pytest.raises(CheckFailed, match="deleted after it was checked"):
        dropped(place, partition)
    assert partitions(place) == {name_of(5)}
    assert len(place.live()) == ROWS


def _terminate(application: str) -> str:
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{application}'"


def test_a_detach_that_a_reader_holds_up_is_ended_by_the_next_try(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detaching, "DETACH_LOCK_TIMEOUT", timedelta(milliseconds=200))
    partitioned(place, 5)
    partition = only(checked(place))
    with place.connect() as reader:
        # He comes when it was found that nobody was there.
        coming = acting_before(
            place,
            "partitions/detach_concurrently",
            lambda: reader.execute("SELECT count(*) FROM analytics.events"),
        )
        with coming as database, pytest.raises(LockWait, match="half detached, and its rows are out of sight"):
            drop(database, place.store, place.order, partition)
    found = dropped(place, partition)
    assert found is not None
    assert found.rows == ROWS
    assert partitions(place) == set()


def test_a_detach_is_not_begun_while_somebody_holds_the_table_for_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detaching, "READER_SECONDS", 0.5)
    # Only how long this hangs where it is begun all the same.
    monkeypatch.setattr(detaching, "DETACH_LOCK_TIMEOUT", timedelta(seconds=2))
    partitioned(place, 5)
    partition = only(checked(place))
    with place.connect() as reader:
        reader.execute("SET application_name = 'pg_dump'")
        reader.commit()
        reader.execute("LOCK TABLE analytics.events IN ACCESS SHARE MODE")
        named = r"pid .*user .*application 'pg_dump', in a transaction since .* has had a lock on analytics\.events"
        with pytest.raises(LockWait, match=f"was not detached, since .*{named}"):
            dropped(place, partition)
        assert len(place.live()) == ROWS, "its rows are in everybody's sight"
        assert partitions(place) == {name_of(5)}
        assert place.sql("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(0,)]
        assert drops(place) == [("attached", None)]
    assert [one.rows for one in run(place)] == [ROWS]


def test_a_detach_waits_for_whoever_is_there_and_soon_gone(place: Place) -> None:
    partitioned(place, 5)
    partition = only(checked(place))
    with place.connect() as reader:
        reader.execute("SELECT count(*) FROM analytics.events")
        with in_background(lambda: dropped(place, partition)) as dropping:
            until(lambda: drops(place) == [("detaching", None)])
            reader.rollback()
            found = dropping.result()
    assert found is not None
    assert found.rows == ROWS


def test_a_writer_that_is_in_the_middle_of_it_is_waited_for_and_its_row_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitioned(place, 5, default=True)
    partition = only(checked(place))
    with place.connect() as writer:
        writer.execute(f"INSERT INTO analytics.events (triggered_at, name) VALUES ('{day(5)}', 'late')")
        with in_background(lambda: dropped(place, partition)) as result:
            wait_for_blocked(place)
            writer.commit()
    assert result.result() is None
    assert len(place.live()) == ROWS + 1


def test_two_drops_at_once_drop_it_once(place: Place) -> None:
    partitioned(place, 5)
    partition = only(checked(place))
    results = [future.result() for future in at_once([lambda: dropped(place, partition)] * 3)]
    assert sorted(found is None for found in results) == [False, True, True]
    assert drops(place) == [("dropped", ROWS)]
