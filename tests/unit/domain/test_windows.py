"""Which hours are due: each moment of the span once, nothing outside it, nothing too young."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pg_archiver.archive.batching import MAPPED_A_DAY, cut_windows, least_windows_per_task, most_tasks, windows_per_task
from pg_archiver.domain.windows import (
    EARLIEST,
    GRID_ORIGIN,
    DueWindow,
    TimestampKind,
    Window,
    cell_of,
    cutoff,
    due_windows,
    earliest_wall_time,
    in_column_time,
    latest_wall_time,
)

MOMENTS = st.datetimes(min_value=EARLIEST, max_value=datetime(2200, 1, 1))  # noqa: DTZ001
INSTANTS = st.datetimes(
    min_value=datetime(1980, 1, 1),  # noqa: DTZ001
    max_value=datetime(2037, 12, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
HOURS = st.integers(1, 168)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
MICROSECOND = timedelta(microseconds=1)


@st.composite
def spans(draw: st.DrawFn) -> Window:
    start = draw(MOMENTS)
    return Window(start, start + draw(st.timedeltas(MICROSECOND, timedelta(days=20))))


def holding(windows: list[DueWindow], moment: datetime) -> list[DueWindow]:
    return [window for window in windows if window.span.start <= moment < window.span.end]


@given(MOMENTS, HOURS)
def test_a_moment_is_in_its_cell_and_cells_are_on_the_grid(moment: datetime, hours: int) -> None:
    cell = cell_of(moment, hours)
    step = timedelta(hours=hours)
    assert cell.start <= moment < cell.end
    assert cell.end - cell.start == step
    assert (cell.start - GRID_ORIGIN) % step == timedelta(0)
    assert cell_of(cell.start, hours) == cell
    assert cell_of(cell.end - MICROSECOND, hours) == cell
    assert cell_of(cell.end, hours).start == cell.end


@given(spans(), HOURS, st.data())
def test_each_moment_of_the_due_span_is_in_exactly_one_window(due: Window, hours: int, data: st.DataObject) -> None:
    inside = st.datetimes(due.start, due.end - MICROSECOND)
    moments = data.draw(st.lists(inside, min_size=1, max_size=30))
    windows = due_windows([due.start, *moments, due.end - MICROSECOND], due, hours)
    for moment in (due.start, *moments, due.end - MICROSECOND):
        (window,) = holding(windows, moment)
        assert cell_of(moment, hours) == window.cell


@given(spans(), HOURS, st.lists(MOMENTS, max_size=5), st.data())
def test_windows_are_disjoint_in_order_and_never_leave_the_due_span(
    due: Window, hours: int, elsewhere: list[datetime], data: st.DataObject
) -> None:
    near = st.datetimes(max(EARLIEST, due.start - timedelta(days=3)), due.end + timedelta(days=3))
    firsts = data.draw(st.lists(near, max_size=30)) + elsewhere
    windows = due_windows(firsts, due, hours)
    for window in windows:
        assert due.start <= window.span.start < window.span.end <= due.end
        assert window.cell.start <= window.span.start
        assert window.span.end <= window.cell.end
        assert any(window.span.start <= first < window.span.end or first in (due.start,) for first in firsts)
    for earlier, later in itertools.pairwise(windows):
        assert earlier.cell.end <= later.cell.start
        assert earlier.span.end <= later.span.start
    outside = [first for first in firsts if not due.start <= first < due.end]
    assert all(not holding(windows, moment) for moment in outside)


@given(spans(), HOURS)
def test_the_windows_of_all_hours_cover_the_due_span_without_gaps(due: Window, hours: int) -> None:
    firsts = [due.start]
    while (following := cell_of(firsts[-1], hours).end) < due.end:
        firsts.append(following)
    windows = due_windows(firsts, due, hours)
    assert windows[0].span.start == due.start
    assert windows[-1].span.end == due.end
    assert all(a.span.end == b.span.start for a, b in itertools.pairwise(windows))


@given(st.integers(0, 200), st.integers(1, 60))
def test_batches_hold_every_window_once_and_in_order(count: int, size: int) -> None:
    hour = timedelta(hours=1)
    cells = [Window(GRID_ORIGIN + hour * number, GRID_ORIGIN + hour * (number + 1)) for number in range(count)]
    windows = [DueWindow(cell, cell) for cell in cells]
    cut = cut_windows(windows, size)
    assert [window for batch in cut for window in batch] == windows
    assert all(len(batch) == size for batch in cut[:-1])
    assert all(0 < len(batch) <= size for batch in cut)


@given(st.integers(0, 100_000), st.integers(1, 1000), st.integers(1, 1000))
def test_windows_per_task_keeps_its_limits_and_carries_all_it_can(windows: int, most: int, longest: int) -> None:
    size = windows_per_task(windows, most, longest)
    assert 1 <= size <= longest
    tasks = -(-windows // size)
    assert tasks <= most or size == longest
    if size > 1:
        assert -(-windows // (size - 1)) > most


@pytest.mark.parametrize(
    ("tables", "window_hours", "windows"),
    [
        *((0, 1, 1), (1, 1, 1), (100, 1, 1), (101, 1, 2), (200, 1, 2), (300, 1, 3), (500, 1, 6), (1000, 1, 12)),
        *(
            (2400, 1, 24),
            (10_000, 1, 24),
            (1000, 6, 2),
            (1000, 12, 1),
            (10_000, 6, 4),
            (10_000, 24, 1),
            (10_000, 168, 1),
        ),
    ],
)
def test_many_tables_put_more_windows_of_a_usual_day_into_one_task(
    tables: int, window_hours: int, windows: int
) -> None:
    assert least_windows_per_task(tables, window_hours) == windows
    assert windows_per_task(24 // window_hours, 100, 24, windows) == windows


@pytest.mark.parametrize(
    ("windows", "window_hours", "tasks"),
    [(24, 1, 24), (48, 1, 48), (49, 1, 7), (100, 1, 8), (360, 1, 8), (2400, 1, 50), (8, 6, 8), (9, 6, 5)],
)
def test_a_backlog_is_a_few_long_tasks_and_two_days_are_one_window_each(
    windows: int, window_hours: int, tasks: int
) -> None:
    size = windows_per_task(windows, most_tasks(windows, window_hours, 100), 48)
    assert -(-windows // size) == tasks


@given(st.integers(1, 20_000), st.integers(1, 24))
def test_a_usual_day_of_all_tables_takes_one_task_each_or_what_airflow_is_given(tables: int, window_hours: int) -> None:
    windows = 24 // window_hours
    size = least_windows_per_task(tables, window_hours)
    assert 1 <= size <= windows
    assert -(-windows // size) * tables <= max(MAPPED_A_DAY, tables)


@given(INSTANTS, INSTANTS, st.integers(0, 36_500), st.sampled_from([*ZONES, "UTC"]), st.sampled_from([*ZONES, "UTC"]))
def test_the_cutoff_is_never_later_than_n_days_before_now_and_before_the_run(
    run_time: datetime, now: datetime, days: int, run_zone: str, now_zone: str
) -> None:
    if min(run_time, now) - datetime.min.replace(tzinfo=UTC) <= timedelta(days=days):
        days = 1000
    found = cutoff(run_time.astimezone(ZoneInfo(run_zone)), now.astimezone(ZoneInfo(now_zone)), days)
    assert found == min(run_time, now) - timedelta(days=days)
    assert found <= now - timedelta(days=days)


@pytest.mark.parametrize("days", [-1, -2])
def test_there_is_no_cutoff_for_a_negative_number_of_days(days: int) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ValueError, match="no cutoff"):
        cutoff(now, now, days)


def latest_meaning(wall: datetime, zone: str) -> datetime:
    """The latest instant that a wall-clock time may stand for, where clocks go back, and where they go forward."""
    return max(wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))


def changes_of(zone: str) -> list[datetime]:
    """The instants of 2023 to 2025 at which the zone's clocks change."""
    hours = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=30) * half for half in range(3 * 365 * 48)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [later for later, one, other in zip(hours[1:], offsets, offsets[1:], strict=False) if one != other]


