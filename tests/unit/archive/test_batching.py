"""How windows are dealt out to runs and tasks: none is kept by those that an earlier run could not export."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.archive.batching import carried_span, carry, choose, cut_into_batches, make_way, sort_by_turn
from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.domain.work import Batch
from pg_archiver.policies.settings import TablePolicy

START = datetime(2026, 1, 1)  # noqa: DTZ001 (column time)
HOUR = timedelta(hours=1)
DUE = Window(START, START + 1000 * HOUR)


def window(number: int) -> DueWindow:
    span = Window(START + number * HOUR, START + (number + 1) * HOUR)
    return DueWindow(span, span)


WINDOWS = st.sets(st.integers(0, 40), max_size=30).map(lambda numbers: [window(number) for number in numbers])


@given(windows=WINDOWS, bad=st.sets(st.integers(0, 40)), most=st.integers(1, 12))
def test_a_run_carries_what_it_can_of_the_others_and_tries_one_of_the_bad(
    windows: list[DueWindow], bad: set[int], most: int
) -> None:
    half = frozenset(window(number).cell for number in bad)
    taken, left = carry(sort_by_turn(windows, half), most, half)
    assert sorted([*taken, *left]) == sorted(windows)
    assert len(taken) == min(most, len(windows))
    good = [one for one in taken if one.cell not in half]
    bad_ones = [one for one in windows if one.cell in half]
    assert good == sorted(one for one in windows if one.cell not in half)[: len(good)]
    if bad_ones:
        assert any(one in taken for one in bad_ones), "a run that tries none of them would be green"
    if any(one.cell not in half for one in left):
        assert len(taken) - len(good) <= 1, "more than one bad window kept a good one from its turn"
    assert not any(carried_span(DUE, left).start <= one.cell.start < carried_span(DUE, left).end for one in left) or (
        min(one.cell.start for one in left) == DUE.start
    )


@given(
    windows=WINDOWS,
    bad=st.sets(st.integers(0, 40)),
    first=st.integers(0, 30),
    hours=st.integers(1, 10),
    per_task=st.integers(1, 5),
    most=st.integers(1, 12),
)
def test_batches_hold_every_window_once_and_those_of_bad_ones_alone_come_last(
    windows: list[DueWindow], bad: set[int], first: int, hours: int, per_task: int, most: int
) -> None:
    half = frozenset(window(number).cell for number in bad)
    span = Window(START + first * HOUR, START + (first + hours) * HOUR)
    whole = Partition(1, TableName("s", "p"), TableName("s", "t"), span, ("a", "b"), alone=True)
    policy = TablePolicy(bucket="bucket", windows_per_task=per_task)
    cut = cut_into_batches(sort_by_turn(windows, half), [whole], policy, 1, half)
    assert sorted(one for batch in cut for one in batch) == sorted(windows)
    assert [batch.partition for batch in cut if batch.partition] == [whole]
    for batch in cut:
        turns = [one.cell in half for one in batch]
        assert turns == sorted(turns), "a bad window has its turn before a good one"
        assert all(batch.span.start <= one.span.start and one.span.end <= batch.span.end for one in batch)
    hopeless = [bool(len(batch)) and all(one.cell in half for one in batch) for batch in cut]
    assert hopeless == sorted(hopeless)
    chosen = choose(cut, most, half)
    assert len(chosen) == min(most, len(cut))
    assert set(chosen) <= set(cut)
    assert len(set(chosen)) == len(chosen)
    if any(one.cell in half for one in windows):
        assert any(one.cell in half for batch in chosen for one in batch)


def test_without_bad_windows_the_order_is_the_tables() -> None:
    windows = [window(number) for number in range(5)]
    assert carry(sort_by_turn(reversed(windows), ()), 3, ()) == (windows[:3], windows[3:])
    policy = TablePolicy(bucket="bucket", windows_per_task=2)
    assert cut_into_batches(windows, [], policy, 1) == [
        Batch(tuple(windows[:2])),
        Batch(tuple(windows[2:4])),
        Batch(tuple(windows[4:])),
    ]


def day(number: int, upto: int = 24) -> DueWindow:
    cell = Window(START + number * 24 * HOUR, START + (number + 1) * 24 * HOUR)
    return DueWindow(cell, Window(cell.start, cell.start + upto * HOUR))


DAYS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 24)), unique_by=lambda one: one[0], max_size=3).map(
    lambda days: [day(*one) for one in days]
)


@given(hours=WINDOWS, days=DAYS, half=st.sets(st.integers(0, 40)), days_first=st.booleans())
def test_no_two_windows_of_a_run_hold_a_row_in_common_whatever_their_lengths(
    hours: list[DueWindow], days: list[DueWindow], half: set[int], days_first: bool
) -> None:
    unfinished, found = (days, hours) if days_first else (hours, days)
    given_up = frozenset(one.cell for number, one in enumerate(unfinished) if number in half)
    free, waiting = make_way(found, unfinished, given_up)
    assert sorted([*free, *waiting]) == sorted([*found, *unfinished])
    assert not any(one is not other and one.span.overlaps(other.span) for one in free for other in free)
    begun = [one for one in unfinished if one.cell not in given_up]
    assert set(begun) <= set(free), "what was exported is finished first"
    for one in waiting:
        others = begun if one in found else [*begun, *found]
        assert any(one.span.overlaps(other.span) for other in others)


def test_windows_of_one_length_are_no_matter() -> None:
    found, unfinished = [window(1), window(2)], [window(2), window(3)]
    free, waiting = make_way(found, unfinished, frozenset())
    assert sorted(free) == [window(1), window(2), window(3)]
    assert waiting == []
