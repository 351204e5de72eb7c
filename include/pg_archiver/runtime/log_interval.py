"""Progress of long work: at most one line in the log every few seconds."""

from __future__ import annotations

import time

SECONDS = 5.0


class LogInterval:
    """A timer for the next line."""

    def __init__(self) -> None:
        """Start now."""
        self._started = self._told = time.monotonic()

    def due(self) -> bool:
        """Return true once in every five seconds."""
        now = time.monotonic()
        if now - self._told < SECONDS:
            return False
        self._told = now
        return True

    @property
    def seconds(self) -> float:
        """The seconds since the start; never zero, so that it can be a divisor."""
        return max(time.monotonic() - self._started, 1e-6)
