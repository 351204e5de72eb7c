"""The hours that hold rows to archive, for peers that look no further than the oldest row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bench.peers.cutoff import cutoff

OLDEST = "SELECT date_trunc('hour', min(triggered_at)) FROM analytics.events"


def hours_before_cutoff(connection: psycopg.Connection[Any], keep_days: int) -> Iterator[tuple[datetime, datetime]]:
    """From the oldest row's hour to the last one before UTC midnight less `keep_days`, without an offset."""
    found = connection.execute(OLDEST).fetchone()
    hour = found[0] if found else None
    end = cutoff(keep_days)
    while hour and hour < end:
        yield hour, hour + timedelta(hours=1)
        hour += timedelta(hours=1)
