"""index: sees to it that an index begins with the timestamp column and is valid, and makes no writer wait for it.

A build that broke off leaves an invalid index, which costs every write and serves no read. It is dropped and built
again, unless somebody is building it at this very moment. Of a partitioned table each partition's index is built by
itself and attached; what was attached before a break stays, and the next run continues from there.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import (
    Busy,
    DatabaseInterrupted,
    DatabaseRefused,
    MaintenanceRefused,
    TableRefused,
)
from pg_archiver.ledger.locks import maintenance_lock
from pg_archiver.ledger.maintenance_log import Action, Ending, Entry, MaintenanceLog
from pg_archiver.maintenance.bloat import measure_sizes
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace, estimate_index_bytes, refuse_without_room
from pg_archiver.postgres.activity import OpenSession, monitor_statement
from pg_archiver.postgres.catalog import require_table
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Names
from pg_archiver.runtime.lock_retry import LockRetry

log = logging.getLogger(__name__)

_PARTITIONED = "p"
# Postgres cuts names off after so many bytes.
_LONGEST_IDENTIFIER = 63


@dataclass(frozen=True)
class BuildLimits:
    """What a build may take: in all, and while it waits for transactions that are older than itself.

    Nobody queues behind that wait, so it may be long.
    """

    longest: timedelta = timedelta(hours=12)
    old_transactions: timedelta = timedelta(hours=1)
    patience: LockRetry = field(default_factory=LockRetry)


@dataclass(frozen=True)
class Indexed:
    """The valid index that begins with the timestamp column, and what had to be done for it.

    In a dry run, what would have to be done for it.
    """

    name: str
    built: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    dry_run: bool = False
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join([*self._told(), *self.notes])

    def _told(self) -> list[str]:
        if self.dry_run:
            told = [] if self.built else [f"index {self.name} is valid"]
            told += [f"would drop what broken builds have left: {', '.join(self.dropped)}"] if self.dropped else []
            told += [f"would build {', '.join(self.built)}"] if self.built else []
            return told
        told = [f"index {self.name} is valid"]
        told += [f"built {', '.join(self.built)}"] if self.built else []
        told += [f"dropped what broken builds had left: {', '.join(self.dropped)}"] if self.dropped else []
        return told


def index(
    session: Session,
    order: WorkOrder,
    watcher: OpenSession,
    limits: BuildLimits | None = None,
    space: FreeSpace = UNKNOWN_SPACE,
) -> Indexed:
    """Build what is missing; in a dry run, say what it would build.

    Args:
        session: a session on the client database; not in a transaction.
        order: the client and table to work on.
        watcher: opens the connection that looks on.
        limits: how long a build may take and wait.
        space: how the free space of the disk is known.

    Raises:
        TableRefused: there is no such table or column.
        DatabaseRefused: the role may not create indexes on it.
        MaintenanceRefused: the disk has no room for it; what was built before stays.
        Busy: somebody else is building an index on it, or maintains it.
        DatabaseInterrupted: a transaction older than the build did not end in time; the next run repairs what is left.
    """
    with session.advisory_lock(maintenance_lock(order), f"maintenance of {order.table}"):
        work = _IndexBuild(session, order, watcher, limits or BuildLimits(), space)
        root = require_table(session, order.table)
        if not session.fetch_one("maintenance/index/column", oid=root.oid, column=order.timestamp_column).found:
            raise TableRefused(
                f"{order.table} has no column {order.timestamp_column!r}. Fix: correct 'timestamp_column' in the "
                "policy file"
            )
        with MaintenanceLog(session, order).record(Action.INDEX, measure_sizes(session, order.table)) as entry:
            work.entry = entry
            name = work.ensure(root.oid, order.table, root.kind)
            work.note_room()
            done = Indexed(name, tuple(work.built), tuple(work.dropped), order.dry_run, tuple(work.notes))
            entry.after = measure_sizes(session, order.table)
            entry.ending = Ending.DONE if done.built or done.dropped else Ending.SKIPPED
            entry.add(str(done))
    log.info("%s: %s%s", order.table, "dry run: " if order.dry_run else "", done)
    return done


class _IndexBuild:
    """One run over a table and its partitions."""

    def __init__(
        self, session: Session, order: WorkOrder, watcher: OpenSession, limits: BuildLimits, space: FreeSpace
    ) -> None:
        self.session = session
        self.order = order
        self.watcher = watcher
        self.limits = limits
        self.space = space
        self.entry = Entry()
        self.built: list[str] = []
        self.dropped: list[str] = []
        self.notes: list[str] = []
        # Bytes of all indexes that were built, or would be.
        self.planned = 0

    def ensure(self, oid: int, table: TableName, kind: str) -> str:
        """Return the name of a valid index of this table that begins with the column; what is missing is built."""
        found = self._find_of_column(oid)
        if valid := [row for row in found if row.valid]:
            if kind != _PARTITIONED and self._read_rights(oid)[0]:
                self._drop_leftovers(found)
            return str(valid[0].name)
        if brin := self.session.fetch_all(
            "maintenance/index/brin_of_column", oid=oid, column=self.order.timestamp_column
        ):
            self.notes.append(
                f"it is a BRIN index, beside which no b-tree was built: by it the archive finds a window's rows, and "
                f"only its plan reads the whole table. If that takes too long, CREATE INDEX CONCURRENTLY ON {table} "
                f"({self.order.timestamp_column})"
            )
            return str(brin[0].name)
        self._refuse_without_rights(oid, table)
        if kind == _PARTITIONED:
            return self._ensure_on_partitions(oid, table, found).name
        self._drop_leftovers(found)
        return self._build(oid, table).name

    def _ensure_on_partitions(self, oid: int, table: TableName, found: list[Row]) -> TableName:
        frames = [row for row in found if row.alone]
        frame = TableName(frames[0].schema, frames[0].name) if frames else self._make_frame(table)
        frame_oid = next((row.oid for row in self._find_of_column(oid) if row.name == frame.name), None)
        for child in self.session.fetch_all("maintenance/index/children", oid=oid):
            part = TableName(child.schema, child.name)
            own = self._find_of_column(child.oid)
            if frame_oid is not None and any(row.parent == frame_oid and row.valid for row in own):
                continue
            index = self._ensure_on_partition(child, part, own, frame_oid)
            self._attach(frame, index, part)
        return frame

    def _ensure_on_partition(self, child: Row, part: TableName, own: list[Row], frame: int | None) -> TableName:
        """Return the partition's own index, fit to be attached: one that is there, else one that is built now."""
        fit = [row for row in own if row.valid and row.alone and row.parent in {None, frame}]
        if fit:
            return TableName(fit[0].schema, fit[0].name)
        self._refuse_without_rights(child.oid, part)
        if child.kind == _PARTITIONED:
            return self._ensure_on_partitions(child.oid, part, [row for row in own if row.parent in {None, frame}])
        self._drop_leftovers(own)
        return self._build(child.oid, part)

    def _make_frame(self, table: TableName) -> TableName:
        """Return the index of the partitioned table itself, empty and invalid so far."""
        index = self._find_free_name(table)
        if not self.order.dry_run:
            self._run_briefly(
                "maintenance/index/create_on_parent",
                index,
                {"index": index.name, "table": table, "column": self.order.timestamp_column},
            )
        self.built.append(index.name)
        return index

    def _attach(self, frame: TableName, index: TableName, part: TableName) -> None:
        if self.order.dry_run:
            return
        self._run_briefly("maintenance/index/attach", index, {"index": frame, "part": index})
        log.info("%s: index %s is part of %s now", part, index.name, frame.name)

    def _run_briefly(self, statement: str, index: TableName, names: Names) -> None:
        """Run a statement that writers wait for: it does no work, and gives way when it has to wait itself."""
        patience = self.limits.patience
        what = f"index {index.name}"
        with (
            self.session.timeouts(lock=patience.lock, statement=self.limits.longest),
            monitor_statement(self.watcher, self.session.process, what) as watch,
        ):
            patience.run(lambda: self.session.execute(statement, names), what)
        self.entry.longest_wait = max(self.entry.longest_wait, watch.longest_wait)

    def _build(self, oid: int, table: TableName) -> TableName:
        index = self._find_free_name(table)
        self._ask_for_room(oid, index)
        if not self.order.dry_run:
            log.info("%s: building index %s", table, index.name)
            names: Names = {"index": index.name, "table": table, "column": self.order.timestamp_column}
            self._run_concurrently("maintenance/index/create", names, f"CREATE INDEX CONCURRENTLY {index.name}")
        self.built.append(index.name)
        return index

    def _ask_for_room(self, oid: int, index: TableName) -> None:
        parts = [row for row in self.session.fetch_all("maintenance/inspect/parts", oid=oid) if row.oid == oid]
        rows = sum(max(int(part.live) + int(part.dead), int(part.counted)) for part in parts)
        size = estimate_index_bytes(rows, sum(int(part.main_bytes) for part in parts))
        self.planned += size
        if not self.order.dry_run and self.space is not UNKNOWN_SPACE:
            refuse_without_room(f"index {index.name}", size, self.space, rebuilt=False)

    def note_room(self) -> None:
        """Note what all of it needs where nothing was asked on the way, and in a dry run whether there is room now."""
        if not self.planned or not (self.order.dry_run or self.space is UNKNOWN_SPACE):
            return
        what = f"index {self.built[0]}" if len(self.built) == 1 else say_count(len(self.built), "index", "indexes")
        try:
            note = refuse_without_room(what, self.planned, self.space, rebuilt=False)
        except MaintenanceRefused as refusal:
            note = f"would be refused now: {refusal}"
        self.notes += [note] if note else []

    def _drop_leftovers(self, found: list[Row]) -> None:
        for row in found:
            if row.valid or row.parent:
                continue
            if row.being_built:
                raise Busy(
                    f"index {row.name} on {self.order.table} is being built right now by the session with pid "
                    f"{row.being_built}. This run leaves it alone and may be run again"
                )
            if not self.order.dry_run:
                log.info("%s: dropping index %s, which a broken build has left", self.order.table, row.name)
                self._run_concurrently(
                    "maintenance/index/drop",
                    {"index": TableName(row.schema, row.name)},
                    f"DROP INDEX CONCURRENTLY {row.name}",
                )
            self.dropped.append(row.name)

    def _run_concurrently(self, statement: str, names: Names, what: str) -> None:
        """Run a statement that waits for all older transactions, which the log names."""
        limits = self.limits
        with (
            self.session.timeouts(lock=limits.old_transactions, statement=limits.longest),
            monitor_statement(self.watcher, self.session.process, what) as watch,
        ):
            try:
                self.session.execute(statement, names)
            except DatabaseInterrupted as error:
                raise type(error)(f"{what}: {error}{watch.waited_for_text}") from None
            finally:
                self.entry.longest_wait = max(self.entry.longest_wait, watch.longest_wait)

    def _find_of_column(self, oid: int) -> list[Row]:
        return self.session.fetch_all("maintenance/index/btrees_of_column", oid=oid, column=self.order.timestamp_column)

    def _find_free_name(self, table: TableName) -> TableName:
        names = (index_name(table.name, self.order.timestamp_column, take) for take in count(1))
        free = next(
            name
            for name in names
            if not self.session.fetch_one("maintenance/index/name_taken", schema=table.schema, name=name).taken
        )
        return TableName(table.schema, free)

    def _refuse_without_rights(self, oid: int, table: TableName) -> None:
        granted, owner = self._read_rights(oid)
        if not granted:
            raise DatabaseRefused(
                f"no valid index of {table} begins with {self.order.timestamp_column}, and this role may not create "
                f"one: only the table's owner {owner} may, with CREATE on schema {table.schema}. Fix: grant that role "
                "to the role of the Airflow connection, or create the index by hand with CREATE INDEX CONCURRENTLY"
            )

    def _read_rights(self, oid: int) -> tuple[bool, str]:
        """Return whether this role may create and drop indexes of the table, and who owns it."""
        rights = self.session.fetch_one("maintenance/index/rights", oid=oid)
        return rights.owns and rights.may_create, rights.owner


def index_name(table: str, column: str, take: int = 1) -> str:
    """Return the name of our index on this column, always the same; `take` 2, 3 and so on if others took it first."""
    plain = f"{table}_{column}_archiver" + (f"_{take}" if take > 1 else "")
    if len(plain.encode()) <= _LONGEST_IDENTIFIER:
        return plain
    digest = hashlib.sha256(f"{len(table)} {plain}".encode()).hexdigest()[:16]
    ending = f"_{digest}_archiver"
    return plain.encode()[: _LONGEST_IDENTIFIER - len(ending)].decode(errors="ignore") + ending
