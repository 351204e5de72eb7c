"""Lengths of time as the policy file writes them: the way that Postgres writes them in its own settings."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"([0-9]{1,6})(s|min|h)")
_SECONDS = {"s": 1, "min": 60, "h": 3600}
# Airflow lets a task run for twice as long, and the broker of a deployment has to wait for longer than any task.
LONGEST_STATEMENT = timedelta(hours=24)


def duration_of(value: object) -> timedelta:
    """Return how long a statement may take, from what a person wrote.

    Raises:
        ValueError: it is not a duration, or more than a day; the message says how to write one.
    """
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    duration = timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else timedelta(0)
    if not timedelta(0) < duration <= LONGEST_STATEMENT:
        raise ValueError("not a duration from 1s to 24h. Write seconds, minutes or hours, such as 90s, 30min or 6h")
    return duration
