"""plan: which hours are due, cut into the batches that Airflow's mapped tasks carry. Deletes and uploads nothing.

Everything that could go wrong for a reason that a person must fix is looked for here, before anything is written.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pg_archiver.archive.batching import (
    carried_span,
    carry,
    choose,
    cut_into_batches,
    longest_batch,
    sort_by_turn,
)
from pg_archiver.archive.find_windows import PassedOver, find_windows
from pg_archiver.archive.kept_versions import DueVersions, find_due_versions
from pg_archiver.archive.run_span import ALONE, Limits, OtherTables, due_span, refuse_backward
from pg_archiver.archive.tried import Tried
from pg_archiver.archive.window_length import has_little_to_do, settle_policy
from pg_archiver.domain.tables import Partition, TableShape
from pg_archiver.domain.window_lengths import SHORT_HOURS, WindowLength
from pg_archiver.domain.windows import DueWindow, Window, cutoff
from pg_archiver.domain.work import Batch, WorkOrder
from pg_archiver.ledger.restores import Hold, RestoreLog
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.partitions.whole_partitions import Found, choose_partitions
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.postgres.catalog import describe_table
from pg_archiver.postgres.clocks import read_clock
from pg_archiver.postgres.rows_that_stay import Staying, find_odd_timestamps, find_waiting
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

# How many runs are foreseen: years of hours, one window each, would not end.
MOST_RUNS = 1000


@dataclass(frozen=True)
class Plan:
    """The batches, and what the report needs to say about them.

    `length` is how long its windows are, where the policy leaves that open. `small` is whether `tasks: auto` leaves all
    of it to the task that plans.
    """

    batches: tuple[Batch, ...]
    due: Window | None
    cutoff: datetime | None
    keep_days: KeepDays
    more: bool
    notes: tuple[str, ...]
    staying: tuple[Staying, ...] = ()
    kept_by: str | None = None
    """What binds, of all that keeps versions; None where nothing does, or none are kept."""
    length: WindowLength | None = None
    small: bool = False

    @classmethod
    def nothing(cls, keep_days: KeepDays) -> Plan:
        """Return the plan of a table of which everything is kept."""
        log.info("nothing is due: keep_days is %d (from %s), which keeps everything", keep_days.days, keep_days.source)
        return cls((), None, None, keep_days, more=False, notes=(), small=True)

    @property
    def windows(self) -> int:
        """How many windows the plan holds."""
        return sum(len(batch) for batch in self.batches)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those that are to be dropped whole."""
        return tuple(batch.partition for batch in self.batches if batch.partition and not batch.partition.back)

    def summary(self) -> dict[str, object]:
        """Return what the report repeats: plain values only."""
        return {
            "keep_days": self.keep_days.days,
            "keep_days_from": self.keep_days.source,
            "cutoff": self.cutoff.isoformat() if self.cutoff else None,
            "windows": self.windows,
            "tasks": len(self.batches),
            "more": self.more,
            "partitions": [str(one) for one in self.partitions],
            "notes": list(self.notes),
            "staying": [one.as_dict() for one in self.staying],
        }


