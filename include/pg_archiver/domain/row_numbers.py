"""Numbers of rows as ranges, so that a million of them in a row take no more room than one. No I/O."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

_RANGE = re.compile(r"\[(-?[0-9]+),(-?[0-9]+)\)")
_TEXT = re.compile(rf"\{{(?:{_RANGE.pattern}(?:,{_RANGE.pattern})*)?\}}")


@dataclass(frozen=True)
class Positions:
    """A set of numbers: ranges from a first to a last number, both of them included, in their order.

    Between two ranges at least one number is left out, so two sets of the same numbers are equal.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if any(first > last for first, last in self.ranges) or any(
            before[1] + 1 >= after[0] for before, after in pairwise(self.ranges)
        ):
            raise ValueError("ranges of numbers must stand in their order and apart from each other")

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Self:
        """Return these numbers, in whatever order, and however often each is named."""
        return cls(tuple(_join((number, number) for number in sorted(numbers))))

    @classmethod
    def span(cls, first: int, last: int) -> Self:
        """Return the numbers from the first to the last, none if that comes before the first."""
        return cls(((first, last),) if first <= last else ())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what the server writes for an `int8multirange`.

        Raises:
            ValueError: it is none, or has no end.
        """
        if not _TEXT.fullmatch(text):
            raise ValueError("these are no ranges of numbers as the server writes them")
        return cls(tuple((int(first), int(after) - 1) for first, after in _RANGE.findall(text)))

    def __str__(self) -> str:
        """Return the text as the server writes it."""
        return f"{{{','.join(f'[{first},{last + 1})' for first, last in self.ranges)}}}"

    def __len__(self) -> int:
        """Return the number of numbers."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __bool__(self) -> bool:
        """Return whether there is any number."""
        return bool(self.ranges)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers, in their order."""
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __contains__(self, number: int) -> bool:
        """Return whether the number is one of them."""
        return bool(self.within(number, number))

    def __or__(self, other: Positions) -> Positions:
        """Return the numbers of either."""
        if not (self and other):
            return self or other
        return Positions(tuple(_join(sorted((*self.ranges, *other.ranges)))))

    def __and__(self, other: Positions) -> Positions:
        """Return the numbers of both."""
        few, many = sorted((self, other), key=lambda one: len(one.ranges))
        return Positions(tuple(part for first, last in few.ranges for part in many.within(first, last).ranges))

    def __sub__(self, other: Positions) -> Positions:
        """Return the numbers that the other one has not."""
        return Positions(tuple(self._without(other)))

    def within(self, first: int, last: int) -> Positions:
        """Return those of the numbers from the first to the last."""
        begin = bisect_left(self.ranges, first, key=lambda one: one[1])
        end = bisect_left(self.ranges, last + 1, key=lambda one: one[0])
        return Positions(tuple((max(low, first), min(high, last)) for low, high in self.ranges[begin:end]))

    def moved(self, by: int) -> Positions:
        """Return the numbers, each with this added."""
        return Positions(tuple((first + by, last + by) for first, last in self.ranges))

    def _without(self, other: Positions) -> Iterator[tuple[int, int]]:
        for first, last in self.ranges:
            start = first
            for low, high in other.within(first, last).ranges:
                if start < low:
                    yield start, low - 1
                start = high + 1
            if start <= last:
                yield start, last


NONE = Positions()


def _join(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield ranges in the order of their first numbers, those that touch each other joined."""
    whole: tuple[int, int] | None = None
    for first, last in ranges:
        if whole is None:
            whole = first, last
        elif first <= whole[1] + 1:
            whole = whole[0], max(whole[1], last)
        else:
            yield whole
            whole = first, last
    if whole is not None:
        yield whole
