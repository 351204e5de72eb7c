"""The hours that hold rows to archive, for peers that look no further than the oldest row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import psycopg

OLDEST = "SELECT date_trunc('hour', min(triggered_at)) FROM analytics.events"


def hours_before_cutoff(connection: psycopg.Connection[Any], keep_days: int) -> Iterator[tuple[datetime, datetime]]:
    """From the oldest row's hour to the last one before UTC midnight less `keep_days`, without an offset."""
    found = connection.execute(OLDEST).fetchone()
    hour = found[0] if found else None
    cutoff = datetime.combine(datetime.now(UTC).date(), time()) - timedelta(days=keep_days)
    while hour and hour < cutoff:
        yield hour, hour + timedelta(hours=1)
        hour += timedelta(hours=1)
