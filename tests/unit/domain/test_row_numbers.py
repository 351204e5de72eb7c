"""Ranges of numbers are the sets that they stand for, whatever is done with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.domain.row_numbers import NONE, Positions

NUMBERS = st.sets(st.integers(-5, 40))


@given(NUMBERS, NUMBERS, st.integers(-5, 40), st.integers(-5, 40))
def test_they_are_the_sets_that_they_stand_for(one: set[int], other: set[int], first: int, last: int) -> None:
    mine, others = Positions.of(one), Positions.of(other)
    assert set(mine | others) == one | other
    assert set(mine & others) == one & other
    assert set(mine - others) == one - other
    assert list(mine) == sorted(one)
    assert len(mine) == len(one)
    assert bool(mine) == bool(one)
    assert [number in mine for number in range(-6, 42)] == [number in one for number in range(-6, 42)]
    assert set(mine.within(first, last)) == {number for number in one if first <= number <= last}
    assert set(mine.moved(first)) == {number + first for number in one}
    assert (mine == others) == (one == other)
    assert Positions.parse(str(mine)) == mine


def test_a_million_in_a_row_are_one_range() -> None:
    many = Positions.span(1, 1_000_000)
    assert str(many) == "{[1,1000001)}"
    assert len(many) == 1_000_000
    assert many - Positions.of([7]) == Positions(((1, 6), (8, 1_000_000)))
    assert Positions.span(3, 2) == NONE


@pytest.mark.parametrize(
    "text", ["", "{", "[1,2)", "{[1,2]}", "{(,5)}", "{[1,)}", "{[1,2);[3,4)}", "{[5,3)}", "{[3,4),[1,2)}"]
)
def test_what_is_no_set_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ranges of numbers"):
        Positions.parse(text)
