"""The memory of parts, kept from one upload for the next one: new memory takes some time."""

from __future__ import annotations

# How many buffers are kept: as many as one upload uses.
MOST_SPARE = 2


class BufferPool:
    """Buffers of one size, which uploads that come one after the other share."""

    def __init__(self, size: int) -> None:
        """Hold no buffer yet; each has `size` bytes."""
        self._size = size
        self._spare: list[bytearray] = []

    def take(self) -> bytearray:
        """Return a buffer, an earlier upload's if there is one; what is in it means nothing."""
        try:
            return self._spare.pop()
        except IndexError:
            return bytearray(self._size)

    def give(self, buffer: bytearray) -> None:
        """Keep a buffer for the next upload, unless it has another size or there are enough already."""
        if len(buffer) == self._size and len(self._spare) < MOST_SPARE:
            self._spare.append(buffer)
