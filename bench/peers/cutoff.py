"""The cutoff of the peers that do not reckon it themselves. The standard library alone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta


def cutoff(keep_days: int) -> datetime:
    """Today's midnight in UTC less so many days, without an offset."""
    return datetime.combine(datetime.now(UTC).date(), time()) - timedelta(days=keep_days)
