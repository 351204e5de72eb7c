"""What a run has worked on already: a run that plans again leaves it to the next one, whatever became of it."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime

from pg_archiver.domain.windows import Window
from pg_archiver.domain.work import Batch


class Tried:
    """The windows and partitions of the batches so far.

    Of windows that follow each other only the first moment and the last are kept, so a backlog of years takes no room.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._starts: list[datetime] = []
        self._ends: list[datetime] = []
        self._partitions: set[int] = set()
        self.windows = 0

    def add(self, batch: Batch) -> None:
        """Add what a batch holds."""
        if batch.partition:
            self._partitions.add(batch.partition.oid)
        for window in batch:
            if not self.has_window(window.cell):
                self.windows += 1
                self._add(window.cell)

    def has_window(self, cell: Window) -> bool:
        """Return whether the window was worked on."""
        place = bisect_right(self._starts, cell.start) - 1
        return place >= 0 and cell.end <= self._ends[place]

    def has_partition(self, oid: int) -> bool:
        """Return whether the partition was to be dropped."""
        return oid in self._partitions

    def _add(self, cell: Window) -> None:
        place = bisect_right(self._starts, cell.start)
        follows = place > 0 and self._ends[place - 1] == cell.start
        precedes = place < len(self._starts) and self._starts[place] == cell.end
        if follows and precedes:
            self._ends[place - 1] = self._ends.pop(place)
            del self._starts[place]
        elif follows:
            self._ends[place - 1] = cell.end
        elif precedes:
            self._starts[place] = cell.start
        else:
            self._starts.insert(place, cell.start)
            self._ends.insert(place, cell.end)
