"""How fast rows may go: so many a second, in steps of a second at most."""

from __future__ import annotations

import time
from collections.abc import Callable

_POLL_SECONDS = 0.05


class Pace:
    """Keeps a run to a number of rows a second; without one it waits for nobody."""

    def __init__(self, rows_per_second: int | None) -> None:
        """Start now."""
        self._rows_per_second = rows_per_second
        self._next = time.monotonic()

    def limit(self, rows: int) -> int:
        """Return how many of so many rows one batch may take: no more than go in a second."""
        return rows if self._rows_per_second is None else min(rows, self._rows_per_second)

    def count(self, rows: int) -> float:
        """Count rows that went; return for how many seconds no more may go."""
        if self._rows_per_second is None:
            return 0.0
        now = time.monotonic()
        # What was not used while others were waited for is not made up for.
        self._next = max(self._next, now) + rows / self._rows_per_second
        return self._next - now


def sleep(seconds: float, stopping: Callable[[], bool]) -> None:
    """Sleep, and end at once when the process is told to."""
    deadline = time.monotonic() + seconds
    while not stopping() and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, _POLL_SECONDS))
