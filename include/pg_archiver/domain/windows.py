"""Which hours are due: the cutoff, the grid of windows, and what time it is in a column. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

# The grid starts at a midnight, so windows of any whole number of hours that divides a day end at midnights. Nothing
# lies before it: date_bin rounded moments before its origin wrongly in some minor versions.
GRID_ORIGIN = datetime(1, 1, 1)  # noqa: DTZ001 (column time is naive)
# Windows are reckoned in Python datetimes, which begin at year 1; older rows are counted and kept.
EARLIEST = datetime(2, 1, 1)  # noqa: DTZ001 (column time is naive)

HOURS_A_DAY = 24

# Samoa left out a whole day once; others leave out an hour or less.
_LONGEST_LEFT_OUT = timedelta(days=1)


# How long a window may be. Where versions are kept it may be a year, and is, unless the policy says otherwise: they are
# superseded long after their own hour, and each night would write an object for each of thousands of hours.
MOST_WINDOW_HOURS = 168
MOST_WINDOW_HOURS_OF_VERSIONS = 8784


class TimestampKind(StrEnum):
    """The types that a timestamp column may have."""

    DATE = "date"
    TIMESTAMP = "timestamp without time zone"
    TIMESTAMPTZ = "timestamp with time zone"


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """A half-open span `[start, end)` of the timestamp column.

    Both ends are naive and in column time: UTC for `timestamptz`, otherwise whatever wall clock the column
    holds. Naive hours do not repeat or vanish when clocks change, so windows cover a span exactly once.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a window must start before it ends: {self.start} to {self.end}")

    def overlaps(self, other: Window) -> bool:
        """Return whether they have a moment in common."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        last = f"{self.end:%H:%M}" if self.start.date() == self.end.date() else f"{self.end:%Y-%m-%d %H:%M}"
        return f"{self.start:%Y-%m-%d %H:%M} to {last}"


@dataclass(frozen=True, order=True, slots=True)
class DueWindow:
    """One hour of work: the cell of the grid that names it, and the part of that cell that is due.

    The span is smaller than the cell where the cutoff, or the run's `start` or `end`, cuts through it. The
    cell alone is the window's identity, in the ledger and in object keys.
    """

    cell: Window
    span: Window

    def __str__(self) -> str:
        return str(self.span)


def cutoff(run_time: datetime, now: datetime, keep_days: int) -> datetime:
    """Return the instant before which rows are due.

    N days before the run's own time, so that a backfill of a past date archives what was due on that date, and
    never later than N days before now, so that a run dated in the future archives nothing early.

    Raises:
        ValueError: N is negative; -1 keeps everything, so no instant is its cutoff.
    """
    if keep_days < 0:
        raise ValueError(f"there is no cutoff for keep_days {keep_days}")
    return min(run_time, now).astimezone(UTC) - timedelta(days=keep_days)


def in_column_time(instant: datetime, kind: TimestampKind, timezone: str) -> datetime:
    """Return the instant as the column would write it, naive.

    A column without a time zone is read in the policy's zone. In the hour that clocks repeat, a wall-clock time
    may be either of two instants; then the earlier wall time is taken, so that nothing is due while in doubt. A
    wall-clock time in the hour that clocks leave out means the one an hour later, and is due only then. A date is
    a whole day, and is due when that day is over.
    """
    if kind is TimestampKind.DATE:
        wall = in_column_time(instant, TimestampKind.TIMESTAMP, timezone)
        return wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind is TimestampKind.TIMESTAMPTZ:
        return instant.astimezone(UTC).replace(tzinfo=None)
    zone = ZoneInfo(timezone)
    local = instant.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    second_pass = local.replace(fold=1).astimezone(UTC)
    if second_pass > instant:
        return wall - (second_pass - local.replace(fold=0).astimezone(UTC))
    unchanged = instant.astimezone(UTC).replace(tzinfo=None) + _offset(instant - _LONGEST_LEFT_OUT, zone)
    return unchanged if unchanged < wall and _left_out(unchanged, zone) else wall


def earliest_wall_time(instant: datetime, timezone: str) -> datetime:
    """Return the earliest time that clocks of this zone show at the instant or later, naive.

    Where clocks are put back, wall times come twice: a column without a time zone does not tell which of the two it
    means. For whoever must leave out nothing.
    """
    return min(_around(instant, ZoneInfo(timezone)))


def latest_wall_time(instant: datetime, timezone: str) -> datetime:
    """Return the latest time that clocks of this zone show until the instant, naive."""
    return max(_around(instant, ZoneInfo(timezone), back=True))


def _around(instant: datetime, zone: ZoneInfo, *, back: bool = False) -> Iterator[datetime]:
    """Yield the wall time at the instant, and that at the moment when clocks are put back, if that is near.

    Backwards it is the last one before that moment, to the microsecond, and one more as the end of a span.
    """
    yield instant.astimezone(zone).replace(tzinfo=None)
    near = instant - _LONGEST_LEFT_OUT if back else instant
    far = near + _LONGEST_LEFT_OUT
    if _offset(far, zone) >= _offset(near, zone):
        return
    while far - near > timedelta(microseconds=1):
        middle = near + (far - near) / 2
        if _offset(middle, zone) >= _offset(near, zone):
            near = middle
        else:
            far = middle
    moment = near if back else far
    yield moment.astimezone(zone).replace(tzinfo=None) + (timedelta(microseconds=1) if back else timedelta(0))


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _left_out(wall: datetime, zone: ZoneInfo) -> bool:
    """Return whether clocks never showed this time, because they were put forward over it."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall


def bounds(span: Window, kind: TimestampKind) -> tuple[datetime, datetime]:
    """Return the span's ends as values to compare the column with, which mean the same whatever zone the session is in.

    A naive value beside a `timestamptz` would be read in the session's zone, which a trigger may set while rows go.
    """
    if kind is TimestampKind.TIMESTAMPTZ:
        return span.start.replace(tzinfo=UTC), span.end.replace(tzinfo=UTC)
    return span.start, span.end


def cell_of(moment: datetime, hours: int) -> Window:
    """Return the cell of the grid that holds this moment."""
    step = timedelta(hours=hours)
    start = moment - (moment - GRID_ORIGIN) % step
    return Window(start, start + step)


def due_windows(firsts: Iterable[datetime], due: Window, hours: int) -> list[DueWindow]:
    """Return the windows that hold these moments, oldest first, each cut to the span that is due.

    Moments outside the due span are none of this run's business and give no window.
    """
    cells = {cell_of(first, hours) for first in firsts if due.start <= first < due.end}
    return [DueWindow(cell, Window(max(cell.start, due.start), min(cell.end, due.end))) for cell in sorted(cells)]
