"""Which partitions are due as a whole and may be dropped, and what hinders that with each of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pg_archiver.domain.tables import Partition, TableShape
from pg_archiver.domain.windows import GRID_ORIGIN, Window
from pg_archiver.domain.work import TableOrder
from pg_archiver.ledger.partition_drops import PartitionDropLog, partition_of
from pg_archiver.ledger.restores import Hold
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.subscribers import find_subscribers


@dataclass(frozen=True)
class Found:
    """The partitions within a span that may be dropped whole, and a note on each that may not."""

    partitions: tuple[Partition, ...]
    notes: tuple[str, ...]


def choose_partitions(
    session: Session,
    shape: TableShape,
    order: TableOrder,
    due: Window,
    holds: Sequence[Hold],
    *,
    wanted: bool,
    hours: int | None = None,
) -> Found:
    """Return the partitions that a run may drop whole, and those that earlier ones have half dropped.

    One that is half dropped and no longer due, because N rose, say, is only to be brought back.

    Args:
        session: a session on the client database.
        shape: the table's.
        order: the client and table.
        due: the span that is due and that the run takes on.
        holds: what restores hold of it.
        wanted: whether partitions are to be dropped at all.
        hours: how long windows are, if no window may be cut by a drop.
    """
    drops = PartitionDropLog(session, order)
    half = list(drops.list_unfinished().values()) if drops.exists() else []
    # Rows that wait for their children stay, so such a partition is never whole.
    if not wanted or order.children:
        return Found(tuple(replace(one, back=True) for one in half), ())
    begun = [replace(one, back=not _is_within(one.span, due)) for one in half]
    found = find_whole_partitions(session, shape, due, hours)
    known = {one.oid for one in begun}
    free = [
        one
        for one in found.partitions
        if one.oid not in known and not any(hold.span.overlaps(one.span) for hold in holds)
    ]
    return Found((*begun, *free), found.notes)


def find_whole_partitions(session: Session, shape: TableShape, due: Window, hours: int | None = None) -> Found:
    """Return the partitions that lie wholly within the span that is due, the largest ones where they are nested.

    With `hours` only those whose bounds are bounds of windows of that length: no window then has rows inside and
    outside.
    """
    rows = session.fetch_all(
        "postgres/catalog/partitions", oid=shape.oid, column=shape.timestamp_column, start=due.start, end=due.end
    )
    fitting = [row for row in rows if hours is None or _is_on_grid(row, timedelta(hours=hours))]
    others = find_subscribers(session, shape.oid) if fitting else None
    partitions: dict[int, Partition] = {}
    notes: list[str] = []
    for row in fitting:
        if hindrance := row.hindrance or (f"its subscribers would keep the rows ({others})" if others else ""):
            notes.append(
                f"partition {row.schema}.{row.name} is due as a whole, but {hindrance}: its rows are deleted in "
                f"batches and the empty partition stays"
            )
        elif not partitions.keys() & set(row.above):
            partitions[row.oid] = partition_of(row, alone=row.alone)
    return Found(tuple(partitions.values()), tuple(notes))


def _is_within(span: Window, whole: Window) -> bool:
    return whole.start <= span.start and span.end <= whole.end


def _is_on_grid(row: Row, step: timedelta) -> bool:
    return not any((bound - GRID_ORIGIN) % step for bound in (row.span_start, row.span_end))
