"""Events as the queue hands them out, made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pg_archiver.ledger.event_queue import ClaimedEvent

_PLAIN = ClaimedEvent(
    id=1,
    merged_ids=(),
    topic="",
    topic_hash=None,
    turn=1,
    own_transaction=False,
    function_name="writes",
    config="{}",
    source="app.input",
    channel=None,
    operation="INSERT",
    key="{}",
    old_key=None,
    payload=None,
    truncated=False,
    attempts=0,
    crashes=0,
    max_attempts=10,
    queued_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def claimed(**changes: Any) -> ClaimedEvent:
    """One event, with these columns."""
    return replace(_PLAIN, **changes)
