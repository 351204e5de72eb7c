"""Runs in which somebody does something once: between two steps, between two batches, or in the middle of a batch.

Each step goes on as far as it can, as the tasks of a DAG do; what it raises is one of the program's own errors.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import errors

from pg_archiver.domain.work import Batch
from pg_archiver.errors import ArchiverError
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names
from tests.faults.archiving import Run
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import Recorder, filled

Act = Callable[[], object]

AFTER_PLAN, AFTER_EXPORT, AFTER_CHECK = "after the plan", "after the export", "after the check"
BETWEEN_BATCHES, LAST_WORD = "between two batches", "at the last word before a drop"
# In the middle of a transaction: just before a statement of this name.
BEFORE_LOCK, IN_BATCH = "before a batch's lock", "in a delete batch"
IN_COMPARISON, BEFORE_DROP = "before a partition's last comparison", "before its DROP"
_STATEMENTS = {
    "archive/delete/lock_table": BEFORE_LOCK,
    "archive/delete/batch": IN_BATCH,
    "archive/delete/batch_by_range": IN_BATCH,
    "archive/drop_partition/compare": IN_COMPARISON,
    "partitions/drop": BEFORE_DROP,
}

HOURS = (50, 51)
ROWS_A_WINDOW = 5
BATCH_SIZE = 2
MOMENTS = [hours_ago(hour - minute / 60) for hour in HOURS for minute in range(1, ROWS_A_WINDOW + 1)]


@dataclass
class Once:
    """What is done once, and at which moment; `done` when it was."""

    moment: str
    act: Act
    done: bool = False

    def at(self, moment: str) -> None:
        """Called at every moment of the run."""
        if moment == self.moment and not self.done:
            self.done = True
            self.act()


@dataclass
class Broken:
    """One run, in which something happened: what its steps raised, and whether it happened at all."""

    done: bool
    errors: list[ArchiverError] = field(default_factory=list)


@contextmanager
def watched(reach: Callable[[str], None]) -> Generator[None]:
    """Calls `reach` with the moment's name before statements that begin one."""
    all_, change = Session.fetch_all, Session.execute

    def watched_all(self: Session, statement: str, names: Names | None = None, /, **values: object) -> list[Any]:
        reach(_STATEMENTS.get(statement, ""))
        return all_(self, statement, names, **values)

    def watched_change(self: Session, statement: str, names: Names | None = None, /, **values: object) -> int:
        reach(_STATEMENTS.get(statement, ""))
        return change(self, statement, names, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "fetch_all", watched_all)
        patch.setattr(Session, "execute", watched_change)
        yield


def go_on(run: Run, batches: list[Batch], reach: Callable[[str], None]) -> list[ArchiverError]:
    """All steps of a planned run, each batch by itself; `reach` is called at each moment."""
    raised: list[ArchiverError] = []
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        if asked > 1:
            reach(BETWEEN_BATCHES)
        return False

    steps: tuple[tuple[str, Callable[[Batch], object]], ...] = (
        (AFTER_PLAN, lambda batch: run.export(list(batch))),
        (AFTER_EXPORT, lambda batch: run.check(list(batch))),
        (AFTER_CHECK, lambda batch: run.remove([batch], stopping, lambda: reach(LAST_WORD))),
    )
    for before, step in steps:
        reach(before)
        for batch in batches:
            try:
                step(batch)
            except ArchiverError as error:
                raised.append(error)
    return raised


def broken(table: Place, moment: str, act: Act) -> Broken:
    """One run, and what is done at a moment of it."""
    once = Once(moment, act)
    run = Run.of(table)
    with watched(once.at):
        raised = go_on(run, run.batches(), once.at)
    return Broken(once.done, raised)


def fill(table: Place) -> Place:
    """Rows in each of the hours that are due, and some that are not."""
    filled(table, [*MOMENTS, hours_ago(1), hours_ago(2)])
    return table


def change_as_users(table: Place) -> None:
    """A change, a move, a deletion and a late row in each of the hours, in whatever the run has left by then.

    Where the run holds what they need, the users give up after a moment.
    """
    with table.server.connect(table.database, autocommit=False) as connection:
        connection.execute("SET lock_timeout = '300ms'")
        user = Recorder(connection, table)
        try:
            for window, hour in enumerate(HOURS):
                first = window * ROWS_A_WINDOW
                user.update([first + 1], f"changed meanwhile {hour}")
                user.move([first + 4], hours_ago(HOURS[0] - 0.5), f"moved meanwhile {hour}")
                user.delete([first + 5])
                user.insert([1000 + hour], [hours_ago(hour - 0.25)], f"late {hour}", [None])
            connection.commit()
        except (errors.LockNotAvailable, errors.DeadlockDetected, errors.CheckViolation):
            # The last one says that there is no partition for the row just now.
            connection.rollback()
