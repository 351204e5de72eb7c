"""How large the parts of an object are that is sent in parts. Pure arithmetic, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

# S3's own bounds of a part, of which the last one may be smaller, and the most parts that an object may have.
SMALLEST = 5 << 20
LARGEST = 5 << 30
MOST = 10_000


@dataclass(frozen=True)
class PartSizes:
    """The sizes of an object's parts: `first` bytes each, doubled after every `each` parts, up to `largest` bytes.

    How large an object becomes is not known while it is sent, and S3 takes `most` parts. So all but the largest
    objects are sent in parts of 8 MiB, whose memory is small, and 5 TiB still fit: 6 GiB in parts of 8 MiB, 280 GiB in
    parts of up to 256 MiB. Two parts of an object are in memory at a time.
    """

    first: int = 8 << 20
    each: int = 800
    largest: int = 1 << 30
    most: int = MOST

    def of(self, number: int) -> int:
        """Return the size in bytes of the part with this number, counted from 1."""
        return min(self.largest, self.first << (number - 1) // self.each)

    def count(self, size: float) -> int:
        """Return how many parts an object of so many bytes takes."""
        parts, left = 0, size
        while left > 0:
            one = self.of(parts + 1)
            few = self.each if one < self.largest else self.most
            taken = min(few, int(-(-left // one)))
            parts, left = parts + taken, left - taken * one
        return parts

    @property
    def capacity(self) -> int:
        """The most bytes that an object may have."""
        return sum(self.of(number) for number in range(1, self.most + 1))
