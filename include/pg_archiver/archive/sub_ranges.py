"""Sub-ranges of a window: cut at the export so that each holds few rows, and joined again to delete batches.

The rows of a sub-range may leave by its times and the age of their versions, if the snapshot of the export saw the end
of every transaction that made one of them. Where that is not certain, a window has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.domain.row_numbers import Positions
from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import Window, bounds
from pg_archiver.domain.work import WorkOrder
from pg_archiver.objects.manifest import ServerDescription, SubRange
from pg_archiver.postgres.catalog import find_delete_triggers
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import ColumnTime, Names

# So many a delete batch, so that one whose rows changed keeps few others back.
_A_BATCH = 10
# Of a window, unless a batch each is more: they stand in its manifest.
_ENOUGH = 1000
# The steps of time in which the rows of a window are counted first.
_STEPS = 1024


@dataclass(frozen=True)
class RangeBatch:
    """Consecutive sub-ranges that leave in one transaction: their numbers, counted from 1, their span, their rows."""

    first: int
    last: int
    span: Window
    rows: int

    @property
    def numbers(self) -> Positions:
        """The numbers of its sub-ranges."""
        return Positions.span(self.first, self.last)


def can_be_cut(session: Session, order: WorkOrder, shape: TableShape) -> bool:
    """Return whether windows of the table may have sub-ranges; else its rows leave by a list of their versions."""
    return not (order.children or shape.timestamp_index is None or find_delete_triggers(session, shape.oid))


def estimate_sub_ranges(order: WorkOrder, rows: float) -> int:
    """Return into about how many sub-ranges a window of so many rows is cut."""
    return math.ceil(rows / _find_enough(order, round(rows)))


def cut_window(
    session: Session, order: WorkOrder, shape: TableShape, span: Window, server: ServerDescription
) -> tuple[SubRange, ...] | None:
    """Return the sub-ranges of the window with the rows that the snapshot of this transaction sees in each.

    They follow each other without a gap. None if the rows have to leave by a list of their versions: where one may wait
    for rows of other tables, or be kept by a trigger; where a version may be later than a transaction that still ran;
    where more rows have one time than a batch may hold; and where no index leads to a time.
    """
    if not can_be_cut(session, order, shape):
        return None
    step = max(1, order.batch_size // _A_BATCH)
    names: Names = {
        "table": order.table,
        "column": order.timestamp_column,
        "moment": ColumnTime("target", order.timestamp_column, shape.timestamp_kind),
    }
    start, end = bounds(span, shape.timestamp_kind)
    values = {"start": start, "end": end, "oldest": str(server.oldest_transaction)}
    # As a rule rows lie so evenly that equal steps of time will do, which cost a third.
    width = max((span.end - span.start) / _STEPS, timedelta(microseconds=1))
    found = session.fetch_all("archive/export/sub_ranges_by_time", names, width=width, origin=span.start, **values)
    enough = _find_enough(order, sum(part.rows for part in found))
    if any(part.rows > enough for part in found):
        found = session.fetch_all("archive/export/sub_ranges_by_rank", names, step=step, **values)
    if not found or any(not part.is_old or part.rows > order.batch_size for part in found):
        return None
    parts = _join_small([(part.start, part.rows) for part in found], enough)
    starts = [span.start, *(moment for moment, _ in parts[1:]), span.end]
    return tuple(
        SubRange(start=starts[place], end=starts[place + 1], rows=rows) for place, (_, rows) in enumerate(parts)
    )


def _find_enough(order: WorkOrder, rows: int) -> int:
    """Return how many rows of a window with so many in all are enough for a sub-range."""
    return max(order.batch_size // _A_BATCH, 1, min(order.batch_size, rows // _ENOUGH))


def _join_small(parts: Sequence[tuple[object, int]], most: int) -> list[tuple[object, int]]:
    """Join neighbours as long as they hold no more rows than that together."""
    joined = [parts[0]]
    for moment, rows in parts[1:]:
        first, before = joined[-1]
        if before + rows <= most:
            joined[-1] = first, before + rows
        else:
            joined.append((moment, rows))
    return joined


def join_batches(sub_ranges: Sequence[SubRange], gone: Positions, most: int) -> Iterator[RangeBatch]:
    """Yield what is left of the sub-ranges, as batches of at most so many rows; one alone may hold more."""
    batch: RangeBatch | None = None
    for number, one in enumerate(sub_ranges, 1):
        if number in gone:
            continue
        if batch and batch.last + 1 == number and batch.rows + one.rows <= most:
            batch = RangeBatch(batch.first, number, Window(batch.span.start, one.end), batch.rows + one.rows)
            continue
        if batch:
            yield batch
        batch = RangeBatch(number, number, Window(one.start, one.end), one.rows)
    if batch:
        yield batch


def split(batch: RangeBatch, sub_ranges: Sequence[SubRange]) -> list[RangeBatch]:
    """Return the batch's sub-ranges, one by one; none if it is a single one."""
    if batch.first == batch.last:
        return []
    return [
        RangeBatch(number, number, Window(one.start, one.end), one.rows)
        for number, one in enumerate(sub_ranges[batch.first - 1 : batch.last], batch.first)
    ]
