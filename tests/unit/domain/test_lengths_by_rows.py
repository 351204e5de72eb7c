"""How long windows are by the rows of a table, and what keeps that from going back and forth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.domain.window_lengths import (
    LONG_HOURS,
    MOST_COUNTED,
    MOST_ROWS_ALONE,
    MOST_WINDOWS_ALONE,
    SHORT_HOURS,
    choose_window_length,
    is_small,
)

DAYS = 7


@pytest.mark.parametrize(
    ("a_day", "noted", "hours"),
    [
        (0, None, 24),
        (19_999, None, 24),
        (20_000, None, 1),
        (20_001, 24, 24),
        (40_000, 24, 24),
        (40_001, 24, 1),
        (19_999, 1, 1),
        (10_000, 1, 1),
        (9_999, 1, 24),
    ],
)
def test_small_tables_get_a_day_and_change_only_beyond_a_factor_of_two(
    a_day: int, noted: int | None, hours: int
) -> None:
    found = choose_window_length(a_day * DAYS, noted)
    assert (found.hours, found.rows_a_day, found.changed) == (hours, a_day, hours != noted)


@given(rows=st.integers(0, MOST_COUNTED), other=st.integers(0, MOST_COUNTED))
def test_rows_that_differ_by_less_than_twice_never_change_it_twice(rows: int, other: int) -> None:
    first = choose_window_length(rows, None)
    second = choose_window_length(other, first.hours)
    third = choose_window_length(rows, second.hours)
    assert {first.hours, second.hours, third.hours} <= {LONG_HOURS, SHORT_HOURS}
    if max(rows, other) < 2 * min(rows, other):
        assert first.hours == second.hours == third.hours


def test_what_is_counted_at_most_is_too_much_for_a_day() -> None:
    assert choose_window_length(MOST_COUNTED, LONG_HOURS).hours == SHORT_HOURS


def test_what_one_task_takes() -> None:
    assert is_small(MOST_WINDOWS_ALONE, MOST_ROWS_ALONE)
    assert not is_small(MOST_WINDOWS_ALONE + 1, 0)
    assert not is_small(1, MOST_ROWS_ALONE + 1)
