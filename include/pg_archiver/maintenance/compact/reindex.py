"""Rebuilds bloated indexes without blocking writers, and clears up after rebuilds that were broken off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import LockWait, RightMissing, Stopped
from pg_archiver.maintenance.bloat import measure_heap
from pg_archiver.maintenance.inspection import IndexCondition
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bloat:
    """From when on an index is rebuilt: so many times a fresh one's size, and at least so many bytes to gain."""

    factor: float = 1.5
    least_bytes: int = 1 << 20


def drop_leftovers(session: Session, oid: int) -> list[str]:
    """Drop what a broken-off REINDEX CONCURRENTLY left of this table, and say what.

    Whoever may rebuild an index need not be its owner, who alone may drop it.
    """
    told = []
    for row in session.fetch_all("maintenance/compact/leftovers", oid=oid):
        try:
            session.execute("maintenance/compact/drop_index", {"index": TableName(row.schema, row.name)})
        except RightMissing:
            told.append(
                f"{row.name} is left over from a rebuild that was broken off, and costs every write. Only the owner "
                "of the table may drop it. Fix: DROP INDEX CONCURRENTLY"
            )
        else:
            told.append(f"dropped {row.name}, left over from a rebuild that was broken off")
    return told


def rebuild_bloated(
    session: Session,
    oid: int,
    bloat: Bloat,
    shrunk: float,
    no_room: Callable[[int], str | None],
    stopping: Callable[[], bool],
) -> list[str]:
    """Rebuild each bloated index CONCURRENTLY, the smallest first, and say what it did and left.

    Args:
        session: a session on the client database.
        oid: the heap.
        bloat: what counts as bloated.
        shrunk: the heap's size now, by its size before; it decides where an index's fresh size is not known.
        no_room: why a new index of so many bytes has no room on the disk, None if it has.
        stopping: asked before each index.

    Raises:
        Stopped: `stopping` said so.
        DatabaseInterrupted: broken off in the middle of one; the next run clears up.
    """
    notes = []
    part = measure_heap(session, oid, with_indexes=True)
    for index in sorted(part.indexes if part else (), key=lambda index: (index.size, index.name)):
        if not index.valid or not _is_bloated(index, bloat, shrunk):
            continue
        if stopping():
            raise Stopped(f"stopped before the rebuild of index {index.name.name}. Run it again to continue")
        notes.append(_rebuild_index(session, oid, index, no_room))
    return notes


def _is_bloated(index: IndexCondition, bloat: Bloat, shrunk: float) -> bool:
    if index.fresh is None:
        return shrunk * bloat.factor < 1 and index.size > bloat.least_bytes
    return index.size > index.fresh * bloat.factor and index.free > bloat.least_bytes


def _rebuild_index(session: Session, oid: int, index: IndexCondition, no_room: Callable[[int], str | None]) -> str:
    needed = index.size if index.fresh is None else index.fresh
    name = index.name.name
    if index.is_exclusion:
        return f"index {name} is bloated, but an exclusion constraint's cannot be rebuilt concurrently"
    if hindrance := no_room(needed):
        return f"index {name} is bloated, but a new one {hindrance}"
    log.info("rebuilding index %s of %d bytes", index.name, index.size)
    try:
        session.execute("maintenance/compact/reindex", {"index": index.name})
    except LockWait:
        # Somebody's transaction outlasted the wait: the index itself is as it was.
        left = drop_leftovers(session, oid)
        return "; ".join([f"index {name} is bloated, but another session kept its rebuild from ending", *left])
    return f"rebuilt index {name} concurrently"
