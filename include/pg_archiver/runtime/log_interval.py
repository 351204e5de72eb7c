"""Keeps long work from being silent: one line in the log every few seconds, no more."""

from __future__ import annotations

import time

SECONDS = 5.0


class LogInterval:
    """Says when it is time for the next line."""

    def __init__(self) -> None:
        """Starts now."""
        self._started = self._told = time.monotonic()

    def due(self) -> bool:
        """True once in every five seconds."""
        now = time.monotonic()
        if now - self._told < SECONDS:
            return False
        self._told = now
        return True

    @property
    def seconds(self) -> float:
        """Since the start; never zero, so that it may be divided by."""
        return max(time.monotonic() - self._started, 1e-6)