CHANGES = {zone: changes_of(zone) for zone in ZONES}


def test_the_zones_change_their_clocks_as_the_tests_suppose() -> None:
    assert {zone: len(changes) for zone, changes in CHANGES.items()} == {
        "Europe/Berlin": 6,
        "America/New_York": 6,
        "Australia/Lord_Howe": 6,
        "Asia/Kolkata": 0,
    }


@pytest.mark.parametrize("zone", ZONES)
def test_no_wall_time_that_is_due_has_any_meaning_after_the_cutoff_when_clocks_change(zone: str) -> None:
    step = timedelta(minutes=5)
    for change in CHANGES[zone] or [datetime(2024, 1, 1, tzinfo=UTC)]:
        for number in range(-40, 41):
            instant = change + step * number
            result = in_column_time(instant, TimestampKind.TIMESTAMP, zone)
            for back in range(1, 50):
                assert latest_meaning(result - step * back, zone) <= instant, (instant, result)
            assert latest_meaning(result - MICROSECOND, zone) <= instant


@given(INSTANTS, st.sampled_from(ZONES), st.timedeltas(MICROSECOND, timedelta(days=2)))
@example(datetime(2024, 3, 31, 1, 10, tzinfo=UTC), "Europe/Berlin", timedelta(minutes=40))
def test_no_wall_time_that_is_due_has_any_meaning_after_the_cutoff(
    instant: datetime, zone: str, earlier: timedelta
) -> None:
    result = in_column_time(instant, TimestampKind.TIMESTAMP, zone)
    assert result.tzinfo is None
    assert latest_meaning(result - earlier, zone) <= instant


