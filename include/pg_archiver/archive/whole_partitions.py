"""Which partitions are due as a whole and may be dropped, and what hinders that with each of the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.domain.tables import Partition, TableShape
from pg_archiver.domain.windows import GRID_ORIGIN, Window
from pg_archiver.ledger.partition_drops import partition_of
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.subscribers import find_subscribers


@dataclass(frozen=True)
class Found:
    """The partitions within a span that may be dropped whole, and a note on each that may not."""

    partitions: tuple[Partition, ...]
    notes: tuple[str, ...]


def find_whole_partitions(session: Session, shape: TableShape, due: Window, hours: int) -> Found:
    """Return the partitions that lie wholly within the span that is due, the largest ones where they are nested.

    Only those whose bounds are bounds of windows too: no window then has rows inside and outside.
    """
    rows = session.fetch_all(
        "postgres/catalog/partitions", oid=shape.oid, column=shape.timestamp_column, start=due.start, end=due.end
    )
    step = timedelta(hours=hours)
    fitting = [row for row in rows if not any((bound - GRID_ORIGIN) % step for bound in (row.span_start, row.span_end))]
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
