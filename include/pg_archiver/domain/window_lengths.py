"""How long windows are where the policy leaves it to the table's rows, and how much work one task may take. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

SHORT_HOURS = 1
LONG_HOURS = 24
# Fewer rows a day than this are a small table, whose day is one window.
SMALL_ROWS_A_DAY = 20_000
LOOKED_AT = timedelta(days=7)
# What was chosen once is changed only when the rows are so many times too many or too few for it.
MARGIN = 2
# No more rows than this tell anything new about the length of windows.
MOST_COUNTED = MARGIN * SMALL_ROWS_A_DAY * LOOKED_AT.days + 1
# What `tasks: auto` leaves to the task that plans: so few windows, and so few rows in them.
MOST_WINDOWS_ALONE = 48
MOST_ROWS_ALONE = 50_000


@dataclass(frozen=True)
class WindowLength:
    """How long the windows of a table are, by its rows a day; `changed` where the ledger notes no such length."""

    hours: int
    rows_a_day: int
    changed: bool


def choose_window_length(rows: int, noted: int | None) -> WindowLength:
    """Return how long windows are.

    Args:
        rows: those of seven days, counted up to MOST_COUNTED.
        noted: the length in hours that the ledger notes, None if none has been chosen yet.
    """
    small = SMALL_ROWS_A_DAY * LOOKED_AT.days
    if noted is None:
        hours = LONG_HOURS if rows < small else SHORT_HOURS
    elif noted == LONG_HOURS:
        hours = SHORT_HOURS if rows > small * MARGIN else LONG_HOURS
    else:
        hours = LONG_HOURS if rows * MARGIN < small else SHORT_HOURS
    return WindowLength(hours, -(-rows // LOOKED_AT.days), hours != noted)


def is_small(windows: int, rows: float) -> bool:
    """Return whether `tasks: auto` leaves so many windows and rows to the task that plans."""
    return windows <= MOST_WINDOWS_ALONE and rows <= MOST_ROWS_ALONE