@dataclass(frozen=True)
class Outlook:
    """What this run and those after it would carry, if nothing changed meanwhile.

    `runs` holds the batches of each run; `complete` is false where more than MOST_RUNS would be needed. `unfinished`
    counts the windows that earlier runs began and did not finish. `hours` is how long the windows are.
    """

    due: Window | None
    cutoff: datetime
    runs: tuple[tuple[Batch, ...], ...]
    complete: bool
    unfinished: int
    notes: tuple[str, ...]
    staying: tuple[Staying, ...] = ()
    hours: int = SHORT_HOURS
    rows: Mapping[datetime, int] | None = None
    """How many rows of each cell may go, by its start, where versions are kept; else None."""

    @property
    def windows(self) -> tuple[DueWindow, ...]:
        """All windows, oldest first."""
        return tuple(sorted(window for run in self.runs for batch in run for window in batch))

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those that would be dropped whole."""
        return tuple(
            batch.partition for run in self.runs for batch in run if batch.partition and not batch.partition.back
        )


def plan(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    policy: TablePolicy,
    keep: KeepDays,
    limits: Limits,
    others: OtherTables = ALONE,
    tried: Tried | None = None,
) -> Plan:
    """Find what is due before the cutoff, oldest first, and what earlier runs left unfinished there.

    A run that plans again says what it has `tried` before, which is left out.

    Raises:
        TableRefused: the table is missing or rows cannot be deleted from it safely.
        StorageRefused: the bucket is missing, or may not be written to.
        SettingError: the run's `end` is not after its `start`.
    """
    shape = describe_table(session, order.table, order.timestamp_column, order.children)
    refuse_backward(limits, shape.timestamp_kind, policy.timezone)
    bucket.check(order.prefix, writing=not order.dry_run)
    before, due, staying = _find_what_is_due(session, shape, WindowLedger(session, order), policy, keep, limits)
    if due is None:
        log.info("nothing is due: the run is limited to a span that is not before the cutoff %s", before)
        notes = shape.notes + _words(staying)
        return Plan((), None, before, keep, more=False, notes=notes, staying=staying, small=True)
    policy, length = settle_policy(session, shape, order, policy, due)
    holds = RestoreLog(session, order).list_holds(due)
    half = _find_half_exported(WindowLedger(session, order), due)
    tried = tried or Tried()
    passed_over = PassedOver(holds, half, tried)
    versions = find_due_versions(session, order, due, keep, policy.hours)
    every = find_windows(session, shape, WindowLedger(session, order), due, policy, passed_over, versions)
    free, blocked = every.deal(half)
    windows, left = carry(sort_by_turn(free, half), policy.max_mapped_windows * longest_batch(policy), half)
    left += blocked
    found = _choose_partitions(session, shape, order, carried_span(due, left), policy, holds)
    partitions = [one for one in found.partitions if not tried.has_partition(one.oid)]
    cut = cut_into_batches(windows, partitions, policy, others.archived, half)
    most = policy.max_mapped_windows
    more = bool(left) or len(cut) > most
    waiting = _find_waiting(session, shape, due, others, versions, none_is_free=not cut and not holds)
    notes = _all_notes(shape, staying, found.notes, holds, waiting, versions)
    batches = tuple(choose(cut, most, half))
    small = policy.tasks == "auto" and has_little_to_do(session, shape, [one for batch in batches for one in batch])
    kept_by = versions.kept_by if versions else None
    result = Plan(batches, due, before, keep, more, notes, staying + waiting, kept_by, length, small)
    _tell(result)
    return result


def foresee(
    session: Session,
    shape: TableShape,
    order: WorkOrder,
    policy: TablePolicy,
    keep: KeepDays,
    limits: Limits,
    others: OtherTables = ALONE,
) -> Outlook:
    """Plan run after run until nothing is due. Read the table and the ledger alone, and no bucket.

    Raises:
        SettingError: the run's `end` is not after its `start`.
    """
    refuse_backward(limits, shape.timestamp_kind, policy.timezone)
    before, due, staying = _find_what_is_due(session, shape, WindowLedger(session, order), policy, keep, limits)
    if due is None:
        notes = shape.notes + _words(staying)
        return Outlook(None, before, (), complete=True, unfinished=0, notes=notes, staying=staying)
    ledger, holds = WindowLedger(session, order), RestoreLog(session, order).list_holds(due)
    half = _find_half_exported(ledger, due)
    policy, _ = settle_policy(session, shape, order, policy, due)
    versions = find_due_versions(session, order, due, keep, policy.hours)
    left = find_windows(session, shape, ledger, due, policy, PassedOver(holds, half), versions, everything=True)
    most = policy.max_mapped_windows * longest_batch(policy)
    runs: list[tuple[Batch, ...]] = []
    found: dict[str, None] = {}
    dropped: set[int] = set()
    complete = False
    while not complete and len(runs) < MOST_RUNS:
        free, blocked = left.deal(half)
        carried, later = carry(sort_by_turn(free, half), most, half)
        chosen = _choose_partitions(session, shape, order, carried_span(due, later + blocked), policy, holds)
        found |= dict.fromkeys(chosen.notes)
        whole = [one for one in chosen.partitions if one.oid not in dropped]
        cut = cut_into_batches(carried, whole, policy, others.archived, half)
        run = tuple(choose(cut, policy.max_mapped_windows, half))
        runs += [run] if run else []
        dropped |= {batch.partition.oid for batch in run if batch.partition}
        done = {window.cell for batch in run for window in batch}
        left = left.without(done)
        complete = not run or not (left.count() or len(run) == policy.max_mapped_windows)
    unfinished = len(ledger.list_open_windows(due)) if ledger.exists() else 0
    waiting = _find_waiting(session, shape, due, others, versions, none_is_free=not runs and not holds)
    notes = _all_notes(shape, staying, tuple(found), holds, waiting, versions)
    rows = versions.count_by_cell(policy.hours) if versions else None
    return Outlook(due, before, tuple(runs), complete, unfinished, notes, staying + waiting, policy.hours, rows)


def _find_waiting(
    session: Session,
    shape: TableShape,
    due: Window,
    others: OtherTables,
    versions: DueVersions | None,
    *,
    none_is_free: bool,
) -> tuple[Staying, ...]:
    """Return what waits for its children; where versions are kept their notes say so."""
    if versions:
        return ()
    return tuple(find_waiting(session, shape, due, others.kept_for_ever, none_is_free=none_is_free))


def _all_notes(
    shape: TableShape,
    staying: Sequence[Staying],
    of_partitions: tuple[str, ...],
    holds: Sequence[Hold],
    waiting: Sequence[Staying],
    versions: DueVersions | None,
) -> tuple[str, ...]:
    of_versions = versions.notes if versions else ()
    return shape.notes + _words(staying) + of_partitions + _hold_notes(holds) + _words(waiting) + of_versions


def _find_what_is_due(
    session: Session, shape: TableShape, ledger: WindowLedger, policy: TablePolicy, keep: KeepDays, limits: Limits
) -> tuple[datetime, Window | None, tuple[Staying, ...]]:
    """Return the cutoff, the span that is due, and what no window will ever hold."""
    now = read_clock(session)
    before = cutoff(limits.run_time, now, keep.days)
    due = due_span(limits, before, shape.timestamp_kind, policy.timezone)
    archived = ledger.has_archived()
    return before, due, tuple(find_odd_timestamps(session, shape, now, policy.timezone, archived_before=archived))


def _find_half_exported(ledger: WindowLedger, due: Window) -> frozenset[Window]:
    return ledger.list_half_exported(due) if ledger.exists() else frozenset()


def _choose_partitions(
    session: Session, shape: TableShape, order: WorkOrder, carried: Window, policy: TablePolicy, holds: Sequence[Hold]
) -> Found:
    """Return the partitions that this run may drop whole: all windows of them are in this run, or half dropped ones."""
    wanted = policy.drop_partitions and order.versions is None
    return choose_partitions(session, shape, order, carried, holds, wanted=wanted, hours=policy.hours)


def _words(staying: Sequence[Staying]) -> tuple[str, ...]:
    return tuple(one.words for one in staying)


def _hold_notes(holds: Sequence[Hold]) -> tuple[str, ...]:
    if not holds:
        return ()
    first = min(holds, key=lambda hold: hold.until)
    return (f"restored rows stay for now, in {len(holds)} span(s); the first hold to end: {first}",)


def _tell(result: Plan) -> None:
    log.info(
        "%d window(s) due before %s (keep_days %d, from %s), in %d task(s)%s",
        result.windows,
        result.cutoff,
        result.keep_days.days,
        result.keep_days.source,
        len(result.batches),
        "; more are left for the next run" if result.more else "",
    )
    for partition in result.partitions:
        log.info("due as a whole, to be dropped: %s", partition)
    for note in result.notes:
        log.warning("%s", note)
