"""The parts of a long command: a title as each begins, and how long each took at the end."""

import time
from datetime import UTC, datetime


class Phases:
    """The parts in their order; the one that was begun last is under way until the next begins."""

    def __init__(self) -> None:
        """Begin with none."""
        self._begun: list[tuple[str, float]] = []

    def begin(self, title: str) -> None:
        """End the part that is under way and print the title of the next one."""
        self._begun.append((title, time.monotonic()))
        print(f"\n=== {datetime.now(UTC):%H:%M:%S} {title}", flush=True)

    def lines(self) -> list[str]:
        """Return how many seconds each part took, the one under way up to now."""
        ends = [moment for _, moment in self._begun[1:]] + [time.monotonic()]
        return [f"{end - start:6.0f} s  {title}" for (title, start), end in zip(self._begun, ends, strict=True)]
