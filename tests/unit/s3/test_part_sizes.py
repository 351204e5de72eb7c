"""Parts grow with their number, so that one object may be large and the parts of all others take little memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.s3.part_sizes import LARGEST, MOST, SMALLEST, PartSizes

SIZES = PartSizes()
small = st.builds(
    PartSizes,
    first=st.integers(1, 50),
    each=st.integers(1, 20),
    largest=st.integers(50, 5000),
    most=st.integers(1, 200),
)


def test_the_parts_of_the_largest_object_fit_into_s3s_limits() -> None:
    sizes = [SIZES.of(number) for number in range(1, MOST + 1)]
    assert min(sizes) >= SMALLEST
    assert max(sizes) <= LARGEST
    assert sum(sizes) == SIZES.capacity >= 5 << 40
    assert sizes == sorted(sizes), "parts never shrink, so that a part's memory does for the next one"


def test_memory_grows_late_and_stays_bounded() -> None:
    """What the docs say: two parts of an object of so many GB, compressed, are in memory."""
    told = {6: 8, 20: 16, 100: 64, 200: 128, 300: 256, 800: 512, 5_000: 1024}
    assert {gigabytes: SIZES.of(SIZES.count(gigabytes * 1e9)) >> 20 for gigabytes in told} == told


@given(small, st.integers(1, 20_000))
def test_so_many_parts_hold_the_object_and_one_less_does_not(sizes: PartSizes, size: int) -> None:
    count = sizes.count(size)
    before = sum(map(sizes.of, range(1, count)))
    assert before < size <= before + sizes.of(count)


@given(small, st.integers(1, 1000))
def test_a_part_is_as_large_as_the_one_before_or_twice_that_or_the_largest(sizes: PartSizes, number: int) -> None:
    now, after = sizes.of(number), sizes.of(number + 1)
    assert after in {now, 2 * now, sizes.largest}
    assert now <= sizes.largest
    assert sizes.of(1) == min(sizes.first, sizes.largest)
