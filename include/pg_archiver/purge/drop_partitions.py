"""Dropping the partitions that are due as a whole, instead of deleting their rows one by one.

How a partition leaves its table is in `partitions`. That all of its rows are due is seen under the lock under which it
goes, by their own time, and they are counted there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.windows import Window, bounds
from pg_archiver.errors import ArchiverError, Refused
from pg_archiver.ledger.partition_drops import Dropped
from pg_archiver.ledger.restores import RestoreLog
from pg_archiver.partitions.dropping import Contents, bring_back, drop_whole
from pg_archiver.partitions.whole_partitions import Found, choose_partitions
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import ColumnTime
from pg_archiver.postgres.subscribers import find_subscribers
from pg_archiver.purge.due import Due, PurgeOrder
from pg_archiver.runtime.failures import Failures

log = logging.getLogger(__name__)

# Beside a default partition readers of the table wait while the rows are counted; where that takes longer, they are
# deleted in batches instead.
LONGEST_STOP_SECONDS = 2.0


class NotWantedError(Refused):
    """The work is not wanted any more; the message says why. The partition stays."""


@dataclass
class DueRows(Contents):
    """The rows of a partition, which may go if each of them is due."""

    back = "not every row of it is due"
    rest = "rows that are not due"

    session: Session
    order: PurgeOrder
    due: Due
    partition: Partition
    stopping: Callable[[], str | None]
    count: Callable[[int], None]

    def prepare(self) -> bool:
        """Ask once more for what may have come since the choice: holds of restores, and subscribers."""
        held = bool(RestoreLog(self.session, self.order).list_holds(self.partition.span))
        if held or find_subscribers(self.session, self.due.shape.oid):
            log.warning(
                "%s is not dropped: %s", self.partition, "a restore holds rows of it" if held else "subscribers"
            )
            return False
        return True

    def is_due(self, table: TableName) -> bool:
        """Return what its bounds say, which the server holds it to; beside a default partition, if it is counted fast.

        Its rows are seen when it is detached, and nobody waits for that.
        """
        if self.partition.alone:
            return True
        began = time.monotonic()
        staying = self._look(table).staying
        took = time.monotonic() - began
        if took > LONGEST_STOP_SECONDS:
            log.warning(
                "%s is not dropped: beside a default partition that would stop readers for %.0f s; its rows are "
                "deleted in batches",
                self.partition,
                took,
            )
        return not staying and took <= LONGEST_STOP_SECONDS

    def confirm(self) -> None:
        """Ask whether the work is still wanted.

        Raises:
            NotWantedError: it is not.
        """
        if reason := self.stopping():
            raise NotWantedError(reason)

    def take(self, table: TableName) -> int | None:
        """Count the rows that go, if all of them are due."""
        found = self._look(table)
        if found.staying:
            log.warning("%s is not dropped: %d row(s) of it are not due", self.partition, found.staying)
            return None
        if found.rows:
            self.count(found.rows)
        return int(found.rows)

    def _look(self, table: TableName) -> Row:
        kind, column = self.due.shape.timestamp_kind, self.order.timestamp_column
        first, end = bounds(self.due.span, kind)
        return self.session.fetch_one(
            "purge/count_partition",
            {"table": table, "column": column, "moment": ColumnTime("target", column, kind)},
            first=first,
            end=end,
            schema=self.order.table.schema,
            name=self.order.table.name,
        )


def find_partitions(session: Session, order: PurgeOrder, due: Due) -> Found:
    """Return the partitions that may be dropped whole, half dropped ones too, and notes on those that may not."""
    return choose_partitions(session, due.shape, order, due.span, due.holds, wanted=order.drop_partitions)


@dataclass
class PartitionDrops:
    """The drops of one run.

    Attributes:
        dropped: the partitions that are gone.
        kept: the spans of those whose drop failed, which are left to the next run.
        left: why the run ends here, if it does.
    """

    session: Session
    order: PurgeOrder
    due: Due
    stopping: Callable[[], str | None]
    count: Callable[[int], None]
    dropped: list[Dropped] = field(default_factory=list)
    kept: list[Window] = field(default_factory=list)
    left: str | None = None
    failures: Failures = field(init=False)

    def __post_init__(self) -> None:
        self.failures = Failures(self.session)

    def drop(self, partitions: Sequence[Partition]) -> None:
        """Drop these, one after the other; one that fails keeps no other from its turn.

        Raises:
            ArchiverError: no other one can have its turn either.
            Stopped: the process was told to end.
        """
        for partition in partitions:
            self.left = self.left or self.stopping()
            if self.left:
                return
            with self.failures.collect(partition):
                try:
                    self._drop(partition)
                except NotWantedError as reason:
                    self.left = str(reason)
                except ArchiverError:
                    self.kept.append(partition.span)
                    raise

    def _drop(self, partition: Partition) -> None:
        if partition.back:
            bring_back(self.session, self.order, partition)
            return
        rows = DueRows(self.session, self.order, self.due, partition, self.stopping, self.count)
        if dropped := drop_whole(self.session, self.order, partition, rows):
            self.dropped.append(dropped)
