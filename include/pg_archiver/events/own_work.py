"""What workers do besides functions of users: events whose function comes with this program, by its own login."""

from __future__ import annotations

from typing import Protocol


class OwnWork(Protocol):
    """Work on such events, by a login that is not that of functions."""

    def run_batch(self, *, is_idle: bool = True) -> bool:
        """Work off one batch; return whether there was any, or is about to be.

        `is_idle` is whether the worker has nothing else to do meanwhile.

        Raises:
            DatabaseInterrupted: the connection was lost.
        """
