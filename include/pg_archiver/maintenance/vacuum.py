"""vacuum: VACUUM (ANALYZE) of one table, at a pace that leaves the machine to others."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.locks import maintenance_lock
from pg_archiver.ledger.maintenance_log import Action, MaintenanceLog
from pg_archiver.maintenance.bloat import measure_table, refuse_without_rights
from pg_archiver.maintenance.inspection import Inspection
from pg_archiver.postgres.activity import OpenSession, monitor_statement
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VacuumCost:
    """How fast VACUUM may go and for how long.

    It rests `rest` whenever the cost of what it read and wrote has reached `cost`: by the server's own settings a page
    read from disk costs 2 and one made dirty 20. The defaults are autovacuum's: at most 400 MB/s read, 40 MB/s dirtied.
    """

    rest: timedelta = timedelta(milliseconds=2)
    cost: int = 200
    lock: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(hours=12)


@dataclass(frozen=True)
class Vacuumed:
    """The table's condition before and after; in a dry run both are what it is now."""

    before: Inspection
    after: Inspection
    dry_run: bool = False

    def __str__(self) -> str:
        left = self.after.dead
        if self.dry_run:
            told = [f"VACUUM would look at {say_count(left, 'dead row')}"]
        else:
            told = [f"{say_count(max(0, self.before.dead - left), 'dead row')} removed, {left:,} left"]
        if left:
            told += [f"held back by {holder}" for holder in self.after.holders]
        return "; ".join(told)


def vacuum(session: Session, order: WorkOrder, watcher: OpenSession, pace: VacuumCost | None = None) -> Vacuumed:
    """Remove dead rows and count the live ones anew; in a dry run only look.

    Args:
        session: a session on the client database; not in a transaction.
        order: the client and table to work on.
        watcher: opens the connection that looks on.
        pace: how fast and how long.

    Raises:
        TableRefused: there is no such table.
        DatabaseRefused: the role may not vacuum it; the server itself would only warn.
        Busy: somebody else maintains the table.
        DatabaseInterrupted: a lock or the whole took too long.
    """
    pace = pace or VacuumCost()
    with session.advisory_lock(maintenance_lock(order), f"maintenance of {order.table}"):
        before = measure_table(session, order.table, order.timestamp_column)
        refuse_without_rights(before)
        if order.dry_run:
            would = Vacuumed(before, before, dry_run=True)
            log.info("%s: dry run: %s", order.table, would)
            return would
        with MaintenanceLog(session, order).record(Action.VACUUM, before.sizes) as entry:
            with (
                session.timeouts(lock=pace.lock, statement=pace.longest),
                _set_cost(session, pace),
                monitor_statement(watcher, session.process, f"VACUUM of {order.table}") as watch,
            ):
                try:
                    session.execute("maintenance/vacuum/vacuum", {"table": order.table})
                finally:
                    entry.longest_wait = watch.longest_wait
            done = Vacuumed(before, measure_table(session, order.table, order.timestamp_column))
            entry.after = done.after.sizes
            entry.add(str(done))
    log.info("%s: %s", order.table, done)
    return done


@contextmanager
def _set_cost(session: Session, pace: VacuumCost) -> Generator[None]:
    rest = f"{pace.rest / timedelta(milliseconds=1)}ms"
    session.fetch_all("maintenance/vacuum/cost", cost_delay=rest, cost_limit=str(pace.cost))
    try:
        yield
    finally:
        if not session.closed:
            session.fetch_all("maintenance/vacuum/default_cost")
