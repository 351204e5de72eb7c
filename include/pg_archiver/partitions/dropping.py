"""Dropping a partition that is due as a whole, instead of emptying it row by row.

Detaching comes first, without a lock that anybody waits for; the last look at every row comes after it, when nobody
can reach the partition through its table, and in one transaction with the drop and the ledger. If a row turns out to
have to stay, the partition is attached again as it was. Which rows may go is for others to say (`Contents`).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.work import TableOrder
from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused, Refused, TableRefused
from pg_archiver.ledger.locks import partition_lock, rewrite_lock
from pg_archiver.ledger.partition_drops import Dropped, PartitionDropLog
from pg_archiver.partitions.detaching import Whereabouts, detach, finalize, find_whereabouts, take_turn
from pg_archiver.partitions.put_back_detached import put_back
from pg_archiver.postgres.catalog import describe_table
from pg_archiver.postgres.foreign_keys import find_keys_to_wait_for
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Literal, Names

log = logging.getLogger(__name__)


class Contents(ABC):
    """What decides whether the rows of one partition may go with it.

    Attributes:
        back: why it goes back into its table, where `take` found a row that has to stay.
        rest: what rows it holds then, for the error that tells of them where they cannot go back.
    """

    back: ClassVar[str]
    rest: ClassVar[str]

    @abstractmethod
    def prepare(self) -> bool:
        """Get ready; return False if it is not to be dropped, whatever its rows are."""

    @abstractmethod
    def is_due(self, table: TableName) -> bool:
        """Return whether every row of it may go, as far as that can be told before it is detached."""

    @abstractmethod
    def confirm(self) -> None:
        """Ask for the last time, before the locks are taken under which it goes; what this raises keeps it."""

    @abstractmethod
    def take(self, table: TableName) -> int | None:
        """Look at every row, under those locks, and write that they go; return how many, None if one has to stay."""

    def list_taken(self) -> Names | None:
        """Return how rows are compared with those that may go, where some may and need not go back; else None."""
        return None

    def take_listed(self, table: TableName) -> int:  # noqa: ARG002 (nothing is on a list)
        """Write that these rows go, and return how many."""
        return 0

    def finish(self) -> None:
        """Do what is left, when what was taken is committed."""
        return


def drop_whole(session: Session, order: TableOrder, partition: Partition, contents: Contents) -> Dropped | None:
    """Drop the partition, if every row in it may go; else leave it, and return None.

    A drop that was broken off is taken up where it stands. None means that rows are to be deleted in batches.

    Raises:
        DatabaseInterrupted: a lock was not to be had in time; the partition is still whole, and a rerun continues.
        DatabaseRefused: the server will not detach or drop it; it is attached as before.
        ArchiverError: what `contents` raised; it is attached as before if that is a `Refused`.
    """
    drops = PartitionDropLog(session, order)
    with (
        session.advisory_lock(partition_lock(order.table, partition.oid), str(partition)),
        session.advisory_lock(rewrite_lock(order), f"table {order.table}", shared=True),
    ):
        begun, partition = _find_begun(drops, partition)
        work = _Drop(session, order, drops, partition)
        here = find_whereabouts(session, partition)
        if here is None or here.table != partition.table:
            work.end_gone(begun, here)
            return None
        if here.attached:
            if begun is not None:
                drops.end(begun, "attached", "the detach never took place")
            if not contents.prepare() or not contents.is_due(here.table):
                return None
            if not partition.alone:
                contents.confirm()
                return work.drop_at_once(contents)
            begun = drops.begin(partition)
            detach(session, drops, partition, here.table, begun)
            return work.take_and_drop(begun, contents, prepared=True)
        if begun is None:
            raise DatabaseInterrupted(f"{partition} is being detached by somebody else. It is left to them")
        with take_turn(session, partition):
            finalize(session, partition)
        return work.take_and_drop(begun, contents, prepared=False)


def bring_back(session: Session, order: TableOrder, partition: Partition) -> None:
    """Attach a partition again that an earlier run began to drop and that is no longer due.

    Raises:
        DatabaseInterrupted: a lock was not to be had in time; a rerun continues.
        DatabaseRefused: the server will not attach it.
    """
    drops = PartitionDropLog(session, order)
    with session.advisory_lock(partition_lock(order.table, partition.oid), str(partition)):
        begun, partition = _find_begun(drops, partition)
        work = _Drop(session, order, drops, partition)
        here = find_whereabouts(session, partition)
        if begun is None:
            return
        if here is None or here.table != partition.table:
            work.end_gone(begun, here)
            return
        if here.attached:
            drops.end(begun, "attached", "the detach never took place, and it is not due any more")
            return
        with take_turn(session, partition):
            finalize(session, partition)
        work.return_to_table(begun, None, "it is not due any more", "rows that are not due")


def _find_begun(drops: PartitionDropLog, partition: Partition) -> tuple[int | None, Partition]:
    """Return the number of the line of a drop that was begun, if any, and the partition as that has it."""
    for number, one in drops.list_unfinished().items():
        if one.oid == partition.oid:
            return number, replace(partition, table=one.table, parent=one.parent, bounds=one.bounds)
    return None, partition


@dataclass(frozen=True)
class _Drop:
    """A partition in hand. What was begun is known by the number of its line in the ledger."""

    session: Session
    order: TableOrder
    drops: PartitionDropLog
    partition: Partition

    def end_gone(self, begun: int | None, here: Whereabouts | None) -> None:
        """End what cannot be continued; `here` is what goes by the partition's oid now, under another name.

        That may be the partition, which somebody renamed, or a stranger: after a dump and restore oids mean other
        tables.

        Raises:
            TableRefused: there are rows in it, or may be; it was left alone.
        """
        found = f"its oid is that of {here.table}, which was left alone" if here else "somebody else dropped it"
        log.warning("%s is not there any more under this name: %s", self.partition, found)
        if begun is None:
            return
        self.drops.end(begun, "gone", found)
        if here and self._may_hold_rows(here.table):
            raise TableRefused(
                f"{self.partition} was detached to be dropped and is not there any more under this name. {here.table} "
                "has its oid and holds rows: it was left alone. Fix: if somebody renamed the partition, put its rows "
                "back with ALTER TABLE ... ATTACH PARTITION, or INSERT them. If that is another table, there is "
                "nothing to do"
            )

    def _may_hold_rows(self, table: TableName) -> bool:
        try:
            return bool(self.session.fetch_one("partitions/has_rows", {"partition": table}).found)
        except DatabaseRefused:
            return True

    def take_and_drop(self, begun: int, contents: Contents, *, prepared: bool) -> Dropped | None:
        """Look at every row and drop the detached partition in one transaction; or it goes back into its table."""
        try:
            ready = prepared or contents.prepare()
            contents.confirm()
            with self.session.transaction():
                table = self._lock_partition()
                rows = contents.take(table) if ready else None
                if rows is not None:
                    dropped = Dropped(self.partition.table, rows, self._drop_table(table))
                    self.drops.end(begun, "dropped", dropped=dropped)
        except Refused as refusal:
            self.return_to_table(begun, None, str(refusal), contents.rest)
            raise
        if rows is None:
            self.return_to_table(begun, contents if ready else None, contents.back, contents.rest)
            return None
        return _finish(contents, dropped)

    def drop_at_once(self, contents: Contents) -> Dropped | None:
        """Drop in one transaction: with a default partition the server cannot detach concurrently."""
        with self.session.transaction():
            self.session.execute("partitions/lock_parent", {"parent": self.partition.parent})
            table = self._lock_partition()
            rows = contents.take(table)
            if rows is None:
                return None
            begun = self.drops.begin(self.partition)
            self.session.execute("partitions/detach", {"parent": self.partition.parent, "partition": table})
            dropped = Dropped(self.partition.table, rows, self._drop_table(table))
            self.drops.end(begun, "dropped", dropped=dropped)
        return _finish(contents, dropped)

    def return_to_table(self, begun: int, contents: Contents | None, why: str, rest: str) -> None:
        """Attach the detached partition again; if the server refuses that permanently, its rows are put back instead.

        With `contents` those of its rows need not go back that may go.

        Raises:
            TableRefused: neither is possible; nothing was done.
        """
        partition, table = self.partition, self.order.table
        try:
            with self.session.transaction():
                self._attach(self._lock_partition())
                self.drops.end(begun, "attached", why)
        except DatabaseRefused as refusal:
            try:
                self._put_back(begun, contents)
            except Refused as other:
                raise TableRefused(
                    f"{partition} was detached to be dropped, holds {rest}, and cannot be attached any more "
                    f"({refusal}). Nor can its rows be put back into {table}: {other}. Nothing was changed. Fix: make "
                    "room for it, and the next run attaches it. Or remove what is in the way, INSERT its rows into "
                    f"{table} with OVERRIDING SYSTEM VALUE and DROP TABLE {partition.table} in one transaction"
                ) from None

    def _put_back(self, begun: int, contents: Contents | None) -> None:
        """Insert what has to stay into the table and drop the partition: all of it in one transaction."""
        session, order, partition = self.session, self.order, self.partition
        with session.transaction():
            table = self._lock_partition()
            listed = contents.list_taken() if contents else None
            shape = describe_table(session, order.table, order.timestamp_column, order.children)
            rows = put_back(session, shape, table, partition.oid, listed)
            taken = contents.take_listed(table) if contents and listed else 0
            dropped = Dropped(partition.table, taken, self._drop_table(table))
            self.drops.end(
                begun, "moved", f"it could not be attached again: {rows} row(s) put back into the table", dropped
            )
        log.warning(
            "%s could not be attached again: %d row(s) of it were put back into %s", partition, rows, order.table
        )
        if contents and listed:
            contents.finish()

    def _lock_partition(self) -> TableName:
        """Lock the partition under the name that it has now, and make sure that the name is still its own."""
        session, partition = self.session, self.partition
        here = find_whereabouts(session, partition)
        if here is not None:
            session.execute("partitions/lock_partition", {"partition": here.table})
            if here.table == partition.table and find_whereabouts(session, partition) == here:
                return here.table
        raise DatabaseInterrupted(
            f"database {session.name}: {partition} was renamed or dropped by somebody else just now"
        )

    def _drop_table(self, table: TableName) -> int:
        """Return what its files took."""
        find_keys_to_wait_for(self.session, table, self.partition.oid, ())
        bytes_ = int(self.session.fetch_one("partitions/partition_bytes", oid=self.partition.oid).bytes)
        self.session.execute("partitions/drop", {"partition": table})
        return bytes_

    def _attach(self, table: TableName) -> None:
        names = {"parent": self.partition.parent, "partition": table}
        lower, upper = map(Literal, self.partition.bounds)
        self.session.execute("partitions/attach", {**names, "lower": lower, "upper": upper})
        log.warning("%s is attached again", self.partition)


def _finish(contents: Contents, dropped: Dropped) -> Dropped:
    contents.finish()
    log.info("%s", dropped)
    return dropped
