"""What a run has tried is known exactly, and takes no more room the longer the run has gone on without a gap."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.archive.tried import Tried
from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.domain.work import Batch

START = datetime(2026, 1, 1)  # noqa: DTZ001 (column time)
HOUR = timedelta(hours=1)
TABLE = TableName("app", "events")


def cell(number: int) -> Window:
    return Window(START + number * HOUR, START + (number + 1) * HOUR)


def batch(*numbers: int, oid: int | None = None) -> Batch:
    windows = tuple(DueWindow(cell(number), cell(number)) for number in numbers)
    if oid is None:
        return Batch(windows)
    return Batch(windows, Partition(oid, TABLE, TABLE, cell(0), ("a", "b"), alone=True))


@given(st.lists(st.integers(0, 30)))
def test_just_what_was_tried_has_been_tried(numbers: list[int]) -> None:
    tried = Tried()
    for number in numbers:
        tried.add(batch(number))
    assert [number for number in range(-1, 32) if tried.has_window(cell(number))] == sorted(set(numbers))
    assert tried.windows == len(set(numbers))


def test_a_window_of_another_length_is_tried_if_all_of_it_was() -> None:
    tried = Tried()
    tried.add(batch(1, 2, 3))
    assert tried.has_window(Window(cell(1).start, cell(3).end))
    assert not tried.has_window(Window(cell(0).start, cell(3).end))
    assert not tried.has_window(Window(cell(1).start, cell(4).end))


def test_partitions_are_known_by_their_oids() -> None:
    tried = Tried()
    tried.add(batch(1, oid=7))
    tried.add(batch(oid=8))
    assert [oid for oid in range(10) if tried.has_partition(oid)] == [7, 8]
    assert tried.has_window(cell(1))
