"""Windows go together only if all of them hold few rows; each keeps its place, and none has two turns."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.archive.grouping import MOST_TOGETHER, Turn, cut_into_turns, most_rows
from pg_archiver.domain.windows import DueWindow, Window

START = datetime(2026, 1, 1)  # noqa: DTZ001 (column time)
HOUR = timedelta(hours=1)


def window(number: int) -> DueWindow:
    cell = Window(START + number * HOUR, START + (number + 1) * HOUR)
    return DueWindow(cell, cell)


def turns(rows: list[int | None], batch_size: int) -> list[Turn]:
    windows = [window(number) for number in range(len(rows))]
    known = {windows[number]: count for number, count in enumerate(rows) if count is not None}
    return cut_into_turns(windows, known, batch_size)


COUNTS = st.lists(st.none() | st.integers(0, 40), max_size=130)


@given(COUNTS, st.integers(1, 500))
def test_each_window_has_one_turn_in_its_place(rows: list[int | None], batch_size: int) -> None:
    found = [one for turn in turns(rows, batch_size) for one in turn.windows]
    assert found == [window(number) for number in range(len(rows))]


@given(COUNTS, st.integers(1, 500))
def test_a_group_holds_few_rows_of_several_small_windows(rows: list[int | None], batch_size: int) -> None:
    for turn in turns(rows, batch_size):
        counts = [rows[round((one.cell.start - START) / HOUR)] for one in turn.windows]
        if turn.together:
            assert 2 <= len(counts) <= MOST_TOGETHER
            assert all(counts), "each is known, and has rows"
            assert sum(count or 0 for count in counts) <= most_rows(batch_size)


@given(COUNTS, st.integers(1, 500))
def test_no_two_neighbours_that_could_go_together_go_alone(rows: list[int | None], batch_size: int) -> None:
    most = most_rows(batch_size)
    for turn in turns(rows, batch_size):
        counts = [rows[round((one.cell.start - START) / HOUR)] for one in turn.windows]
        if not turn.together:
            for first, second in pairwise(counts):
                assert not (first and second) or first + second > most


@pytest.mark.parametrize(
    ("rows", "batch_size", "expected"),
    [
        ([50] * 24, 50_000, [(24, True)]),
        ([50] * 24, 5_000, [(10, True), (10, True), (4, True)]),
        ([1] * 100, 50_000, [(48, True), (48, True), (4, True)]),
        ([5, 9_000, 5, 5], 50_000, [(2, False), (2, True)]),
        ([5, 0, 5], 50_000, [(3, False)]),
        ([5, None, 5], 50_000, [(3, False)]),
        ([], 50_000, []),
    ],
)
def test_what_is_cut(rows: list[int | None], batch_size: int, expected: list[tuple[int, bool]]) -> None:
    assert [(len(turn.windows), turn.together) for turn in turns(rows, batch_size)] == expected
