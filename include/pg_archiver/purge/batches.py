"""Deleting what is due in batches, each a transaction with its count, the oldest rows first.

Each batch begins where the one before ended. Searching from the oldest row again would go over all that is deleted and
not yet cleaned up, in every batch; so rows that came late, behind it, are looked for once more at the end.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from pg_archiver.domain.windows import TimestampKind, Window, bounds
from pg_archiver.postgres.session import Session
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.pace import Pace
from pg_archiver.purge.table_in_hand import Listed, RowsLockedError, TableChangedError, TableInHand
from pg_archiver.purge.turns import Turn
from pg_archiver.runtime.log_interval import LogInterval

log = logging.getLogger(__name__)

# A batch holds its locks until it commits, and its list of places in memory.
MOST_ROWS_A_BATCH = 100_000
# How many places are listed at once: some megabytes, also for the sort of a table without an index.
LISTED_AT_ONCE = 200_000


class _ByIndex:
    """The oldest rows of a span along an index, straight away."""

    def __init__(self, table: TableInHand, first: date, end: date) -> None:
        self._table = table
        self._end = end
        self.first = first
        self.more = True
        self.stuck = False

    def delete_batch(self, limit: int) -> int:
        """Delete the next batch, and return how many rows are gone."""
        batch = self._table.delete_oldest(self.first, self._end, limit)
        self.more = batch.found == limit
        self.stuck = self.more and not batch.deleted
        self.first = batch.last if batch.found else self.first
        return int(batch.deleted)


class _ByList:
    """The oldest rows of a span by a list of their places, each of which has one turn, whatever becomes of it."""

    def __init__(self, table: TableInHand, first: date, end: date) -> None:
        self._table = table
        self._end = end
        self.first = first
        self.more = True
        self.stuck = False
        self._skip = 0
        self._listed: deque[Listed] = deque()
        self._is_last = False
        self._of_one_moment = False
        self._stayed = 0

    def delete_batch(self, limit: int) -> int:
        """Delete the next batch, and return how many rows are gone."""
        if not self._listed:
            self._list(limit)
        if not self._listed:
            return 0
        batch = self._listed.popleft()
        try:
            deleted = self._table.delete_listed(batch, self._end)
        except RowsLockedError:
            log.warning(
                "%s: up to %d rows are locked by others and wait for the next run", self._table.order.table, batch.rows
            )
            deleted = 0
        self._stayed += batch.rows - deleted
        self.first = batch.last
        self.more = bool(self._listed) or not self._is_last
        return deleted

    def _list(self, limit: int) -> None:
        # Rows that stay and lie at one moment would be listed again and again; they are passed over by their number.
        self._skip = self._skip + self._stayed if self._of_one_moment else 0
        most = max(LISTED_AT_ONCE, limit)
        found = self._table.list_oldest(self.first, self._end, most, self._skip, limit)
        self._listed.extend(found)
        self._is_last = sum(batch.rows for batch in found) < most
        self._of_one_moment = bool(found) and found[0].first == found[-1].last
        self._stayed = 0
        self.more = bool(found)


@dataclass
class Batches:
    """The batches of one run, over spans of what is due."""

    session: Session
    order: PurgeOrder
    kind: TimestampKind
    stopping: Callable[[], str | None]
    count: Callable[[int], None]
    rows: int = 0
    left: str | None = None
    _pace: Pace = field(init=False)
    _told: LogInterval = field(default_factory=LogInterval)

    def __post_init__(self) -> None:
        self._pace = Pace(self.order.rows_per_second)

    def delete(self, spans: Sequence[Window]) -> None:
        """Delete what is due of these spans; `rows` says how many are gone, `left` why it ended early.

        Raises:
            TableRefused: rows cannot be deleted from the table safely any more, or others point to them.
            TriggerRefused: triggers deleted rows by themselves.
            DatabaseInterrupted: a lock or a statement took too long.
        """
        with Turn(self.session, self.order) as turn:
            table = self._look()
            if self._delete_spans(turn, table, spans) > 1 and self.left is None:
                self._delete_spans(turn, table, spans)

    def _delete_spans(self, turn: Turn, table: TableInHand, spans: Sequence[Window]) -> int:
        """Return in how many batches rows went."""
        batches = 0
        for span in spans:
            first, end = bounds(span, self.kind)
            way = _choose_way(table, first, end)
            while way.more and not self._must_end():
                turn.take()
                try:
                    deleted = way.delete_batch(self._limit)
                except TableChangedError:
                    log.info("%s was changed meanwhile, and is looked at again", self.order.table)
                    table = self._look()
                    way = _choose_way(table, way.first, end)
                    continue
                self.rows += deleted
                batches += deleted > 0
                if way.stuck:
                    way = _ByList(table, way.first, end)
                if self._told.due():
                    log.info("%s: %d rows deleted", self.order.table, self.rows)
                turn.rest(self._pace.count(deleted))
        return batches

    def _look(self) -> TableInHand:
        """Look at the table; what is due is known for one kind of time alone."""
        table = TableInHand.look(self.session, self.order, self.count)
        if table.shape.timestamp_kind is not self.kind:
            self.left = f"column {self.order.timestamp_column!r} has another type now; the rest is for the next run"
        return table

    @property
    def _limit(self) -> int:
        return self._pace.limit(min(self.order.batch_size, MOST_ROWS_A_BATCH))

    def _must_end(self) -> bool:
        self.left = self.left or self.stopping()
        return self.left is not None


def _choose_way(table: TableInHand, first: date, end: date) -> _ByIndex | _ByList:
    by_index = table.goes_by_index
    table.session.fetch_all("purge/plan_by_index" if by_index else "purge/plan_by_list")
    return (_ByIndex if by_index else _ByList)(table, first, end)