@given(INSTANTS, st.sampled_from(ZONES))
def test_column_time_is_never_more_than_the_clock_change_behind(instant: datetime, zone: str) -> None:
    wall = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert timedelta(0) <= wall - in_column_time(instant, TimestampKind.TIMESTAMP, zone) <= timedelta(hours=1)


@given(INSTANTS, st.sampled_from(ZONES))
def test_a_column_with_a_time_zone_is_reckoned_in_utc_whatever_the_policy_says(instant: datetime, zone: str) -> None:
    assert in_column_time(instant, TimestampKind.TIMESTAMPTZ, zone) == instant.replace(tzinfo=None)


@given(INSTANTS, st.sampled_from(ZONES))
def test_a_date_is_due_when_its_day_is_over_on_the_clocks_of_the_zone(instant: datetime, zone: str) -> None:
    due = in_column_time(instant, TimestampKind.DATE, zone)
    assert due == due.replace(hour=0, minute=0, second=0, microsecond=0)
    assert timedelta(0) <= in_column_time(instant, TimestampKind.TIMESTAMP, zone) - due < timedelta(days=1)


def test_a_window_that_does_not_start_before_it_ends_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="must start before it ends"):
        Window(GRID_ORIGIN, GRID_ORIGIN)


@pytest.mark.parametrize(
    ("instant", "earliest", "latest"),
    [
        ("2026-10-25T00:30", "02:00", "02:30"),
        ("2026-10-25T01:30", "02:30", "03:00"),
        ("2026-10-25T05:00", "06:00", "06:00"),
        ("2026-03-29T00:30", "01:30", "01:30"),
        ("2026-03-29T01:30", "03:30", "03:30"),
    ],
)
def test_the_wall_times_that_may_mean_a_moment_where_clocks_change(instant: str, earliest: str, latest: str) -> None:
    moment = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert f"{earliest_wall_time(moment, 'Europe/Berlin'):%H:%M}" == earliest
    assert f"{latest_wall_time(moment, 'Europe/Berlin'):%H:%M}" == latest
