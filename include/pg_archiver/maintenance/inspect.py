"""inspect: says what a table takes up, what of it could be given back, and what stands in the way. Changes nothing."""

from __future__ import annotations

import logging

from pg_archiver.domain.sizes import format_bytes
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError
from pg_archiver.maintenance.bloat import measure_table
from pg_archiver.maintenance.inspection import Inspection
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)


def inspect(session: Session, order: WorkOrder) -> Inspection:
    """Return the table's condition, which is also written to the log.

    Raises:
        TableRefused: there is no such table.
    """
    found = measure_table(session, order.table, order.timestamp_column)
    for line in describe_inspection(found):
        log.info("%s", line)
    return found


def describe_inspection(found: Inspection) -> list[str]:
    """Return what a person reads about it."""
    told = [
        f"{found.table}: {found.sizes}, together {format_bytes(found.sizes.total)}; {found.live:,} live and "
        f"{found.dead:,} dead rows",
        f"{found.table}: {format_bytes(found.free.total)} ({found.free_percent:.0f}%) could be given back "
        f"({found.free}), {found.method}",
        f"{found.table}: "
        + (f"index {found.timestamp_index} begins" if found.timestamp_index else "no valid index begins")
        + " with the timestamp column",
    ]
    if len(found.parts) > 1:
        told += [
            f"{part.table}: {part.sizes}; {format_bytes(part.free.total)} could be given back" for part in found.parts
        ]
    told += [f"index {index}" for part in found.parts for index in part.indexes]
    told += [f"VACUUM is held back by {holder}" for holder in found.holders]
    told += [f"in progress: {running}" for running in found.running]
    return [*told, *found.notes]


def find_due_maintenance(session: Session, order: WorkOrder, min_percent: int, min_bytes: int) -> str | None:
    """Return what could be given back to the disk, None if it is too little; by statistics, which cost nothing."""
    try:
        found = measure_table(session, order.table, order.timestamp_column, thorough=False)
    except ArchiverError as error:
        return f"how much disk space could be given back is not known: {error}"
    free = found.free.total
    if not free or free < min_bytes or found.free_percent < min_percent:
        return None
    return (
        f"maintenance is due: about {format_bytes(free)} of {format_bytes(found.sizes.total)} "
        f"({found.free_percent:.0f}%) could be given back to the disk; the DAG maintenance does it"
    )
