"""How a queue's process is spoken to. The standard library alone: peers run without the project's packages."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any


class Clock:
    """Times the block that works the queue off."""

    seconds = 0.0

    def __enter__(self) -> None:
        """Begin."""
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        """End."""
        self.seconds = time.perf_counter() - self._began


def serve(work: Callable[[dict[str, Any], Clock], None]) -> None:
    """Reads the task from standard input, and says how many seconds the timed block took."""
    task, clock = json.load(sys.stdin), Clock()
    work(task, clock)
    sys.stdout.write(f"\n{json.dumps(clock.seconds)}\n")
