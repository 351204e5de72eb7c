"""Windows of another length than before: by the setting or by the table's rows, and no row is archived twice for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pg_archiver.archive.plan import plan
from pg_archiver.archive.run_span import Limits
from pg_archiver.archive.take_over import take_over
from pg_archiver.domain.ledger_version import LEDGER_VERSION
from pg_archiver.policies.retention import KeepDays
from tests.support.partitions import partitioned
from tests.support.place import EVENTS, NOW, Place, hours_ago
from tests.support.previews import looked_at

DAY = 24
# As a session of this version says it, whose rows the ledger takes.
WRITING = f"SET archiver.ledger_version = '{LEDGER_VERSION}'"
# Midnight of a day that is due as a whole.
MIDNIGHT = (hours_ago(0) - timedelta(days=4)).replace(hour=0)
MANY = """
    INSERT INTO analytics.events (triggered_at)
    SELECT %s::timestamp + number * interval '1 day' / %s FROM generate_series(0, %s) AS number
"""


@pytest.fixture
def filled(place: Place) -> Place:
    """Rows in five hours of one day."""
    place.sql(EVENTS)
    place.events(
        *(MIDNIGHT + timedelta(hours=hour, minutes=minute) for hour in (1, 2, 3, 10, 20) for minute in (5, 50))
    )
    return place


def run(place: Place, run_id: str = "a later run") -> bool:
    """A whole run as the DAG does it; returns whether it left anything for the next one."""
    place = place.ordered(run_id=run_id)
    with place.session() as session:
        limits = Limits(run_time=NOW, start=None, end=None)
        found = plan(session, place.store, place.order, place.policy, KeepDays(2, "the test"), limits)
        take_over(session, place.store, place.order, found)
    windows = [window for batch in found.batches for window in batch]
    for window in windows:
        place.export(window)
    for window in windows:
        place.check(window)
    for window in windows:
        place.delete(window)
    return found.more


def lengths(place: Place) -> list[tuple[Any, ...]]:
    """Of each generation: its hours, its state, its rows."""
    hours = "extract(epoch FROM cell_end - cell_start)::int / 3600, state, rows"
    return [tuple(row) for row in place.ledger(hours)]


def assert_archived_once(place: Place, before: object) -> None:
    assert place.archived() == before
    assert not place.live()


@pytest.mark.parametrize("stored", [False, True])
def test_from_an_hour_to_a_day_what_is_half_done_is_finished_first(filled: Place, *, stored: bool) -> None:
    before = filled.csv_of_table()
    window = filled.windows()[1]
    filled.export(window)
    if stored:
        filled.check(window)
    daily = filled.with_policy(window_hours=DAY)
    assert run(daily), "the day waits for the next run"
    assert lengths(filled) == [(1, "deleted", 2)]
    assert not run(daily, "the run after it")
    assert sorted(lengths(filled)) == [(1, "deleted", 2), (24, "deleted", 8)]
    assert_archived_once(filled, before)


@pytest.mark.parametrize("stored", [False, True])
def test_from_a_day_to_an_hour_what_is_half_done_is_finished_first(filled: Place, *, stored: bool) -> None:
    daily = filled.with_policy(window_hours=DAY)
    (window,) = daily.windows()
    daily.export(window)
    if stored:
        daily.check(window)
    filled.events(MIDNIGHT + timedelta(hours=1, minutes=30), MIDNIGHT + timedelta(hours=27))
    before = filled.csv_of_table()
    assert run(filled), "hours within that day wait"
    assert sorted(lengths(filled)) == [(1, "deleted", 1), (24, "deleted", 10)]
    assert not run(filled, "the run after it")
    assert sorted(lengths(filled)) == [(1, "deleted", 1), (1, "deleted", 1), (24, "deleted", 10)]
    assert_archived_once(filled, before)


def test_an_export_of_another_length_that_failed_gives_way(filled: Place) -> None:
    before = filled.csv_of_table()
    filled.windows()
    daily = filled.with_policy(window_hours=DAY)
    (window,) = daily.windows()
    daily.export(window)
    # As if it had died before it ended.
    filled.sql(WRITING)
    filled.sql("UPDATE archiver.windows SET state = 'planned', manifest = NULL, rows = NULL")
    for key in filled.keys():  # noqa: SIM118 (a method of ours)
        filled.remove(key)
    assert run(filled), "it is looked at when the hours are gone"
    assert [one for one in lengths(filled) if one[0] == 1] == [(1, "deleted", 2)] * 5
    assert not run(filled, "the run after it")
    assert (24, "void", None) in lengths(filled)
    assert {state for _hours, state, _rows in lengths(filled)} == {"deleted", "void"}
    assert_archived_once(filled, before)


def test_back_and_forth_and_back_again(filled: Place) -> None:
    before = filled.csv_of_table()
    first = filled.windows()[0]
    filled.export(first)
    daily = filled.with_policy(window_hours=DAY)
    assert run(daily, "run 2")
    (window,) = [one for batch in daily.plan().batches for one in batch]
    daily.export(window)
    assert not run(filled, "run 3") or not run(filled, "run 4")
    assert_archived_once(filled, before)


def test_no_partition_is_dropped_over_a_window_that_waits(place: Place) -> None:
    partitioned(place, 5, 1)
    before = place.csv_of_table()
    window = place.windows()[0]
    place.export(window)
    daily = place.with_policy(window_hours=DAY)
    waiting = daily.plan()
    assert (waiting.partitions, waiting.more, waiting.windows) == ((), True, 1)
    runs = 1
    while run(daily, f"run {runs}"):
        runs += 1
        assert runs < 5
    kept = place.csv_of_table()
    assert place.archived() + kept == before


def noted(place: Place) -> list[tuple[int, int]]:
    return [tuple(row) for row in place.sql("SELECT hours, rows_a_day FROM archiver.window_lengths")]


def many(place: Place, a_day: int) -> None:
    """So many rows a day, over the last eight days."""
    place.sql("TRUNCATE analytics.events")
    place.sql(MANY, hours_ago(8 * 24 - 1), a_day, 8 * a_day - 1)


def planned_hours(place: Place) -> set[float]:
    cells = {window.cell for batch in place.plan().batches for window in batch}
    return {(cell.end - cell.start) / timedelta(hours=1) for cell in cells}


@pytest.mark.first_run
@pytest.mark.more
def test_the_rows_of_a_table_choose_and_the_ledger_keeps_the_choice(place: Place) -> None:
    place.sql(EVENTS)
    place = place.with_policy(window_hours="auto")
    many(place, 21_000)
    assert planned_hours(place) == {1}
    many(place, 15_000)
    assert planned_hours(place) == {24}
    assert not place.has_ledger(), "a plan alone notes nothing"
    begin(place)
    ((hours, a_day),) = noted(place)
    assert (hours, round(a_day, -2)) == (24, 15_000)
    many(place, 21_000)
    assert planned_hours(place) == {24}, "it is not twice too many"
    many(place, 41_000)
    assert planned_hours(place) == {1}
    begin(place)
    assert [hours for hours, _rows in noted(place)] == [1]
    many(place, 15_000)
    assert planned_hours(place) == {1}, "it is not twice too few"
    many(place, 9_000)
    assert planned_hours(place) == {24}


def begin(place: Place) -> None:
    """What a run does before its first export."""
    with place.session() as session:
        limits = Limits(run_time=NOW, start=None, end=None)
        found = plan(session, place.store, place.order, place.policy, KeepDays(2, "the test"), limits)
        take_over(session, place.store, place.order, found)


def test_what_has_been_archived_counts_and_so_does_an_old_backlog(place: Place) -> None:
    place.sql(EVENTS)
    place = place.with_policy(window_hours="auto")
    place.sql(MANY, hours_ago(400 * 24), 21_000, 7 * 21_000)
    assert planned_hours(place) == {1}, "a quiet table with a busy past"
    place.sql("TRUNCATE analytics.events")
    place.events(hours_ago(60))
    begin(place)
    assert noted(place) == [(24, 1)]
    place.sql(WRITING)
    place.sql(
        """
        INSERT INTO archiver.windows (
            client, table_schema, table_name, cell_start, cell_end, generation, span_start, span_end, state, bucket,
            object_key, rows, manifest, deleted_upto, deleted_rows, run_id
        )
        SELECT
            %s, 'analytics', 'events', %s, %s, 1, %s, %s, 'deleted', 'b', 'k', 300000, '{}', 300000, 300000, 'r'
        """,
        place.order.client,
        *([hours_ago(72), hours_ago(71)] * 2),
    )
    assert planned_hours(place) == {1}


@pytest.mark.first_run
def test_a_preview_takes_the_length_that_a_run_would_take_and_notes_nothing(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(MIDNIGHT + timedelta(hours=hour, minutes=5) for hour in (1, 2, 3)))
    place = place.with_policy(window_hours="auto")
    told = looked_at(place)
    assert (told.windows, told.rows, told.counted) == (1, 3, True)
    assert not place.has_ledger()
