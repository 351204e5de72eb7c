"""The ledger of maintenance: what was done to a table, what it took and what it gave back."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from pg_archiver.domain.sizes import Sizes, say_given_back
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError, DatabaseInterrupted
from pg_archiver.ledger.dag_runs import DagRuns
from pg_archiver.ledger.job_runs import RunEnd
from pg_archiver.ledger.locks import maintenance_lock
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Row, Session

log = logging.getLogger(__name__)

_DAG = "maintenance"


class Action(StrEnum):
    """What is done to a table."""

    INDEX = "index"
    VALIDATE = "validate"
    VACUUM = "vacuum"
    RECLAIM = "reclaim"


class Ending(StrEnum):
    """How an action ended; `skipped` found nothing to do, or a person did not want it."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass
class Entry:
    """An action in progress: what its line in the ledger is to say at its end."""

    before: Sizes | None = None
    after: Sizes | None = None
    longest_wait: float = 0.0
    note: str = ""
    ending: Ending = Ending.DONE

    def add(self, note: str) -> None:
        """Add one more note."""
        self.note = f"{self.note}; {note}" if self.note else note


@dataclass(frozen=True)
class MaintenanceRecord:
    """An action that has ended, as the ledger holds it; seconds, and bytes where they were measured."""

    action: Action
    strategy: str | None
    state: str
    before: Sizes | None
    after: Sizes | None
    seconds: float | None
    longest_wait: float | None
    note: str | None

    @property
    def given_back(self) -> int:
        """Bytes, negative where the table has grown."""
        return self.before.total - self.after.total if self.before and self.after else 0

    def __str__(self) -> str:
        told = [f"{self.action}{f' ({self.strategy})' if self.strategy else ''}: {self.state}"]
        if self.before and self.after:
            told.append(f"{say_given_back(self.given_back)} ({self.before} before; {self.after} after)")
        if self.seconds is not None:
            told.append(f"{self.seconds:.1f} s")
        if self.longest_wait:
            told.append(f"others waited up to {self.longest_wait:.1f} s")
        return "; ".join([*told, *([self.note] if self.note else [])])


class MaintenanceLog:
    """The maintenance of one table of one client."""

    def __init__(self, session: Session, order: WorkOrder) -> None:
        """Read and write through this connection, for this client and table."""
        self._session = session
        self._order = order
        self._subject = {"client": order.client, "schema": order.table.schema, "table": order.table.name}
        self._runs = DagRuns(session, _DAG, order.run_id)

    @contextmanager
    def record(self, action: Action, before: Sizes | None = None, strategy: str | None = None) -> Generator[Entry]:
        """Write a line in the ledger for what is done in this block; an error that ends the block ends it as failed.

        The caller holds the maintenance lock. In a dry run nothing is written.
        """
        entry = Entry(before)
        if self._order.dry_run:
            yield entry
            return
        row = self._begin(action, before, strategy)
        run: int | None = None
        try:
            run = self._runs.begin(action, str(self._order.table))
            yield entry
        except BaseException as error:
            entry.ending = Ending.FAILED
            entry.add(str(error) if isinstance(error, ArchiverError) else type(error).__name__)
            self._try_to_end(row, entry)
            self._runs.end(run, _make_end(entry))
            raise
        self._end(row, entry)
        self._runs.end(run, _make_end(entry))

    def note_skipped(self, action: Action, why: str) -> None:
        """Write a line in the ledger for what was not done because a person rejected it.

        Raises:
            Busy: somebody else maintains the table.
        """
        lock, what = maintenance_lock(self._order), f"maintenance of {self._order.table}"
        with self._session.advisory_lock(lock, what), self.record(action) as entry:
            entry.ending = Ending.SKIPPED
            entry.add(why)

    def _begin(self, action: Action, before: Sizes | None, strategy: str | None) -> int:
        WindowLedger(self._session, self._order).migrate()
        self._session.execute("ledger/maintenance/end_dead", **self._subject)
        row = self._session.fetch_one(
            "ledger/maintenance/begin",
            **self._subject,
            **_bytes(before),
            action=action,
            strategy=strategy,
            run_id=self._order.run_id,
        )
        return int(row.id)

    def _try_to_end(self, row: int, entry: Entry) -> None:
        """Try to end the line; if the connection is what is broken, the next action finds the line and ends it."""
        try:
            self._end(row, entry)
        except DatabaseInterrupted as error:
            log.warning("the ledger does not know yet that this ended: %s", error)

    def _end(self, row: int, entry: Entry) -> None:
        self._session.execute(
            "ledger/maintenance/end",
            **_bytes(entry.after),
            id=row,
            ending=entry.ending,
            longest_wait=entry.longest_wait,
            note=entry.note or None,
        )

    def list_of_run(self) -> list[MaintenanceRecord]:
        """Return what this run did to the table, in its order."""
        return [
            _make_record(row)
            for row in self._session.fetch_all("ledger/maintenance/of_run", **self._subject, run_id=self._order.run_id)
        ]


def _make_end(entry: Entry) -> RunEnd:
    """Return the end for the statistics; the bytes are those that were given back."""
    if entry.ending is Ending.FAILED:
        return RunEnd(succeeded=False, err_message=entry.note or None)
    given_back = entry.before.total - entry.after.total if entry.before and entry.after else None
    return RunEnd(succeeded=True, bytes=given_back)


def _bytes(sizes: Sizes | None) -> dict[str, int | None]:
    if sizes is None:
        return {"heap": None, "indexes": None, "toast": None}
    return {"heap": sizes.heap, "indexes": sizes.indexes, "toast": sizes.toast}


def _make_record(row: Row) -> MaintenanceRecord:
    before, after = (
        Sizes(*sizes) if sizes[0] is not None else None
        for sizes in (
            (row.heap_before, row.indexes_before, row.toast_before),
            (row.heap_after, row.indexes_after, row.toast_after),
        )
    )
    return MaintenanceRecord(
        Action(row.action),
        row.strategy,
        row.state,
        before,
        after,
        row.seconds,
        row.longest_wait_seconds,
        row.note,
    )
