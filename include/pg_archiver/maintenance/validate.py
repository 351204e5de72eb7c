"""validate: has amcheck look through the b-trees of a table for damage, and rebuilds what is damaged if told to."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import Damaged, DatabaseRefused, MaintenanceRefused
from pg_archiver.ledger.locks import maintenance_lock
from pg_archiver.ledger.maintenance_log import Action, Ending, MaintenanceLog
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace, refuse_without_room
from pg_archiver.postgres.activity import OpenSession, monitor_statement
from pg_archiver.postgres.catalog import require_table
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Names

log = logging.getLogger(__name__)

_TOAST = "pg_toast_"


@dataclass(frozen=True)
class CheckOptions:
    """What the check does besides looking at each index by itself.

    `heapallindexed` looks for every row of the table in the index, which costs a read of the table. `reindex` rebuilds
    a damaged index CONCURRENTLY and checks it again, if by `space` the disk has room for a second one. `longest` bounds
    each check, and `old_transactions` the time for which a rebuild waits for transactions older than itself.
    """

    heapallindexed: bool = False
    reindex: bool = False
    longest: timedelta = timedelta(hours=12)
    old_transactions: timedelta = timedelta(hours=1)
    space: FreeSpace = UNKNOWN_SPACE


@dataclass(frozen=True)
class Validated:
    """The indexes that are sound, those that were damaged and rebuilt, and why others were not checked."""

    sound: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        one = len(self.sound) == 1
        told = [f"{say_count(len(self.sound), 'index', 'indexes')} {'is' if one else 'are'} sound"]
        if not self.sound:
            told = ["no index was checked"]
        elif any(name.startswith(_TOAST) for name in self.sound):
            told = [f"{told[0]}, the one of TOAST among them"]
        told += [f"rebuilt because of damage: {', '.join(self.rebuilt)}"] if self.rebuilt else []
        return "; ".join([*told, *self.notes])


def validate(session: Session, order: WorkOrder, watcher: OpenSession, how: CheckOptions | None = None) -> Validated:
    """Check all b-trees of the table; where amcheck is not to be had, say so and check none.

    Args:
        session: a session on the client database; not in a transaction.
        order: the client and table to work on.
        watcher: opens the connection that looks on.
        how: how thoroughly.

    Raises:
        TableRefused: there is no such table.
        Damaged: an index is damaged, and was not to be rebuilt or still is after that; the message names each.
        Busy: somebody else maintains the table.
    """
    how = how or CheckOptions()
    with session.advisory_lock(maintenance_lock(order), f"maintenance of {order.table}"):
        oid = require_table(session, order.table).oid
        with MaintenanceLog(session, order).record(Action.VALIDATE) as entry:
            function, note = _find_function(session, order)
            if function is None:
                log.warning("%s: no index was checked: %s", order.table, note)
                entry.ending = Ending.SKIPPED
                entry.add(note)
                return Validated(notes=(note,))
            work = _IndexCheck(session, order, watcher, how, function)
            done = work.check(oid)
            entry.longest_wait = work.longest_wait
            entry.add(str(done))
    log.info("%s: %s", order.table, done)
    return done


def _find_function(session: Session, order: WorkOrder) -> tuple[TableName | None, str]:
    """Return the function that checks, or None and why there is none."""
    state = session.fetch_one("maintenance/validate/extension")
    if not state.installed and not state.available:
        return None, "the server does not have the extension amcheck (it is part of postgresql-contrib)"
    if not state.installed and order.dry_run:
        return None, "the extension amcheck is not installed; this run would install it, a dry run does not"
    if not state.installed:
        try:
            session.execute("maintenance/validate/install")
        except DatabaseRefused:
            return None, (
                "this role may not install the extension amcheck. Fix: have a superuser (rds_superuser on RDS) run "
                f"CREATE EXTENSION amcheck in database {session.name}"
            )
    for row in session.fetch_all("maintenance/inspect/functions"):
        if row.name == "bt_index_check":
            return TableName(row.schema, row.name), ""
    return None, (
        "this role may not call amcheck. Fix: have the extension's owner run GRANT EXECUTE ON FUNCTION "
        f"bt_index_check(regclass, boolean) in database {session.name} for the role of the Airflow connection"
    )


class _IndexCheck:
    """One look through a table's indexes."""

    def __init__(
        self, session: Session, order: WorkOrder, watcher: OpenSession, how: CheckOptions, function: TableName
    ) -> None:
        self.session = session
        self.order = order
        self.watcher = watcher
        self.how = how
        self.function = function
        self.longest_wait = 0.0
        self.notes: list[str] = []

    def check(self, oid: int) -> Validated:
        """Check all indexes of the table before it says which are damaged."""
        indexes = self.session.fetch_all("maintenance/validate/indexes", oid=oid)
        sound: list[str] = []
        rebuilt: list[str] = []
        invalid: list[str] = []
        damaged: dict[str, str] = {}
        for row in indexes:
            if not row.valid:
                invalid.append(row.name)
                continue
            damage = self._find_damage(row)
            if damage is not None and self.how.reindex and not self.order.dry_run:
                log.warning("index %s is damaged and will be rebuilt: %s", row.name, damage)
                damage = self._rebuild_and_check(oid, row, damage, rebuilt)
            if damage is None:
                sound.append(row.name)
            else:
                damaged[row.name] = damage
        if damaged:
            told = "; ".join(f"index {name}: {damage}" for name, damage in damaged.items())
            raise Damaged(
                f"{len(damaged)} of {len(indexes)} indexes of {self.order.table} are damaged. Fix: find out why "
                f"(disk, collation after an upgrade of the system), then run again with reindex: {told}"
            )
        notes = [f"not checked, because invalid: {', '.join(invalid)}"] if invalid else []
        notes += self.notes
        return Validated(tuple(sound), tuple(rebuilt), tuple(notes))

    def _rebuild_and_check(self, oid: int, row: Row, damage: str, rebuilt: list[str]) -> str | None:
        """Return what is still wrong with the index after its rebuild, or why it was not rebuilt; None if sound."""
        try:
            note = refuse_without_room(f"a new index {row.name}", int(row.bytes), self.how.space, rebuilt=True)
        except MaintenanceRefused as refusal:
            return f"{damage}; {refusal}"
        if note:
            self.notes.append(note)
        self._rebuild(row)
        rebuilt.append(row.name)
        # The new index bears the old one's name, not its oid.
        for one in self.session.fetch_all("maintenance/validate/indexes", oid=oid):
            if (one.schema, one.name) == (row.schema, row.name):
                return self._find_damage(one)
        return f"{damage}; after its rebuild somebody dropped or renamed it"

    def _find_damage(self, row: Row) -> str | None:
        log.info("checking index %s", row.name)
        with self.session.timeouts(lock=self.how.old_transactions, statement=self.how.longest):
            try:
                self.session.fetch_all(
                    "maintenance/validate/check",
                    {"function": self.function},
                    oid=row.oid,
                    everything=self.how.heapallindexed,
                )
            except Damaged as damage:
                return str(damage)
        return None

    def _rebuild(self, row: Row) -> None:
        names: Names = {"index": TableName(row.schema, row.name)}
        with (
            self.session.timeouts(lock=self.how.old_transactions, statement=self.how.longest),
            monitor_statement(self.watcher, self.session.process, f"REINDEX INDEX CONCURRENTLY {row.name}") as watch,
        ):
            try:
                self.session.execute("maintenance/validate/reindex", names)
            finally:
                self.longest_wait = max(self.longest_wait, watch.longest_wait)
