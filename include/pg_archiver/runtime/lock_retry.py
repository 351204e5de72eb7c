"""Trying again where a lock is wanted: briefly each time, so that nobody queues behind us for long."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from pg_archiver.errors import LockWait

log = logging.getLogger(__name__)

Result = TypeVar("Result")
_random = random.SystemRandom()


@dataclass(frozen=True)
class LockRetry:
    """How long one try waits for a lock, how many tries there are, and how long the pause between two of them is.

    The pause doubles from one try to the next, up to `longest_pause`; each is cut by up to a half at random, so that
    two that wait for each other do not meet again.
    """

    lock: timedelta = timedelta(seconds=2)
    tries: int = 10
    pause: timedelta = timedelta(seconds=2)
    longest_pause: timedelta = timedelta(minutes=2)

    def pauses(self) -> list[float]:
        """Return the pauses between the tries, in seconds."""
        longest = self.longest_pause.total_seconds()
        return [
            min(longest, self.pause.total_seconds() * 2**number) * _random.uniform(0.5, 1)
            for number in range(self.tries - 1)
        ]

    def run(self, attempt: Callable[[], Result], what: str) -> Result:
        """Return what the attempt returns, as soon as it gets its lock.

        Raises:
            LockWait: no try got it.
        """
        for pause in self.pauses():
            try:
                return attempt()
            except LockWait as error:
                log.info("%s: %s; trying again in %.1f s", what, error, pause)
                time.sleep(pause)
        return attempt()
