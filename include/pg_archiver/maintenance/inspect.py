"""inspect: says what a table takes up, what of it could be given back, and what stands in the way. Changes nothing."""

from __future__ import annotations

import logging

from pg_archiver.domain.sizes import in_words
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError
from pg_archiver.maintenance.bloat import inspection_of
from pg_archiver.maintenance.inspection import Inspection
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)


def inspect(session: Session, order: WorkOrder) -> Inspection:
    """The table's condition, which is also written to the log.

    Raises:
        TableRefused: there is no such table.
    """
    found = inspection_of(session, order.table, order.timestamp_column)
    for line in lines(found):
        log.info("%s", line)
    return found


def lines(found: Inspection) -> list[str]:
    """What a person reads about it."""
    told = [
        f"{found.table}: {found.sizes}, together {in_words(found.sizes.total)}; {found.live:,} live and {found.dead:,} "
        f"dead rows",
        f"{found.table}: {in_words(found.free.total)} ({found.free_percent:.0f}%) could be given back ({found.free}), "
        f"{found.method}",
        f"{found.table}: "
        + (f"index {found.timestamp_index} begins" if found.timestamp_index else "no valid index begins")
        + " with the timestamp column",
    ]
    if len(found.parts) > 1:
        told += [f"{part.table}: {part.sizes}; {in_words(part.free.total)} could be given back" for part in found.parts]
    told += [f"index {index}" for part in found.parts for index in part.indexes]
    told += [f"VACUUM is held back by {holder}" for holder in found.holders]
    told += [f"going on: {running}" for running in found.running]
    return [*told, *found.notes]


def maintenance_due(session: Session, order: WorkOrder, min_percent: int, min_bytes: int) -> str | None:
    """What could be given back to the disk by now, None where that is too little; by statistics, which cost nothing."""
    try:
        found = inspection_of(session, order.table, order.timestamp_column, thorough=False)
    except ArchiverError as error:
        return f"how much disk space could be given back is not known: {error}"
    free = found.free.total
    if not free or free < min_bytes or found.free_percent < min_percent:
        return None
    return (
        f"maintenance is due: about {in_words(free)} of {in_words(found.sizes.total)} ({found.free_percent:.0f}%) "
        f"could be given back to the disk; the DAG maintenance does it"
    )
