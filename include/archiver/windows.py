"""Which hours are due: cutoff, grid of windows, and the cutting of windows into batches. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from include.archiver.models import DueWindow, TimestampKind, Window

# The grid starts at a midnight, so windows of any whole number of hours that divides a day end at midnights. Nothing
# lies before it: date_bin rounded moments before its origin wrongly in some minor versions.
GRID_ORIGIN = datetime(1, 1, 1)  # noqa: DTZ001 (column time is naive)
# Windows are reckoned in Python datetimes, which begin at year 1; older rows are counted and kept.
EARLIEST = datetime(2, 1, 1)  # noqa: DTZ001 (column time is naive)

HOURS_A_DAY = 24
# What Airflow is given to do on a usual day by `windows_per_task: auto`: instances of each of the three mapped steps,
# over all tables. A task instance costs about 0.43 s on two cores, so these three times 2,400 keep them busy for 52
# minutes; a table's plan and report come on top.
MAPPED_A_DAY = 2400
# Into how many mapped instances of each step `auto` cuts a backlog, as far as its longest batch allows.
BACKLOG_TASKS = 8

# Samoa left out a whole day once; others leave out an hour or less.
_LONGEST_LEFT_OUT = timedelta(days=1)


def cutoff(run_time: datetime, now: datetime, keep_days: int) -> datetime:
    """The instant before which rows are due.

    N days before the run's own time, so that a backfill of a past date archives what was due on that date, and
    never later than N days before now, so that a run dated in the future archives nothing early.

    Raises:
        ValueError: N is negative; -1 keeps everything, so no instant is its cutoff.
    """
    if keep_days < 0:
        raise ValueError(f"there is no cutoff for keep_days {keep_days}")
    return min(run_time, now).astimezone(UTC) - timedelta(days=keep_days)


def in_column_time(instant: datetime, kind: TimestampKind, timezone: str) -> datetime:
    """The instant as the column would write it, naive.

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
    """The earliest time that clocks of this zone show at the instant or later, naive.

    Where clocks are put back, wall times come twice: a column without a time zone does not tell which of the two it
    means. For whoever must leave out nothing.
    """
    return min(_around(instant, ZoneInfo(timezone)))


def latest_wall_time(instant: datetime, timezone: str) -> datetime:
    """The latest time that clocks of this zone show until the instant, naive."""
    return max(_around(instant, ZoneInfo(timezone), back=True))


def _around(instant: datetime, zone: ZoneInfo, *, back: bool = False) -> Iterator[datetime]:
    """The wall time at the instant, and that at the moment when clocks are put back, if that is near.

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
    """Whether clocks never showed this time, because they were put forward over it."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall


def bounds(span: Window, kind: TimestampKind) -> tuple[datetime, datetime]:
    """The span's ends as values to compare the column with, which mean the same whatever zone the session is in.

    A naive value beside a `timestamptz` would be read in the session's zone, which a trigger may set while rows go.
    """
    if kind is TimestampKind.TIMESTAMPTZ:
        return span.start.replace(tzinfo=UTC), span.end.replace(tzinfo=UTC)
    return span.start, span.end


def cell_of(moment: datetime, hours: int) -> Window:
    """The cell of the grid that holds this moment."""
    step = timedelta(hours=hours)
    start = moment - (moment - GRID_ORIGIN) % step
    return Window(start, start + step)


def due_windows(firsts: Iterable[datetime], due: Window, hours: int) -> list[DueWindow]:
    """The windows that hold these moments, oldest first, each cut to the span that is due.

    Moments outside the due span are none of this run's business and give no window.
    """
    cells = {cell_of(first, hours) for first in firsts if due.start <= first < due.end}
    return [DueWindow(cell, Window(max(cell.start, due.start), min(cell.end, due.end))) for cell in sorted(cells)]


def most_tasks(windows: int, window_hours: int, max_mapped_windows: int) -> int:
    """How many mapped task instances so many windows are spread over by `windows_per_task: auto`.

    As many as there may be while they are two days' windows at most. More are a backlog, over which Airflow would take
    longer to start tasks than these take to work, so it becomes a few long tasks: enough to keep a pool busy.
    """
    if windows <= 2 * HOURS_A_DAY // window_hours:
        return max_mapped_windows
    return min(BACKLOG_TASKS, max_mapped_windows)


def windows_per_task(windows: int, max_mapped_windows: int, longest: int, least: int = 1) -> int:
    """How many windows one mapped task instance carries: `least` while they are few, more in a backlog.

    Airflow pays for each task instance whatever it does, and refuses more than 1024 of one task.
    """
    needed = -(-windows // max_mapped_windows)
    return max(1, min(max(needed, least), longest))


def least_windows_per_task(tables: int, window_hours: int) -> int:
    """How many windows a mapped task instance carries on a usual day, when so many tables are archived each day.

    One, as long as the windows of a day of all tables together take no more than MAPPED_A_DAY instances of a step;
    more tables share these, down to one instance for the whole day of a table.
    """
    windows_a_day = max(1, HOURS_A_DAY // window_hours)
    instances = max(1, MAPPED_A_DAY // max(1, tables))
    return -(-windows_a_day // min(instances, windows_a_day))


def batches(windows: Sequence[DueWindow], size: int) -> list[list[DueWindow]]:
    """The windows in their order, `size` at a time; each window is in exactly one batch."""
    return [list(windows[first : first + size]) for first in range(0, len(windows), size)]
