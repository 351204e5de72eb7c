"""What bounds a run: its own start and end, and what the other tables of its file do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.windows import (
    EARLIEST,
    TimestampKind,
    Window,
    in_column_time,
)
from pg_archiver.errors import SettingError


@dataclass(frozen=True)
class Limits:
    """What a run asked for besides N: its own time, and the part of what is due to which it is limited."""

    run_time: datetime
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class OtherTables:
    """What a plan has to know of tables besides its own.

    `archived` is how many are archived each day, this one among them: the more, the more windows share a task.
    `kept_for_ever` are those of the table's children of which everything is kept.
    """

    archived: int = 1
    kept_for_ever: tuple[TableName, ...] = ()


ALONE = OtherTables()


def due_span(limits: Limits, before: datetime, kind: TimestampKind, timezone: str) -> Window | None:
    """Return the span that is due, in column time; the run's limits make it smaller and never larger."""
    start = max(EARLIEST, in_column_limit(limits.start, kind, timezone) or EARLIEST)
    last = in_column_time(before, kind, timezone)
    end = min(last, in_column_limit(limits.end, kind, timezone) or last)
    return Window(start, end) if start < end else None


def refuse_backward(limits: Limits, kind: TimestampKind, timezone: str) -> None:
    """Refuse a span that ends before it starts.

    Raises:
        SettingError: it does.
    """
    start, end = (in_column_limit(moment, kind, timezone) for moment in (limits.start, limits.end))
    if start and end and start >= end:
        raise SettingError(
            f"the run's parameter end ({limits.end}) is not after start ({limits.start}). Nothing was archived"
        )


def in_column_limit(moment: datetime | None, kind: TimestampKind, timezone: str) -> datetime | None:
    """Return a `start` or `end` in column time; one without an offset is in column time already."""
    if moment is None or moment.tzinfo is None:
        return moment
    return in_column_time(moment, kind, timezone)
