"""Sub-ranges of a window are joined to batches that hold no more rows than a transaction may remove."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pg_archiver.archive.sub_ranges import RangeBatch, join_batches, split
from pg_archiver.domain.row_numbers import NONE, Positions
from pg_archiver.domain.windows import Window
from pg_archiver.objects.manifest import ServerDescription, SubRange

START = datetime(2024, 1, 1)  # noqa: DTZ001 (column time is naive)
MINUTE = timedelta(minutes=1)


def parts(*rows: int) -> list[SubRange]:
    """Sub-ranges of a minute each, with so many rows."""
    return [
        SubRange(start=START + number * MINUTE, end=START + (number + 1) * MINUTE, rows=count)
        for number, count in enumerate(rows)
    ]


def batch(first: int, last: int, rows: int) -> RangeBatch:
    return RangeBatch(first, last, Window(START + (first - 1) * MINUTE, START + last * MINUTE), rows)


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (NONE, [batch(1, 3, 10), batch(4, 5, 8), batch(6, 6, 12)]),
        (Positions.of([1]), [batch(2, 4, 10), batch(5, 5, 4), batch(6, 6, 12)]),
        (Positions.of([2, 5]), [batch(1, 1, 4), batch(3, 4, 7), batch(6, 6, 12)]),
        (Positions.span(1, 6), []),
    ],
)
def test_neighbours_that_are_left_are_joined_up_to_the_size_of_a_batch(
    gone: Positions, expected: list[RangeBatch]
) -> None:
    assert list(join_batches(parts(4, 3, 3, 4, 4, 12), gone, 10)) == expected


def test_a_batch_is_split_into_its_sub_ranges_and_a_single_one_into_none() -> None:
    several = parts(4, 3, 3)
    assert split(batch(2, 3, 6), several) == [batch(2, 2, 3), batch(3, 3, 3)]
    assert split(batch(2, 2, 3), several) == []


@pytest.mark.parametrize(
    ("oldest", "now", "near"),
    [
        (800, 800, True),
        (800, 799, False),
        (800, 800 + (1 << 30), True),
        (800, 801 + (1 << 30), False),
        (800, 800 + (1 << 31), False),
        (800, 800 + (1 << 32), False),
        ((7 << 32) - 5, (7 << 32) + 5, True),
    ],
)
def test_ages_tell_transactions_apart_only_near_the_snapshot(oldest: int, now: int, near: bool) -> None:
    server = ServerDescription(
        system_identifier=None, database="d", version="15", snapshot=f"{oldest}:{oldest + 3}:{oldest}",
        read_at=datetime(2024, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert server.oldest_transaction == oldest
    assert server.is_near(now) is near
