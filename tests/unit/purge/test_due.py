"""The spans of which rows may go: what is due, without what restores hold."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.domain.windows import Window
from pg_archiver.purge.due import subtract

START = datetime(2026, 1, 1)  # noqa: DTZ001 (column time is naive)
HOURS = 24


def hours(first: int, last: int) -> Window:
    return Window(START + timedelta(hours=first), START + timedelta(hours=last))


windows = st.tuples(st.integers(-5, HOURS + 5), st.integers(1, HOURS)).map(lambda pair: hours(pair[0], sum(pair)))


@given(st.lists(windows, max_size=6))
def test_each_hour_is_left_unless_one_of_the_parts_has_it(parts: list[Window]) -> None:
    whole = hours(0, HOURS)
    left = subtract(whole, parts)
    assert left == sorted(left)
    for number in range(-5, 2 * HOURS):
        hour = hours(number, number + 1)
        wanted = hour.overlaps(whole) and not any(hour.overlaps(part) for part in parts)
        assert sum(hour.overlaps(one) for one in left) == wanted


def test_nothing_is_left_of_what_is_held_as_a_whole() -> None:
    assert subtract(hours(0, 2), [hours(-1, 1), hours(1, 5)]) == []
    assert subtract(hours(0, 2), []) == [hours(0, 2)]
