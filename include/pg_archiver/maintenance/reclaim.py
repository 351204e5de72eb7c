"""reclaim: gives disk space back, by the way that fits the table, the hour and the disk; refuses rather than risks.

VACUUM FULL shuts everybody out of the table while it lasts, and fills the disk if that is too small. So it is done
only within the policy's span of the day, only after the free space was asked for and found to suffice, with little
patience for locks and with no more time than what is left of the span. A person may force the hour and the
threshold, never the disk: a full disk stops the server for all its databases. pg_repack locks only for moments, so the
hour does not matter to it; the disk does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from pg_archiver.domain.sizes import Sizes, format_bytes, say_given_back
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError, Busy, DatabaseInterrupted, MaintenanceRefused, SettingError
from pg_archiver.ledger.locks import maintenance_lock, rewrite_lock
from pg_archiver.ledger.maintenance_log import Action, Ending, Entry, MaintenanceLog
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.maintenance.bloat import measure_sizes, measure_table, refuse_without_rights
from pg_archiver.maintenance.disk_room import FreeSpace, Room, estimate_room
from pg_archiver.maintenance.inspection import Inspection, TablePart
from pg_archiver.maintenance.pg_repack import Repacker, find_missing_key, find_obstacles, repack
from pg_archiver.maintenance.pg_repack_leftovers import remove_leftovers
from pg_archiver.maintenance.strategy import Choice, Conditions, choose, disk_hindrance, hour_hindrance, seconds_for
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.off_hours import OffHours
from pg_archiver.postgres.activity import OpenSession, StatementMonitor, monitor_statement
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.snapshot_holders import find_holders
from pg_archiver.runtime.lock_retry import LockRetry

log = logging.getLogger(__name__)

# Exported windows that nobody has gone on with for this long belong to a run that died.
_IN_HAND = timedelta(minutes=30)
ARCHIVE_WAIT_SECONDS = 120.0
ARCHIVE_POLL_SECONDS = 2.0
# If less than this share of the estimate was freed, dead rows were still visible to someone.
_DISAPPOINTING = 0.5

# The strategies that write the table anew, beside its old files.
REWRITES = frozenset({Strategy.VACUUM_FULL, Strategy.PG_REPACK})

# Gives back what it can without a rewrite, and says what it did.
Compact = Callable[[], str]


@dataclass(frozen=True)
class ReclaimRules:
    """What the policy and the run say about giving space back.

    `force` is why a person wants it now, whatever the hour and however little it is; empty otherwise. `longest` bounds
    a forced rewrite, which has no span to end with. `approved` is false where the policy wants a person's approval
    before a rewrite and there is none.
    """

    strategy: Strategy
    min_percent: int
    min_bytes: int
    off_hours: OffHours
    force: str = ""
    approved: bool = True
    longest: timedelta = timedelta(hours=4)
    patience: LockRetry = field(default_factory=LockRetry)


@dataclass(frozen=True)
class ReclaimContext:
    """The surroundings of the table: the hour, the disk, a second connection, the ways that lock nobody out."""

    now: Callable[[], datetime]
    space: FreeSpace
    watcher: OpenSession
    compact: Compact
    repacker: Repacker = field(default_factory=Repacker)


@dataclass(frozen=True)
class Prospect:
    """What a dry run expects: bytes given back, seconds that a rewrite may take, and the room that it needs."""

    given_back: int
    seconds: float
    room: Room


@dataclass(frozen=True)
class Reclaimed:
    """What was chosen and what came of it; in a dry run what would, and in `notes` why it would be refused now."""

    choice: Choice
    before: Sizes
    after: Sizes
    notes: tuple[str, ...] = ()
    prospect: Prospect | None = None

    @property
    def given_back(self) -> int:
        """Bytes; negative where the table has grown meanwhile."""
        return self.before.total - self.after.total

    def __str__(self) -> str:
        if self.choice.strategy is Strategy.NONE:
            return "; ".join([str(self.choice), *self.notes])
        if self.prospect is None:
            return "; ".join([str(self.choice), say_given_back(self.given_back), *self.notes])
        if self.notes:
            return f"{self.choice}; would be refused now: {'; '.join(self.notes)}"
        return f"{self.choice}; would give back about {format_bytes(self.prospect.given_back)}"


def reclaim(session: Session, order: WorkOrder, rules: ReclaimRules, around: ReclaimContext) -> Reclaimed:
    """Give space back, or say why there is nothing to do; in a dry run only choose.

    Args:
        session: a session on the client database; not in a transaction.
        order: the client and table to work on.
        rules: what policy and run say.
        around: the hour, the disk, and helpers.

    Raises:
        TableRefused: there is no such table.
        DatabaseRefused: the role may not rewrite it.
        MaintenanceRefused: a rewrite is wanted, and the hour or the disk forbids it, or what it needs is missing.
        SettingError: `force` has no reason in it.
        Busy: somebody else maintains the table, or an archive run is working on windows of it.
        LockWait: no try got the lock; the table is as it was.
        DatabaseInterrupted: the rewrite took too long, or was broken off; the table is as it was.
        Stopped: the run was told to stop while pg_repack was at work; the table is as it was.
    """
    if rules.force and not rules.force.strip():
        raise SettingError("force is set without a reason. Fix: say why it cannot wait for maintenance_window")
    with session.advisory_lock(maintenance_lock(order), f"maintenance of {order.table}"):
        found = measure_table(session, order.table, order.timestamp_column)
        refuse_without_rights(found)
        work = _ReclaimRun(session, order, rules, around, found)
        if not order.dry_run:
            work.mend()
        choice = choose(found, work.read_conditions())
        log.info("%s: %s%s", order.table, "dry run: " if order.dry_run else "", choice)
        if order.dry_run:
            prospect = Prospect(found.free.total, seconds_for(found), work.read_conditions().room)
            return Reclaimed(choice, found.sizes, found.sizes, work.list_refusals(choice), prospect)
        with MaintenanceLog(session, order).record(Action.RECLAIM, found.sizes, choice.strategy) as entry:
            entry.add(choice.why)
            for note in work.notes:
                entry.add(note)
            if rules.force:
                entry.add(f"forced: {rules.force.strip()}")
            if choice.strategy is Strategy.NONE:
                entry.ending, entry.after = Ending.SKIPPED, found.sizes
                return Reclaimed(choice, found.sizes, found.sizes, tuple(work.notes))
            work.run(choice, entry)
            entry.after = measure_sizes(session, order.table)
            done = Reclaimed(choice, found.sizes, entry.after, work.list_notes_after(choice, entry.after))
            for note in done.notes:
                entry.add(note)
    log.info("%s: %s", order.table, done)
    return done


class _ReclaimRun:
    """One run over a table and its parts."""

    def __init__(
        self, session: Session, order: WorkOrder, rules: ReclaimRules, around: ReclaimContext, found: Inspection
    ) -> None:
        self.session = session
        self.order = order
        self.rules = rules
        self.around = around
        self.found = found
        self.notes: list[str] = []

    def read_conditions(self) -> Conditions:
        """Return how things stand at this moment."""
        rules = self.rules
        return Conditions(
            wanted=rules.strategy,
            min_percent=rules.min_percent,
            min_bytes=rules.min_bytes,
            off_hours=rules.off_hours,
            remaining=rules.off_hours.remaining(self.around.now()),
            room=self._room(self._largest()),
            force=bool(rules.force),
            no_repack="; ".join(self._no_repack),
        )

    def list_refusals(self, choice: Choice) -> tuple[str, ...]:
        """Return why the choice could not be carried out now."""
        if choice.strategy not in REWRITES:
            return ()
        conditions = self.read_conditions()
        unapproved = None if self.rules.approved else "the policy's approve is true, and nobody has approved it"
        if choice.strategy is Strategy.PG_REPACK:
            return tuple(filter(None, (*self._no_repack, unapproved, disk_hindrance(conditions.room))))
        return tuple(filter(None, (unapproved, self._hour_hindrance(), disk_hindrance(conditions.room))))

    def mend(self) -> None:
        """Remove what a pg_repack that was killed has left, whose log would take in every change forever."""
        for part in self.found.parts:
            if removed := remove_leftovers(self.session, part, self.rules.patience):
                self.notes.append(removed)

    @cached_property
    def _no_repack(self) -> tuple[str, ...]:
        """Why pg_repack cannot be used; asked only where it might be."""
        if self.rules.strategy not in {Strategy.AUTO, Strategy.PG_REPACK}:
            return ()
        without_key = (find_missing_key(self.session, part) for part in self._worthwhile())
        return (*find_obstacles(self.session, self.around.repacker), *filter(None, without_key))

    def run(self, choice: Choice, entry: Entry) -> None:
        """Do what was chosen."""
        if refusals := self.list_refusals(choice):
            raise MaintenanceRefused(f"{self.order.table} is not rewritten: {'; '.join(refusals)}")
        if choice.strategy is Strategy.COMPACT:
            with self._keep_archive_out():
                self.notes.append(self.around.compact())
            return
        one = self._repack if choice.strategy is Strategy.PG_REPACK else self._rewrite
        self._rewrite_all(choice.strategy, one, entry)

    def list_notes_after(self, choice: Choice, after: Sizes) -> tuple[str, ...]:
        """Return what a person should know of the result."""
        given = self.found.sizes.total - after.total
        if choice.strategy is Strategy.VACUUM_FULL and given < _DISAPPOINTING * self.found.free.total:
            self.notes += [
                f"dead rows may have been copied along, because an old snapshot may still see them: {holder}"
                for holder in find_holders(self.session)
            ]
        return tuple(self.notes)

    def _rewrite_all(self, strategy: Strategy, rewrite: Callable[[TablePart, Entry], None], entry: Entry) -> None:
        """Rewrite one part after the other, those first that give back most; ask for hour and disk before each."""
        parts = self._worthwhile()
        for number, part in enumerate(parts):
            out_of_hours = None if strategy is Strategy.PG_REPACK else self._hour_hindrance()
            hindrances = list(filter(None, (out_of_hours, disk_hindrance(self._room(part)))))
            if hindrances:
                left = ", ".join(str(one.table) for one in parts[number:])
                raise MaintenanceRefused(f"{left} not rewritten: {'; '.join(hindrances)}")
            rewrite(part, entry)

    def _worthwhile(self) -> list[TablePart]:
        """Return the parts of which the policy's share could be given back; all of them where it is forced."""
        percent = 0 if self.rules.force else self.rules.min_percent
        parts = [
            part
            for part in self.found.parts
            if part.sizes.total and 100 * part.free.total >= percent * part.sizes.total and part.free.total
        ]
        return sorted(parts or self.found.parts, key=lambda part: part.free.total, reverse=True)

    def _rewrite(self, part: TablePart, entry: Entry) -> None:
        what = f"VACUUM FULL of {part.table}"
        with monitor_statement(self.around.watcher, self.session.process, what) as watch:
            try:
                self.rules.patience.run(lambda: self._try_to_rewrite(part), what)
                self._vacuum(part)
            except DatabaseInterrupted as error:
                raise type(error)(f"{what}: {error}{watch.waited_for_text}") from None
            finally:
                entry.longest_wait = max(entry.longest_wait, watch.longest_wait)

    def _repack(self, part: TablePart, entry: Entry) -> None:
        watch = StatementMonitor()
        try:
            with self._keep_archive_out():
                repack(self.session, part, self.around.repacker, self.rules.longest, watch)
            self._vacuum(part)
        finally:
            entry.longest_wait = max(entry.longest_wait, watch.longest_wait)
            self._tidy_up(part, entry)

    def _tidy_up(self, part: TablePart, entry: Entry) -> None:
        """Remove what the client could not remove itself; if this fails too, the next run will."""
        try:
            if left := remove_leftovers(self.session, part, self.rules.patience):
                entry.add(left)
        except ArchiverError as error:
            log.warning("%s: what pg_repack left could not be removed yet: %s", part.table, error)

    def _vacuum(self, part: TablePart) -> None:
        """Run a plain VACUUM: nothing else sets the visibility map, which index-only scans need."""
        with self.session.timeouts(lock=self.rules.patience.lock, statement=self.rules.longest):
            self.session.execute("maintenance/vacuum/vacuum", {"table": part.table})

    def _try_to_rewrite(self, part: TablePart) -> None:
        """Try once; between two tries the archive may take its turn."""
        with self._keep_archive_out():
            if over := self._hour_hindrance():
                raise MaintenanceRefused(f"{part.table} is not rewritten: {over}")
            with self.session.timeouts(lock=self.rules.patience.lock, statement=self._time_left()):
                self.session.execute("maintenance/reclaim/vacuum_full", {"table": part.table})

    def _hour_hindrance(self) -> str | None:
        remaining = self.rules.off_hours.remaining(self.around.now())
        return hour_hindrance(self.rules.off_hours, remaining, force=bool(self.rules.force))

    def _time_left(self) -> timedelta:
        return self.rules.off_hours.remaining(self.around.now()) or self.rules.longest

    @contextmanager
    def _keep_archive_out(self) -> Generator[None]:
        """Wait until no archive run is working on windows of this table, and keep further ones waiting.

        After a rewrite what was exported and not yet deleted would have to be exported again. That harms nothing, so
        windows that nobody has gone on with for half an hour do not count.

        Raises:
            Busy: an archive run did not come to an end in two minutes.
        """
        deadline = time.monotonic() + ARCHIVE_WAIT_SECONDS
        table = self.order.table
        while True:
            with self.session.advisory_lock(rewrite_lock(self.order), f"table {table}"):
                if not self._windows_in_hand():
                    yield
                    return
            if time.monotonic() > deadline:
                raise Busy(
                    f"an archive run has windows of {table} in progress. This run stops here and may be run again"
                )
            time.sleep(ARCHIVE_POLL_SECONDS)

    def _windows_in_hand(self) -> int:
        if not WindowLedger(self.session, self.order).exists():
            return 0
        table = self.order.table
        found = self.session.fetch_one(
            "ledger/windows/in_progress", schema=table.schema, table=table.name, within=_IN_HAND
        )
        return int(found.windows)

    def _room(self, part: TablePart | None) -> Room:
        space = self.around.space
        return estimate_room(part, self.found.method, space) if part else Room(Sizes(), 0, space.ask(), space.source)

    def _largest(self) -> TablePart | None:
        return max(self._worthwhile(), key=lambda part: (part.sizes - part.free).total, default=None)
