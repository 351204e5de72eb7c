"""Events as functions get them, made of what the queue has: text, of which Python may not be able to read all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from pg_archiver.events.event import Event, Operation
from pg_archiver.ledger.event_queue import ClaimedEvent

_KEYS = json.JSONDecoder(parse_float=Decimal)


def make_event(event: ClaimedEvent) -> Event[Mapping[str, Any]]:
    """Return what a function gets of an event in the queue.

    Numbers with a fraction are exact in a key, by which a row is found again, and floats elsewhere.

    Raises:
        ValueError: a number has more digits than Python reads.
        RecursionError: something is nested more deeply than Python reads.
    """
    return Event(
        operation=cast(Operation, event.operation),
        table=event.source,
        key=_read_key(event.key),
        old_key=None if event.old_key is None else _read_key(event.old_key),
        payload=None if event.payload is None else json.loads(event.payload),
        truncated=event.truncated,
        topic=event.topic,
        config=json.loads(event.config),
        channel=event.channel,
        attempt=event.attempts + 1,
        merged=event.merged,
        queued_at=event.queued_at,
        id=event.last_id,
    )


def _read_key(text: str) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], _KEYS.decode(text))
