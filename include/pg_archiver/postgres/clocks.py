"""What time it is, for whoever decides which rows are old."""

from __future__ import annotations

from datetime import UTC, datetime

from pg_archiver.postgres.session import Session


def read_clock(session: Session) -> datetime:
    """Return the time by the server's clock, or by this machine's where that is behind: no wrong one makes rows old."""
    now: datetime = session.fetch_one("postgres/session/clock").now
    return min(datetime.now(UTC), now)
