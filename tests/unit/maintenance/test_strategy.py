"""Which way of giving space back is chosen, and the arithmetic of the disk: tables of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.domain.sizes import Sizes, format_bytes
from pg_archiver.domain.tables import TableName
from pg_archiver.maintenance.disk_room import FreeSpace, Room, estimate_room
from pg_archiver.maintenance.inspection import Inspection, Method, TablePart
from pg_archiver.maintenance.strategy import Conditions, choose
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.off_hours import OffHours

MB = 1_000_000
TABLE = TableName("analytics", "events")
PLENTY = Room(Sizes(10 * MB), 10, 10**12, "the test")
SCARCE = replace(PLENTY, free=5 * MB)
UNKNOWN = replace(PLENTY, free=None)
NIGHT = Conditions(
    wanted=Strategy.AUTO,
    min_percent=20,
    min_bytes=100 * MB,
    off_hours=OffHours.parse("01:00-05:00 UTC"),
    remaining=timedelta(hours=3),
    room=PLENTY,
)
DAY = replace(NIGHT, remaining=None)
REPACK = replace(DAY, no_repack="")


def found(sizes: Sizes, free: Sizes) -> Inspection:
    part = TablePart(1, TABLE, sizes, free, 10, 0, may_maintain=True, owner="owner")
    return Inspection(TABLE, False, (part,), Method.MEASURED, "by_time")


BLOATED = found(Sizes(900 * MB, 100 * MB), Sizes(800 * MB, 90 * MB))
FULL = found(Sizes(900 * MB, 100 * MB), Sizes(100 * MB, 90 * MB))
SMALL = found(Sizes(90 * MB, 10 * MB), Sizes(80 * MB, 9 * MB))
TOAST = found(Sizes(50 * MB, 10 * MB, 900 * MB), Sizes(10 * MB, 0, 800 * MB))
BOTH = found(Sizes(900 * MB, 100 * MB, 900 * MB), Sizes(800 * MB, 90 * MB, 800 * MB))
HUGE = found(Sizes(2_000_000 * MB), Sizes(1_000_000 * MB))
EMPTY = found(Sizes(), Sizes())


@pytest.mark.parametrize(
    ("inspection", "conditions", "strategy", "words"),
    [
        (BLOATED, NIGHT, Strategy.VACUUM_FULL, "890.0 MB of 1.0 GB (89%)"),
        (BLOATED, DAY, Strategy.COMPACT, "not within maintenance_window, 01:00-05:00 UTC"),
        (BLOATED, replace(NIGHT, room=SCARCE), Strategy.COMPACT, "5.0 MB are free"),
        (BLOATED, replace(NIGHT, room=UNKNOWN), Strategy.COMPACT, "how much is free is not known"),
        (BLOATED, replace(NIGHT, remaining=timedelta(seconds=2)), Strategy.COMPACT, "left of maintenance_window"),
        (HUGE, NIGHT, Strategy.COMPACT, "a rewrite may take"),
        (FULL, NIGHT, Strategy.NONE, "only 190.0 MB of 1.0 GB (19%)"),
        (SMALL, NIGHT, Strategy.NONE, "reclaim_min_mb is 100"),
        (EMPTY, NIGHT, Strategy.NONE, "only 0 bytes"),
        (EMPTY, replace(NIGHT, min_percent=0, min_bytes=0), Strategy.NONE, "only 0 bytes"),
        (TOAST, NIGHT, Strategy.VACUUM_FULL, "the hour is right and the disk suffices"),
        (TOAST, DAY, Strategy.NONE, "are in TOAST, which only a rewrite frees"),
        (BOTH, DAY, Strategy.COMPACT, "800.0 MB in TOAST stay"),
        (TOAST, REPACK, Strategy.PG_REPACK, "800.0 MB of the 810.0 MB that could be given back are in TOAST"),
        (TOAST, replace(REPACK, remaining=timedelta(hours=3)), Strategy.VACUUM_FULL, "the hour is right"),
        (TOAST, replace(REPACK, room=SCARCE), Strategy.NONE, "which only a rewrite frees"),
        (TOAST, replace(REPACK, room=UNKNOWN), Strategy.NONE, "which only a rewrite frees"),
        (BOTH, REPACK, Strategy.COMPACT, "800.0 MB in TOAST stay"),
        (BLOATED, REPACK, Strategy.COMPACT, "not within maintenance_window"),
        (BLOATED, replace(DAY, wanted=Strategy.PG_REPACK), Strategy.PG_REPACK, "as set"),
        (SMALL, replace(REPACK, wanted=Strategy.PG_REPACK), Strategy.NONE, "reclaim_min_mb"),
        (BLOATED, replace(NIGHT, wanted=Strategy.NONE), Strategy.NONE, "the policy's reclaim is none"),
        (BLOATED, replace(DAY, wanted=Strategy.VACUUM_FULL), Strategy.VACUUM_FULL, "as set"),
        (BLOATED, replace(NIGHT, wanted=Strategy.COMPACT), Strategy.COMPACT, "as set"),
        (SMALL, replace(NIGHT, wanted=Strategy.VACUUM_FULL), Strategy.NONE, "reclaim_min_mb"),
        (SMALL, replace(NIGHT, wanted=Strategy.COMPACT), Strategy.NONE, "reclaim_min_mb"),
        (BLOATED, replace(DAY, force=True), Strategy.VACUUM_FULL, "could be given back"),
        (SMALL, replace(DAY, force=True), Strategy.VACUUM_FULL, "could be given back"),
        (BLOATED, replace(DAY, force=True, room=SCARCE), Strategy.COMPACT, "5.0 MB are free"),
        (SMALL, replace(NIGHT, wanted=Strategy.NONE, force=True), Strategy.NONE, "the policy's reclaim is none"),
    ],
)
def test_what_is_chosen(inspection: Inspection, conditions: Conditions, strategy: Strategy, words: str) -> None:
    choice = choose(inspection, conditions)
    assert choice.strategy is strategy
    assert words in choice.why


SIZE = st.integers(0, 10**13)


@given(heap=SIZE, indexes=SIZE, toast=SIZE, free=SIZE, remaining=st.none() | st.timedeltas(timedelta(1), timedelta(2)))
def test_auto_rewrites_only_within_the_hours_and_with_room_for_it(
    heap: int, indexes: int, toast: int, free: int, remaining: timedelta | None
) -> None:
    part = found(Sizes(2 * heap, 2 * indexes, 2 * toast), Sizes(heap, indexes, toast)).parts[0]
    room = estimate_room(part, Method.STATISTICS, FreeSpace(lambda: free, "the test"))
    conditions = replace(NIGHT, remaining=remaining, room=room, min_bytes=0)
    inspection = Inspection(TABLE, False, (part,), Method.STATISTICS, None)
    if choose(inspection, conditions).strategy is Strategy.VACUUM_FULL:
        assert remaining is not None
        assert free >= 3 * (heap + indexes + toast)


def test_the_arithmetic_is_shown() -> None:
    part = found(Sizes(900 * MB, 100 * MB, 300 * MB), Sizes(800 * MB, 50 * MB, 100 * MB)).parts[0]
    room = estimate_room(part, Method.MEASURED, FreeSpace(lambda: 769 * MB, "RDS instance main-1"))
    assert room.needed == 770 * MB
    assert not room.enough
    assert str(room) == (
        "needs 770.0 MB (new heap 100.0 MB + indexes 50.0 MB + TOAST 200.0 MB = 350.0 MB, as much WAL again, and 10% "
        "as a margin of the estimate); 769.0 MB are free (RDS instance main-1)"
    )
    assert estimate_room(part, Method.MEASURED, FreeSpace(lambda: 770 * MB, "")).enough


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (2_500_000, "2.5 MB"),
        (-3_000_000, "-3.0 MB"),
        (4e12, "4.0 TB"),
    ],
)
def test_bytes_in_words(size: float, words: str) -> None:
    assert format_bytes(size) == words
