"""Which hours are due: cutoff, grid of windows, and the cutting of windows into batches. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from include.archiver.models import DueWindow, TimestampKind, Window

# The grid starts at a midnight, so windows of any whole number of hours that divides a day end at midnights.
GRID_ORIGIN = datetime(2000, 1, 1)  # noqa: DTZ001 (column time is naive)
# Windows are reckoned in Python datetimes, which begin at year 1; older rows are counted and kept.
EARLIEST = datetime(2, 1, 1)  # noqa: DTZ001 (column time is naive)


def cutoff(run_time: datetime, now: datetime, keep_days: int) -> datetime:
    """The instant before which rows are due.

    N days before the run's own time, so that a backfill of a past date archives what was due on that date, and
    never later than N days before now, so that a run dated in the future archives nothing early.
    """
    return min(run_time, now).astimezone(UTC) - timedelta(days=keep_days)


def in_column_time(instant: datetime, kind: TimestampKind, timezone: str) -> datetime:
    """The instant as the column would write it, naive.

    A column without a time zone is read in the policy's zone. In the hour that clocks repeat, a wall-clock time
    may be either of two instants; then the earlier wall time is taken, so that nothing is due while in doubt.
    """
    if kind is TimestampKind.TIMESTAMPTZ:
        return instant.astimezone(UTC).replace(tzinfo=None)
    local = instant.astimezone(ZoneInfo(timezone))
    second_pass = local.replace(fold=1)
    if second_pass.astimezone(UTC) > instant.astimezone(UTC):
        repeated = second_pass.astimezone(UTC) - local.replace(fold=0).astimezone(UTC)
        return local.replace(tzinfo=None, fold=0) - repeated
    return local.replace(tzinfo=None, fold=0)


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


def windows_per_task(windows: int, max_mapped_windows: int, longest: int) -> int:
    """How many windows one mapped task instance carries: one while they are few, more in a backlog.

    Airflow pays for each task instance whatever it does, and refuses more than 1024 of one task.
    """
    needed = -(-windows // max_mapped_windows)
    return max(1, min(needed, longest))


def batches(windows: Sequence[DueWindow], size: int) -> list[list[DueWindow]]:
    """The windows in their order, `size` at a time; each window is in exactly one batch."""
    return [list(windows[first : first + size]) for first in range(0, len(windows), size)]
