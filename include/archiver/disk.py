"""Whether the disk has room for a rewrite: arithmetic that is shown whenever the answer is no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from include.archiver.condition import Method, Part, Sizes, in_words

# What a rewrite leaves is an estimate, so that much more is asked for, in percent.
_MARGIN = {Method.MEASURED: 10, Method.FREE_SPACE_MAP: 25, Method.STATISTICS: 50}


@dataclass(frozen=True)
class FreeSpace:
    """How the free space is known: a function that asks for the bytes, None where it cannot say, and what it asks."""

    ask: Callable[[], int | None]
    source: str


UNKNOWN_SPACE = FreeSpace(lambda: None, "disk is not set for this instance")


@dataclass(frozen=True)
class Room:
    """What a rewrite needs beside the table, and what there is; bytes."""

    new: Sizes
    margin_percent: int
    free: int | None
    source: str

    @property
    def needed(self) -> int:
        """The new files, as much WAL, and the margin."""
        return 2 * self.new.total * (100 + self.margin_percent) // 100

    @property
    def enough(self) -> bool:
        """Whether it fits; what is not known does not."""
        return self.free is not None and self.free >= self.needed

    def __str__(self) -> str:
        arithmetic = (
            f"new heap {in_words(self.new.heap)} + indexes {in_words(self.new.indexes)} + TOAST "
            f"{in_words(self.new.toast)} = {in_words(self.new.total)}, as much WAL again, and {self.margin_percent}% "
            f"because that is an estimate: {in_words(self.needed)}"
        )
        if self.free is None:
            return f"needs {arithmetic}; how much is free is not known ({self.source})"
        return f"needs {arithmetic}; {in_words(self.free)} are free ({self.source})"


def room_for(part: Part, method: Method, space: FreeSpace) -> Room:
    """The room for rewriting one table; its old files go when the new ones are complete."""
    return Room(part.sizes - part.free, _MARGIN[method], space.ask(), space.source)
