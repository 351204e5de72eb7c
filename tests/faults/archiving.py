"""A whole run of the archiver on one table, and plain reruns until nothing is due."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg

from pg_archiver.archive.delete import delete_all
from pg_archiver.archive.drop_partition import ask_nothing, drop
from pg_archiver.archive.export import export
from pg_archiver.archive.plan import plan
from pg_archiver.archive.run_span import Limits
from pg_archiver.archive.store import store_all
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import Batch, OnConflict, RestoreOrder, WorkOrder
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.postgres.base_session import SessionLimits
from pg_archiver.postgres.session import Session
from pg_archiver.restore.restore import restore
from pg_archiver.restore.result import Restored
from pg_archiver.s3.bucket import Bucket
from tests.faults.place import NOW, Place, hours_ago

LONG_AGO, LATER = hours_ago(24 * 300), hours_ago(-24)
_MOST_RERUNS = 30


@dataclass(frozen=True)
class Run:
    """Each step has a connection of its own, as in the DAGs."""

    connect: Callable[[], psycopg.Connection[Any]]
    database: str
    store: Bucket
    order: WorkOrder
    policy: TablePolicy
    limits: SessionLimits = field(default_factory=SessionLimits)

    @classmethod
    def of(cls, place: Place, bucket: Bucket | None = None) -> Run:
        return cls(place.connect, place.database, bucket or place.store, place.order, place.policy)

    def children(self) -> list[Run]:
        """The runs of the tables that leave before this one."""
        return [replace(self, order=replace(self.order, table=child, children=())) for child in self.order.children]

    def plan(self) -> list[DueWindow]:
        return [window for batch in self.batches() for window in batch]

    def batches(self, run_time: datetime = NOW) -> list[Batch]:
        limits = Limits(run_time=run_time, start=None, end=None)
        keep = KeepDays(2, "the test")
        with self.session("plan") as session:
            found = plan(session, self.store, self.order, self.policy, keep, limits)
            if found.batches:
                WindowLedger(session, self.order).migrate()
        return list(found.batches)

    def export(self, windows: list[DueWindow]) -> None:
        with self.session("export") as session:
            for window in windows:
                export(session, self.store, self.order, window)

    def check(self, windows: list[DueWindow]) -> None:
        with self.session("store") as session:
            store_all(session, self.store, self.order, windows)

    def delete(self, windows: list[DueWindow], stopping: Callable[[], bool] = lambda: False) -> int:
        """Returns the rows deleted, those of former tries of the same windows too."""
        with self.session("delete") as session:
            return sum(one.rows for one in delete_all(session, self.store, self.order, windows, stopping))

    def remove(
        self,
        batches: list[Batch],
        stopping: Callable[[], bool] = lambda: False,
        confirm: Callable[[], None] = ask_nothing,
    ) -> int:
        """As the delete task does: whole partitions are dropped if all of their rows are covered."""
        rows = 0
        for batch in batches:
            with self.session("delete") as session:
                found = drop(session, self.store, self.order, batch.partition, confirm) if batch.partition else None
            rows += found.rows if found else self.delete(list(batch), stopping)
        return rows

    def archive(self, pause: Callable[[], object] = lambda: None) -> int:
        """Plans, and takes all windows through each step; `pause` is called between the steps."""
        batches = self.batches()
        for step in (self.export, self.check):
            step([window for batch in batches for window in batch])
            pause()
        return self.remove(batches)

    def restore(
        self,
        into: str | None = None,
        *,
        on_conflict: str = "skip",
        hold_days: int = 0,
        start: datetime = LONG_AGO,
        end: datetime = LATER,
    ) -> Restored:
        """Restores all that ever left, or a span of it, into the table itself or into another one of its schema."""
        target = TableName(self.order.table.schema, into) if into else None
        order = RestoreOrder(self.order, start, end, target, OnConflict(on_conflict), hold_days)
        with self.session("restore") as session:
            return restore(session, self.store, order)

    def settle(self) -> int:
        """Runs again and again until nothing is due; any error of a rerun is an error of the test."""
        for child in self.children():
            child.settle()
        for rerun in range(_MOST_RERUNS):
            if not self.batches():
                return rerun
            self.archive()
        raise AssertionError(f"after {_MOST_RERUNS} reruns something is still due: {self.batches()[:3]}")

    def session(self, step: str) -> AbstractContextManager[Session]:
        """A connection of the step's own."""
        return Session.connect(self.connect, self.database, f"archiver {step} faults", limits=self.limits)
