"""What `auto` of a table's policy comes to in one plan: how long its windows are, and who carries them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from pg_archiver.archive.batching import LONGEST_AUTO_BATCH
from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.window_lengths import (
    LOOKED_AT,
    MOST_COUNTED,
    MOST_ROWS_ALONE,
    MOST_WINDOWS_ALONE,
    WindowLength,
    choose_window_length,
    is_small,
)
from pg_archiver.domain.windows import DueWindow, Window, bounds, in_column_time
from pg_archiver.domain.work import TableOrder
from pg_archiver.ledger.window_lengths import WindowLengths
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.postgres.clocks import read_clock
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names

log = logging.getLogger(__name__)

# Longer than any table's past.
_ALL_TIME = timedelta(days=366 * 1000)


def settle_policy(
    session: Session, shape: TableShape, order: TableOrder, policy: TablePolicy, due: Window
) -> tuple[TablePolicy, WindowLength | None]:
    """Return the policy with a length of windows that holds for this plan, and what to note of it, if it was `auto`.

    One task that carries everything takes as many windows at a time as the longest batch holds.
    """
    settled: dict[str, object] = {}
    if policy.tasks == "one" and policy.windows_per_task == "auto":
        settled["windows_per_task"] = LONGEST_AUTO_BATCH
    length = _choose_length(session, shape, order, policy, due) if policy.window_hours == "auto" else None
    if length:
        settled["window_hours"] = length.hours
    return policy.model_copy(update=settled) if settled else policy, length


def has_little_to_do(session: Session, shape: TableShape, windows: Iterable[DueWindow]) -> bool:
    """Return whether one task may take these windows without anybody waiting for it; their rows are counted."""
    spans = [window.span for window in windows]
    if not spans:
        return True
    if len(spans) > MOST_WINDOWS_ALONE:
        return False
    span = Window(min(one.start for one in spans), max(one.end for one in spans))
    return is_small(len(spans), _count_rows(session, shape, span, _ALL_TIME, MOST_ROWS_ALONE + 1))


def _choose_length(
    session: Session, shape: TableShape, order: TableOrder, policy: TablePolicy, due: Window
) -> WindowLength:
    """Choose by the busier of two spans of seven days: the last ones, and those from the oldest row that is due.

    Of the last ones, what has been archived is in the ledger and the rest in the table. The others tell of a backlog
    whose table has become quiet.
    """
    lengths = WindowLengths(session, order)
    now = in_column_time(read_clock(session), shape.timestamp_kind, policy.timezone)
    last = Window(now - LOOKED_AT, now)
    rows = lengths.count_left_since(last.start)
    if rows < MOST_COUNTED:
        rows += _count_rows(session, shape, last, LOOKED_AT, MOST_COUNTED)
    if rows < MOST_COUNTED:
        rows = max(rows, _count_rows(session, shape, due, LOOKED_AT, MOST_COUNTED))
    found = choose_window_length(min(rows, MOST_COUNTED), lengths.find_noted())
    log.info("windows of %d hour(s), by about %d rows a day", found.hours, found.rows_a_day)
    return found


def _count_rows(session: Session, shape: TableShape, span: Window, longest: timedelta, most: int) -> int:
    start, end = bounds(span, shape.timestamp_kind)
    names: Names = {"table": shape.table, "column": shape.timestamp_column}
    values: dict[str, object] = {"start": start, "end": end, "longest": longest, "limit": most}
    return int(session.fetch_one("archive/plan/count_rows", names, **values).rows)
