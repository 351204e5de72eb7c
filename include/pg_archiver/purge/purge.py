"""purge: what is old enough leaves a table without an archive, since the table's job plainly says `delete`.

Whole partitions are dropped, all other rows deleted in batches. What the archive refuses is refused here too: tables
from which a delete would reach further, rows that a restore holds, rows to which others point.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pg_archiver.domain.windows import Window, bounds
from pg_archiver.domain.wording import say_count
from pg_archiver.ledger.migrations import LedgerTables
from pg_archiver.postgres.rows_that_stay import find_waiting, refuse_never_leaving
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, NotReferenced
from pg_archiver.purge.batches import Batches
from pg_archiver.purge.drop_partitions import PartitionDrops, find_partitions
from pg_archiver.purge.due import Due, PurgeOrder, find_due
from pg_archiver.purge.purge_versions import VersionBatches, rehearse_versions

log = logging.getLogger(__name__)

_MOST_COUNTED = 1_000_000
_MOST_LEFT_COUNTED = 1_000
_MOST_NAMED = 10


@dataclass(frozen=True)
class Purged:
    """What came of it.

    Attributes:
        rows: how many rows are gone, those of dropped partitions among them.
        partitions: how many partitions were dropped whole.
        told: one line for people.
        left: why it ended before its end, in good order; None if it did not.
        bytes: how many bytes the rows had, where versions were told apart; else 0.
        kept_by: what binds, of all that keeps versions; None where nothing does, or rows go by their age alone.
        highest_version: the highest version that is gone; None where none is.
    """

    rows: int
    partitions: int
    told: str
    left: str | None
    bytes: int = 0
    kept_by: str | None = None
    highest_version: str | None = None


def rehearse(session: Session, order: PurgeOrder) -> str:
    """Return what `purge` would do, in one line. Nothing is written.

    Raises:
        TableRefused: the table is missing, or rows cannot be deleted from it safely.
        Unfinished: nothing that is due can ever leave.
    """
    if order.keep.everything:
        return _tell_everything(order)
    if order.versions:
        return rehearse_versions(session, order, order.versions)
    due = find_due(session, order)
    found = find_partitions(session, order, due)
    whole = [one for one in found.partitions if not one.back]
    rows = _count(session, order, due, due.list_free(one.span for one in whole), _MOST_COUNTED)
    waiting = find_waiting(session, due.shape, due.span, (), none_is_free=not (rows or due.holds))
    refuse_never_leaving(waiting)
    told = []
    if rows:
        batch = say_count(order.batch_size, "row")
        more = " or more" if rows == _MOST_COUNTED else ""
        told.append(f"{say_count(rows, 'row')}{more} would be deleted, in batches of {batch}, and archived nowhere")
    if whole:
        named = ", ".join(str(one.table) for one in whole[:_MOST_NAMED])
        more = ", ..." if len(whole) > _MOST_NAMED else ""
        told.append(f"{say_count(len(whole), 'partition')} would be dropped whole: {named}{more}")
    notes = [*_tell_notes(due, found.notes), *(one.words for one in waiting)]
    return "; ".join([*(told or ["nothing is due"]), _tell_cutoff(order, due), *notes])


def purge(
    session: Session, order: PurgeOrder, stopping: Callable[[], str | None], count: Callable[[int], None]
) -> Purged:
    """Delete what is due of the table, as of now, the oldest first, without an archive.

    Args:
        session: a session on the table's database, which does nothing else meanwhile.
        order: the table.
        stopping: asked before each batch, and before a partition is dropped, for why the work is to end there; None
            if it goes on. What it raises ends it too.
        count: called in each transaction in which rows leave, on the session, with their number.

    Raises:
        TableRefused: rows cannot be deleted from it safely, or others point to them.
        TriggerRefused: triggers deleted rows by themselves; nothing of that batch is gone.
        DatabaseInterrupted: a lock or a statement took too long, or the connection was lost.
        Unfinished: nothing that is due can ever leave.
        ArchiverError: of the partitions that could not be dropped, when all else has had its turn.
        Stopped: the process was told to end.
    """
    if order.keep.everything:
        return Purged(0, 0, _tell_everything(order), None)
    if left := stopping():
        return Purged(0, 0, "nothing was deleted", left)
    LedgerTables(session).migrate()
    if order.versions:
        return _purge_versions(VersionBatches(session, order, order.versions, stopping, count))
    due = find_due(session, order)
    found = find_partitions(session, order, due)
    drops = PartitionDrops(session, order, due, stopping, count)
    drops.drop(found.partitions)
    batches = Batches(session, order, due.shape.timestamp_kind, stopping, count, left=drops.left)
    batches.delete(due.list_free(drops.kept))
    rows = batches.rows + sum(one.rows for one in drops.dropped)
    notes = _tell_notes(due, found.notes)
    if batches.left is None:
        notes += _tell_what_stays(session, order, due, drops.kept, none_is_free=not (rows or due.holds))
    told = [f"{say_count(rows, 'row')} deleted, and archived nowhere"]
    if drops.dropped:
        told.append(f"{say_count(len(drops.dropped), 'partition')} dropped whole")
    result = Purged(rows, len(drops.dropped), "; ".join([*told, _tell_cutoff(order, due), *notes]), batches.left)
    log.info("%s: %s", order.table, result.told)
    drops.failures.settle()
    return result


def _purge_versions(batches: VersionBatches) -> Purged:
    batches.delete()
    gone = batches.gone
    told = f"{say_count(gone.rows, 'row')} deleted ({gone.bytes:,} bytes), and archived nowhere"
    highest = [f"the highest version that went is {gone.highest}"] if gone.rows else []
    kept = [f"kept by: {batches.kept_by}"] if batches.kept_by else []
    result = Purged(
        gone.rows,
        0,
        "; ".join([told, *batches.told, *highest, *kept]),
        batches.left,
        gone.bytes,
        batches.kept_by,
        gone.highest,
    )
    log.info("%s: %s", batches.order.table, result.told)
    return result


def _tell_what_stays(
    session: Session, order: PurgeOrder, due: Due, kept: Sequence[Window], *, none_is_free: bool
) -> list[str]:
    """Return what is told of due rows that are still there at the end."""
    waiting = find_waiting(session, due.shape, due.span, (), none_is_free=none_is_free)
    refuse_never_leaving(waiting)
    told = [one.words for one in waiting]
    rows = _count(session, order, due, due.list_free(kept), _MOST_LEFT_COUNTED)
    if rows:
        more = " or more" if rows == _MOST_LEFT_COUNTED else ""
        told.append(
            f"{say_count(rows, 'row')}{more} that are due stay for the next run: others had them locked or changed "
            "them, a trigger kept them, or they came late"
        )
    return told


def _count(session: Session, order: PurgeOrder, due: Due, spans: Sequence[Window], most: int) -> int:
    """Return how many rows of these spans are due; no further than so many are counted."""
    names: Names = {
        "table": order.table,
        "column": order.timestamp_column,
        "unreferenced": NotReferenced("target", due.shape.waits_for),
    }
    rows = 0
    for span in spans:
        first, end = bounds(span, due.shape.timestamp_kind)
        rows += session.fetch_one("purge/count_due", names, first=first, end=end, limit=most - rows).rows
        if rows >= most:
            break
    return rows


def _tell_notes(due: Due, others: Sequence[str]) -> list[str]:
    notes = [*due.notes, *(one.words for one in due.staying), *others]
    if due.holds:
        first = min(due.holds, key=lambda hold: hold.until)
        notes.append(f"restored rows stay for now, in {len(due.holds)} span(s); the first hold to end: {first}")
    return notes


def _tell_everything(order: PurgeOrder) -> str:
    return f"{order.keep.source} is -1: everything is kept"


def _tell_cutoff(order: PurgeOrder, due: Due) -> str:
    return f"due is what is older than {due.cutoff:%Y-%m-%d %H:%M} UTC ({order.keep.source}: {order.keep.days})"
