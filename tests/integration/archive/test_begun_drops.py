"""A drop that was begun goes on only while its partition is due: what N or the run's limits keep is brought back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pg_archiver.airflow.batch_json import from_json, to_json
from pg_archiver.archive.drop_partition import bring_back, drop
from pg_archiver.domain.tables import Partition
from pg_archiver.errors import DatabaseInterrupted, NotEnabled, OwnedElsewhere
from tests.support.partitions import (
    ROWS,
    checked,
    dropped,
    drops,
    in_the_middle,
    name_of,
    only,
    partitioned,
    partitions,
    run,
)
from tests.support.place import NOW, Place
from tests.support.task_context import connect_airflow, context_of, set_variables, work_on

pytestmark = pytest.mark.more

END_SESSION = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"


@pytest.fixture
def half_dropped(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A partition of five days ago that is detached, in a drop that was broken off; and one of yesterday."""
    partitioned(place, 5, 1)
    partition = only(checked(place))
    in_the_middle(monkeypatch, lambda: place.sql(END_SESSION))
    with pytest.raises(DatabaseInterrupted):
        dropped(place, partition)
    monkeypatch.undo()
    assert partitions(place) == {name_of(1)}
    return place


def brought_back(place: Place, partition: Partition) -> None:
    with place.session() as session:
        bring_back(session, place.order, partition)


def planned(place: Place, keep_days: int = 2, **limits: Any) -> Partition:
    (batch,) = place.plan(keep_days, **limits).batches
    # As it travels to the task.
    partition = from_json(to_json(batch, dry_run=False)).partition
    assert partition
    return partition


@pytest.mark.parametrize(
    ("keep_days", "limits"),
    [
        (400, {}),
        (2, {"start": NOW - timedelta(days=90), "end": NOW - timedelta(days=60)}),
        (2, {"start": NOW - timedelta(days=3)}),
    ],
    ids=["N rose", "a span long ago", "a span after it"],
)
def test_what_is_not_due_any_more_is_only_brought_back(
    half_dropped: Place, keep_days: int, limits: dict[str, Any]
) -> None:
    place = half_dropped
    partition = planned(place, keep_days, **limits)
    assert partition.back
    assert place.plan(keep_days, **limits).partitions == ()
    brought_back(place, partition)
    assert partitions(place) == {name_of(5), name_of(1)}
    assert len(place.live()) == 2 * ROWS
    assert drops(place) == [("attached", None)]
    brought_back(place, partition)
    assert len(place.live()) == 2 * ROWS


def test_what_may_not_be_dropped_whole_any_more_is_only_brought_back(half_dropped: Place) -> None:
    partition = planned(half_dropped.with_policy(drop_partitions=False))
    assert partition.back
    brought_back(half_dropped, partition)
    assert partitions(half_dropped) == {name_of(5), name_of(1)}


def test_what_is_still_due_goes(half_dropped: Place) -> None:
    assert not planned(half_dropped).back
    assert [one.rows for one in run(half_dropped)] == [ROWS]
    assert drops(half_dropped) == [("dropped", ROWS)]


def test_a_partition_that_somebody_dropped_meanwhile_is_let_go(half_dropped: Place) -> None:
    partition = planned(half_dropped, 400)
    half_dropped.sql(f"DROP TABLE {name_of(5)}")
    brought_back(half_dropped, partition)
    assert drops(half_dropped) == [("gone", None)]


@pytest.mark.parametrize("refusal", [NotEnabled("somebody said false"), OwnedElsewhere("a copy acts now")])
def test_whoever_has_a_say_is_asked_when_all_lists_are_loaded_and_keeps_the_partition(
    place: Place, refusal: Exception
) -> None:
    partitioned(place, 5)
    partition = only(checked(place))
    asked: list[set[str]] = []

    def confirm() -> None:
        asked.append(partitions(place))
        raise refusal

    with place.session() as session, pytest.raises(type(refusal)):
        drop(session, place.store, place.order, partition, confirm)
    assert asked == [set()], "after the detach"
    assert partitions(place) == {name_of(5)}
    assert len(place.live()) == ROWS
    assert drops(place) == [("attached", None)]


def test_beside_a_default_partition_too(place: Place) -> None:
    partitioned(place, 5, default=True)
    partition = only(checked(place))

    def confirm() -> None:
        raise NotEnabled("somebody said false")

    with place.session() as session, pytest.raises(NotEnabled):
        drop(session, place.store, place.order, partition, confirm)
    assert len(place.live()) == ROWS


def test_a_database_that_does_not_act_for_the_archive_brings_nothing_back(
    half_dropped: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_airflow(half_dropped, monkeypatch)
    set_variables(monkeypatch)
    (batch,) = half_dropped.plan(400).batches
    with pytest.raises(OwnedElsewhere):
        work_on(half_dropped, enabled=True).delete(to_json(batch, dry_run=False), context_of())
    assert partitions(half_dropped) == {name_of(1)}
    assert drops(half_dropped) == [("detaching", None)]


def test_a_dry_run_drops_and_attaches_nothing(half_dropped: Place) -> None:
    partition = planned(half_dropped)
    dry = half_dropped.ordered(dry_run=True)
    with pytest.raises(NotEnabled, match="is a dry run"):
        dropped(dry, partition)
    with pytest.raises(NotEnabled, match="is a dry run"):
        brought_back(dry, partition)
    assert drops(half_dropped) == [("detaching", None)]
