"""How many tasks were at work at once, and for how long each client had to wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def most_at_once(tasks: Iterable[Mapping[str, Any]]) -> int:
    """The largest number of these task instances that ran at the same moment."""
    changes: list[tuple[datetime, int]] = []
    for task in tasks:
        if task["start_date"] and task["end_date"]:
            changes.append((datetime.fromisoformat(task["start_date"]), 1))
            changes.append((datetime.fromisoformat(task["end_date"]), -1))
    at_work = most = 0
    for _, change in sorted(changes):
        at_work += change
        most = max(most, at_work)
    return most
