"""Taking a partition out of its table while everybody continues to work, one after the other from each table.

DETACH CONCURRENTLY marks the partition first, so that new queries do not see it, and then waits until those have ended
that still may. While it waits the partition's rows are out of sight, and nothing takes that back but the end of the
detach. So it is begun only when nobody is there for whom it would have to wait for long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.errors import Busy, DatabaseInterrupted, LockWait, Refused
from pg_archiver.ledger.locks import detach_lock
from pg_archiver.ledger.partition_drops import PartitionDropLog
from pg_archiver.postgres.session import Row, Session

log = logging.getLogger(__name__)

# A concurrent detach waits for transactions that still see the partition; meanwhile it is in nobody's way.
DETACH_LOCK_TIMEOUT = timedelta(minutes=5)
# Whoever has not given the table up by then, as a pg_dump, may hold it for hours. Waiting for him harms nobody yet.
READER_SECONDS = 300.0
_READER_POLL_SECONDS = 0.2
_MOST_NAMED = 3
# How often another detach from the same table is waited for, two minutes each time.
_DETACH_TURNS = 8


@dataclass(frozen=True)
class Whereabouts:
    """Where the partition is now: its name, and whether it is a part of its table."""

    table: TableName
    attached: bool
    pending: bool


def find_whereabouts(session: Session, partition: Partition) -> Whereabouts | None:
    """Return where it is now; None if nothing has its oid."""
    rows = session.fetch_all("partitions/partition_state", oid=partition.oid)
    if not rows:
        return None
    return Whereabouts(TableName(rows[0].schema, rows[0].name), rows[0].attached, rows[0].pending)


@contextmanager
def take_turn(session: Session, partition: Partition) -> Generator[None]:
    """Take a turn: partitions of one parent are detached one after the other, as the server demands.

    A reader holds up the first of them for minutes, so the others have patience.
    """
    with ExitStack() as held:
        for left in reversed(range(_DETACH_TURNS)):
            try:
                held.enter_context(
                    session.advisory_lock(detach_lock(partition.parent), f"detaching from {partition.parent}")
                )
                break
            except Busy:
                if not left:
                    raise
        yield


def _end_other_detaches(session: Session, drops: PartitionDropLog, partition: Partition) -> None:
    """End the detach of another partition that one of our runs began: before that, none can be detached."""
    ours = {one.oid: one.table for one in drops.list_unfinished().values()}
    parent = partition.parent
    for other in session.fetch_all("partitions/pending_detach", schema=parent.schema, table=parent.name):
        table = TableName(other.schema, other.name)
        if other.oid == partition.oid:
            continue
        if ours.get(other.oid) != table:
            raise DatabaseInterrupted(f"{table} is being detached from {parent} by somebody else. {partition} waits")
        log.info("ending the detach of %s first", table)
        with session.timeouts(lock=DETACH_LOCK_TIMEOUT):
            session.execute("partitions/detach_finalize", {"parent": parent, "partition": table})


def detach(session: Session, drops: PartitionDropLog, partition: Partition, table: TableName, begun: int) -> None:
    """Take the partition out of its table, without a lock on the table that would stop readers or writers."""
    log.info("%s: detaching it", partition)
    try:
        with take_turn(session, partition):
            _end_other_detaches(session, drops, partition)
            _refuse_under_long_readers(session, partition)
            with session.timeouts(lock=DETACH_LOCK_TIMEOUT):
                session.execute("partitions/detach_concurrently", {"parent": partition.parent, "partition": table})
    except Refused as refusal:
        now = find_whereabouts(session, partition)
        if now and now.attached:
            drops.end(begun, "attached", str(refusal))
        raise
    except LockWait as wait:
        now = find_whereabouts(session, partition)
        if now and now.attached:
            # It never began: the line would only make the next run look for what became of it.
            drops.end(begun, "attached", str(wait))
            raise
        raise LockWait(
            f"{partition} is half detached, and its rows are out of sight until the transactions that still see it "
            f"have ended ({wait}). The next try ends the detach, and attaches the partition again if a row of it has "
            "to stay"
        ) from None


def finalize(session: Session, partition: Partition) -> None:
    """End a detach that was broken off."""
    here = find_whereabouts(session, partition)
    if here and here.pending:
        with session.timeouts(lock=DETACH_LOCK_TIMEOUT):
            session.execute("partitions/detach_finalize", {"parent": partition.parent, "partition": here.table})


def _refuse_under_long_readers(session: Session, partition: Partition) -> None:
    """Let those come to an end who have the table locked at this moment, in whatever mode; no further ones.

    Raises:
        LockWait: somebody does not; nothing was begun.
    """
    deadline = time.monotonic() + READER_SECONDS
    first: set[str] | None = None
    while True:
        found = session.fetch_all(
            "partitions/lock_holders", schema=partition.parent.schema, table=partition.parent.name
        )
        first = {row.transaction for row in found} if first is None else first
        left = [row for row in found if row.transaction in first]
        if not left:
            return
        if time.monotonic() > deadline:
            raise LockWait(
                f"{partition} was not detached, since {', '.join(map(_name, left[:_MOST_NAMED]))} has had a lock on "
                f"{partition.parent} for more than {READER_SECONDS:g} seconds, and its rows would be out of sight for "
                "as long as that lasts. It is whole and in its place, and the next run drops it. Fix, if such a "
                "transaction is there every night, as a backup's: set another schedule for the DAG"
            )
        time.sleep(_READER_POLL_SECONDS)


def _name(row: Row) -> str:
    if row.pid is None:
        return f"the prepared transaction {row.prepared or row.transaction}"
    told = [f"pid {row.pid}", f"user {row.user_name}"]
    told += [f"application {row.application!r}"] if row.application else []
    told += [f"in a transaction since {row.since:%Y-%m-%d %H:%M:%S} UTC"] if row.since else []
    return f"({', '.join(told)})"
