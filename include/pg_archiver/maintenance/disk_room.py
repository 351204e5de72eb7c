"""Whether the disk has room for a rewrite or a new index: arithmetic that is shown whenever the answer is no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from pg_archiver.domain.sizes import Sizes, format_bytes
from pg_archiver.errors import MaintenanceRefused
from pg_archiver.maintenance.inspection import Method, TablePart

# What a rewrite leaves is an estimate, so that much more is asked for, in percent.
_MARGIN = {Method.MEASURED: 10, Method.FREE_SPACE_MAP: 25, Method.STATISTICS: 50}
# For an index: the size of one that exists is known; for one that does not, only about how many rows there are.
_MARGIN_OF_KNOWN_INDEX, _MARGIN_OF_NEW_INDEX = 10, 50
# An entry of a b-tree for eight bytes, with its line pointer, on pages that are filled to nine tenths.
_BYTES_AN_ENTRY = (8 + 8 + 4) / 0.9
# Its root, and what tells where that is, whatever the rows.
_LEAST_INDEX_BYTES = 3 * 8192
# Of a table that nobody has analyzed, rows are taken to be no longer than this.
_SHORT_ROW = 60


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
            f"{format_bytes(self.needed)} (new heap {format_bytes(self.new.heap)} + indexes "
            f"{format_bytes(self.new.indexes)} + TOAST {format_bytes(self.new.toast)} = "
            f"{format_bytes(self.new.total)}, as much WAL again, and {self.margin_percent}% as a margin of the "
            "estimate)"
        )
        if self.free is None:
            return f"needs {arithmetic}; how much is free is not known ({self.source})"
        return f"needs {arithmetic}; {format_bytes(self.free)} are free ({self.source})"


def estimate_room(part: TablePart, method: Method, space: FreeSpace) -> Room:
    """Return the room for rewriting one table; its old files go when the new ones are complete."""
    return Room(part.sizes - part.free, _MARGIN[method], space.ask(), space.source)


@dataclass(frozen=True)
class IndexRoom:
    """What a new index needs beside all that is there, and what there is; bytes."""

    index: int
    margin_percent: int
    free: int | None
    source: str

    @property
    def needed(self) -> int:
        """The index, the rows' keys while they are sorted, as much WAL, and the margin."""
        return 3 * self.index * (100 + self.margin_percent) // 100

    def __str__(self) -> str:
        arithmetic = (
            f"needs about {format_bytes(self.needed)} ({format_bytes(self.index)} for itself, as much for sorting, as "
            f"much WAL again, and {self.margin_percent}% as a margin of the estimate)"
        )
        if self.free is None:
            return f"{arithmetic}; how much is free is not known ({self.source})"
        return f"{arithmetic}; {format_bytes(self.free)} are free ({self.source})"


def refuse_without_room(what: str, index: int, space: FreeSpace, *, rebuilt: bool) -> str:
    """Make sure that the disk has room for an index; return what to note where nobody was told how to know it.

    Where the policy says how the free space is known and it cannot be told just now, that is no room: the build can
    wait. Where the policy does not say, the build continues as it always has.

    Args:
        what: the index, for the message.
        index: how many bytes it will take.
        space: how the free space is known.
        rebuilt: whether it is there already, so that its size is known.

    Raises:
        MaintenanceRefused: there is no room, or it is not known; nothing was built.
    """
    margin = _MARGIN_OF_KNOWN_INDEX if rebuilt else _MARGIN_OF_NEW_INDEX
    if space is UNKNOWN_SPACE:
        return f"{what} {IndexRoom(index, margin, None, space.source)}"
    room = IndexRoom(index, margin, space.ask(), space.source)
    if room.free is None or room.free < room.needed:
        raise MaintenanceRefused(f"{what} is not built: it {room}")
    return ""


def estimate_index_bytes(rows: int, heap: int) -> int:
    """Return the bytes of a b-tree over one timestamp; `rows` may be 0 if the heap was never analyzed."""
    return _LEAST_INDEX_BYTES + ceil((rows or heap / _SHORT_ROW) * _BYTES_AN_ENTRY)
