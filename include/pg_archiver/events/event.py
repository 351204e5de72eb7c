"""What a function is given, an event; and what it may raise instead of an error: Snooze and Discard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Literal

from typing_extensions import TypeVar

Operation = Literal["INSERT", "UPDATE", "DELETE", "TRUNCATE", "SEND", "SCHEDULE"]
KeyT = TypeVar("KeyT", default=Mapping[str, Any])
LONGEST_SNOOZE_SECONDS = 366 * 86_400.0


@dataclass(frozen=True)
class Event(Generic[KeyT]):
    """One thing that happened, for which a function runs. What is not given is as in a test that does not care.

    Attributes:
        operation: what happened: a row came, changed or went, a table was emptied, a message was sent to a channel, or
            the schedule of the function's job was due.
        table: the table, as `schema.table`; None for a message and a schedule.
        key: the values of the key columns; an instance of the function's `model` if it names one. A message has none,
            unless it comes from etcd: then `key` is its name there.
        old_key: what the key was before an update that changed it; None if it did not.
        payload: the columns that the binding names, or the message; None if there are none.
        truncated: whether the payload was too large to be queued, and is left out.
        topic: whatever is of one topic runs one after the other, unless the binding lets it run beside each other.
        config: the config of the function's job.
        channel: the channel of a message.
        attempt: 1 for the first, and one more after each failure.
        merged: how many events of the same key are one here; more than 1 only where the binding merges.
        queued_at: when it was put into the queue, by the database's clock.
        id: its number, or that of the last of those that are one here: the same at each attempt, and no other's.
    """

    operation: Operation = "INSERT"
    table: str | None = None
    key: KeyT = field(default_factory=dict)  # type: ignore[assignment]  # a test that has a model gives it
    old_key: KeyT | None = None
    payload: Any = None
    truncated: bool = False
    topic: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    channel: str | None = None
    attempt: int = 1
    merged: int = 1
    queued_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: int = 1


class Snooze(Exception):
    """Raised by a function: not now. What it did is rolled back; the event comes again, and no attempt is counted."""

    def __init__(self, seconds: float) -> None:
        """Take in how many seconds, at most 366 days.

        Raises:
            ValueError: it is no such number.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise ValueError("Snooze takes a number of seconds, such as Snooze(60)")
        if not 0 <= seconds <= LONGEST_SNOOZE_SECONDS:
            raise ValueError(f"Snooze takes 0 to {LONGEST_SNOOZE_SECONDS:.0f} seconds, not {seconds:g}")
        super().__init__(f"not before {seconds:g} seconds have passed")
        self.seconds = float(seconds)


class Discard(Exception):
    """Raised by a function: never. What it did is rolled back; the event goes, and its log says why."""

    def __init__(self, reason: str) -> None:
        """Take why, for people."""
        super().__init__(reason)
        self.reason = str(reason)
