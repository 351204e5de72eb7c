"""Bytes on disk, and how a person reads them."""

from __future__ import annotations

from dataclasses import dataclass

_KB = 1000


def format_bytes(size: float) -> str:
    """Return bytes in a human-readable form, in decimal units: `1.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(size) < _KB:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= _KB
    return f"{size:.1f} TB"


def say_given_back(size: int) -> str:
    """Return what became of a table's size; others may have made it larger meanwhile."""
    if size < 0:
        return f"the table grew by {format_bytes(-size)} meanwhile"
    return f"{format_bytes(size)} given back" if size else "nothing given back"


@dataclass(frozen=True)
class Sizes:
    """Bytes on disk: of the heap with its maps of free space and visibility, the indexes, and TOAST with its index."""

    heap: int = 0
    indexes: int = 0
    toast: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.heap + self.indexes + self.toast

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(self.heap + other.heap, self.indexes + other.indexes, self.toast + other.toast)

    def __sub__(self, other: Sizes) -> Sizes:
        return Sizes(self.heap - other.heap, self.indexes - other.indexes, self.toast - other.toast)

    def __str__(self) -> str:
        return f"heap {format_bytes(self.heap)}, indexes {format_bytes(self.indexes)}, TOAST {format_bytes(self.toast)}"
