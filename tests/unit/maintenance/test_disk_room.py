"""The room that an index needs: refused with the arithmetic, and never granted on what is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.errors import MaintenanceRefused
from pg_archiver.maintenance.disk_room import (
    UNKNOWN_SPACE,
    FreeSpace,
    IndexRoom,
    estimate_index_bytes,
    refuse_without_room,
)

SIZES = st.integers(0, 10**13)


@given(SIZES, SIZES, st.booleans())
def test_it_is_built_only_where_three_times_its_size_and_the_margin_are_free(
    index: int, free: int, rebuilt: bool
) -> None:
    percent = 110 if rebuilt else 150
    space = FreeSpace(lambda: free, "the test")
    if free >= 3 * index * percent // 100:
        assert refuse_without_room("index i", index, space, rebuilt=rebuilt) == ""
    else:
        with pytest.raises(MaintenanceRefused, match="index i is not built: it needs about"):
            refuse_without_room("index i", index, space, rebuilt=rebuilt)


@given(SIZES, st.booleans())
def test_what_cannot_be_told_is_no_room_and_what_nobody_set_is_noted(index: int, rebuilt: bool) -> None:
    with pytest.raises(MaintenanceRefused, match=r"how much is free is not known \(the test\)"):
        refuse_without_room("index i", index, FreeSpace(lambda: None, "the test"), rebuilt=rebuilt)
    note = refuse_without_room("index i", index, UNKNOWN_SPACE, rebuilt=rebuilt)
    assert note.startswith("index i needs about ")
    assert "disk is not set for this instance" in note


def test_the_arithmetic_is_shown() -> None:
    assert str(IndexRoom(1_000_000, 50, 2_000_000, "the figure in the policy file")) == (
        "needs about 4.5 MB (1.0 MB for itself, as much for sorting, as much WAL again, and 50% as a margin of the "
        "estimate); 2.0 MB are free (the figure in the policy file)"
    )


@given(st.integers(0, 10**9), st.integers(0, 10**9), SIZES)
def test_more_rows_never_need_less(fewer: int, more: int, heap: int) -> None:
    fewer, more = sorted((max(fewer, 1), max(more, 1)))
    assert estimate_index_bytes(fewer, heap) <= estimate_index_bytes(more, heap)
    assert estimate_index_bytes(0, heap) >= estimate_index_bytes(0, 0)
