"""report: what a run did, from the ledger; the same lines for the task log, the Asset event and the operator.

The colour of a run is decided here, since this task is the end of its table's branch: whatever failed, was never
begun, came back damaged or can never leave makes it fail, by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pg_archiver.domain.windows import Window
from pg_archiver.domain.work import Batch, WorkOrder
from pg_archiver.errors import Unfinished
from pg_archiver.ledger.partition_drops import PartitionDropLog
from pg_archiver.ledger.window_generation import OPEN_STATES, Cause, RunGeneration, State
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Session

_MOST_NAMED = 10
# Of what goes to XCom; thousands of windows may fail for one reason.
_MOST_LISTED = 100


@dataclass(frozen=True)
class BatchEnd:
    """How the tasks of one batch ended.

    `failed` says which of them did not succeed, empty if all did. `exported` is whether its export told what
    came of it: one that somebody marked as successful did not.
    """

    batch: Batch
    label: str
    failed: str
    exported: bool


@dataclass(frozen=True)
class Report:
    """One run on one table. `rows` are in verified objects, `deleted` of them left the table, `changed` did not.

    `why_dry_run` says why nothing was to be written or deleted. `unfinished` makes the run fail.
    """

    dry_run: bool
    windows: int
    objects: int
    rows: int
    deleted: int
    changed: int
    csv_bytes: int
    object_bytes: int
    unfinished: tuple[str, ...]
    given_up: tuple[str, ...]
    partitions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    why_dry_run: str = ""

    @classmethod
    def of_rehearsal(cls, ends: Sequence[BatchEnd], exports: Sequence[Mapping[str, Any]], why: str) -> Report:
        """Return the report of a dry run, from what its exports returned; `why` says why it was one."""
        return cls(
            dry_run=bool(why),
            why_dry_run=why,
            windows=sum(len(end.batch) for end in ends),
            objects=0,
            rows=sum(one["rows"] for one in exports),
            deleted=0,
            changed=0,
            csv_bytes=sum(one["csv_bytes"] for one in exports),
            object_bytes=sum(one["object_bytes"] for one in exports),
            unfinished=tuple(_not_read(end) for end in ends if end.failed or not end.exported),
            given_up=(),
        )

    @classmethod
    def of_nothing(cls, why: str = "") -> Report:
        """Return the report of a run to which nothing was due."""
        return cls.of_rehearsal((), (), why)

    def refuse_unfinished(self) -> None:
        """Fail if anything is unfinished: such a run must not look like one that succeeded.

        Raises:
            Unfinished: it names them.
        """
        if self.unfinished:
            named = "; ".join(self.unfinished[:_MOST_NAMED])
            more = len(self.unfinished) - _MOST_NAMED
            raise Unfinished(
                f"{len(self.unfinished)} thing(s) are not as they should be: "
                f"{named}{f'; and {more} more' if more > 0 else ''}. No row is lost by that. If a task is red, its "
                "log has the error. The next run continues with what can continue"
            )

    def with_plan(self, summary: Mapping[str, Any]) -> Report:
        """Return the report with the notes of the plan: N, the cutoff, rows that no window holds, what is left."""
        notes = [f"N is {summary.get('keep_days')}, from {summary.get('keep_days_from')}"]
        if summary.get("cutoff"):
            notes.append(f"due is what is older than {summary['cutoff']}")
        if summary.get("partitions"):
            notes.append(f"{len(summary['partitions'])} partition(s) were due as a whole, to be dropped")
        notes += summary.get("notes", [])
        if summary.get("more"):
            notes.append("more windows are due than one run carries; the next run continues with them")
        never = tuple(one["words"] for one in summary.get("staying", []) if one["never"])
        return replace(self, notes=(*notes, *self.notes), unfinished=self.unfinished + never)

    def with_note(self, note: str | None) -> Report:
        """Return the report with one more note."""
        return replace(self, notes=(*self.notes, note)) if note else self

    def as_dict(self) -> dict[str, object]:
        """Return plain values for XCom and the Asset event; the lists are cut where they get long."""
        lists = {name: _cut(getattr(self, name)) for name in ("unfinished", "given_up", "partitions", "notes")}
        return vars(self) | lists

    def note(self, table: str) -> str:
        """Return the run as one line, for the note that Airflow's list of runs shows."""
        if self.dry_run:
            done = f"DRY RUN, nothing left; {self.rows:,} rows of {self.windows:,} windows would go"
        elif self.windows:
            done = f"{self.deleted:,} rows left, {self.rows:,} archived, {self.windows:,} windows"
        else:
            done = "nothing was due"
        failed = f"; NOT FINISHED: {len(self.unfinished)}" if self.unfinished else ""
        return f"{table}: {done}{failed}{f' ({self.why_dry_run})' if self.why_dry_run else ''}"

    def lines(self) -> list[str]:
        """Return the report as human-readable lines."""
        begun = [f"this is a dry run, so nothing was written or deleted: {self.why_dry_run}"] if self.dry_run else []
        not_finished = [f"not finished: {line}" for line in self.unfinished[:_MOST_NAMED]]
        if not self.windows and not self.partitions and not self.rows:
            return [*begun, "nothing was due", *not_finished, *self.notes]
        size = f"{self.csv_bytes / 1e6:.1f} MB of CSV in {self.object_bytes / 1e6:.1f} MB"
        if self.dry_run:
            would = f"dry run: {self.rows} rows of {self.windows} windows ({size}) would be archived and deleted"
            return [*begun, would, *not_finished, *self.notes]
        lines = [
            f"{self.rows} rows of {self.windows} windows archived in {self.objects} objects ({size})",
            f"{self.deleted} rows deleted, {self.changed} changed since their export and stayed",
        ]
        lines += self.partitions
        lines += [f"abandoned, for the next run to export again: {line}" for line in self.given_up[:_MOST_NAMED]]
        return lines + not_finished + list(self.notes)


def report(session: Session, order: WorkOrder, ends: Sequence[BatchEnd]) -> Report:
    """Add up what the ledger says of all that this run had a part in, in former tries too.

    Args:
        session: a session on the client database, with a ledger of this version.
        order: the client and table to work on.
        ends: how the tasks of each batch that was planned ended.
    """
    planned = {window.cell for end in ends for window in end.batch}
    span = Window(min(cell.start for cell in planned), max(cell.end for cell in planned)) if planned else None
    added = _Added()
    for one in WindowLedger(session, order).list_of_run(span):
        if one.mine or one.cell in planned:
            added.add(one)
    return Report(
        dry_run=False,
        windows=len(planned | added.known),
        objects=added.objects,
        rows=added.rows,
        deleted=added.deleted,
        changed=added.rows - added.deleted,
        csv_bytes=added.csv_bytes,
        object_bytes=added.object_bytes,
        unfinished=tuple(added.lines + added.name_failed(ends)),
        given_up=tuple(added.given_up),
        partitions=tuple(map(str, PartitionDropLog(session, order).list_of_run())),
        notes=_tell_missed(added.missed),
    )


def list_stuck(session: Session, order: WorkOrder) -> Iterator[str]:
    """Yield the windows that came to nothing in this run and in the one before: something keeps their rows for good."""
    for one in WindowLedger(session, order).list_of_run(None):
        if one.mine and one.stuck and one.latest:
            yield _tell_stuck(one)


@dataclass
class _Added:
    """The generations of a run, added up one by one, so that of each no more is kept than there is to say.

    `known` are their windows, `told` those of which `lines` tell that they are not as they should be. `missed` is how
    many kept every row, because none could leave by ranges of time.
    """

    objects: int = 0
    rows: int = 0
    deleted: int = 0
    csv_bytes: int = 0
    object_bytes: int = 0
    missed: int = 0
    known: set[Window] = field(default_factory=set)
    told: set[Window] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    def add(self, one: RunGeneration) -> None:
        """Add what became of one generation."""
        self.known.add(one.cell)
        if one.state is State.DELETED:
            self.objects += 1
            self.rows += one.rows
            self.deleted += one.deleted_rows
            self.csv_bytes += one.csv_bytes
            self.object_bytes += one.object_bytes
        self.missed += one.missed and one.state is State.VOID and one.latest
        if one.state in OPEN_STATES or one.cause is Cause.DAMAGED:
            self.told.add(one.cell)
        if one.state in OPEN_STATES or (one.cause is Cause.DAMAGED and one.latest):
            self.lines.append(_line(one))
        elif one.stuck and one.latest:
            self.lines.append(_tell_stuck(one))
        if one.cause is Cause.GIVEN_UP and one.latest and not one.stuck:
            self.given_up.append(_line(one))

    def name_failed(self, ends: Sequence[BatchEnd]) -> list[str]:
        """Return what failed or was never begun, and is not told yet; each thing once."""
        lines = []
        for end in ends:
            cells = {window.cell for window in end.batch}
            never_begun = [window for window in end.batch if window.cell not in self.known] if not end.exported else []
            if never_begun:
                lines += [f"window {window} was not begun: {_why(end)}" for window in never_begun]
            elif end.failed and not cells & self.told:
                lines.append(f"{end.label}: {end.failed}")
        return lines


def _cut(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST_LISTED
    return [*lines[:_MOST_LISTED], *([f"and {more:,} more"] if more > 0 else [])]


def _not_read(end: BatchEnd) -> str:
    return f"{end.label}: {_why(end)}; its rows are not counted, or not all of them"


def _why(end: BatchEnd) -> str:
    return end.failed or "its export did not report a result, as when somebody marks it as success"


def _tell_missed(windows: int) -> tuple[str, ...]:
    if not windows:
        return ()
    return (
        f"{windows} window(s) kept every row, because rows changed since the export in each part of them; the next run "
        "exports them again, and after two such runs all rows leave but those that changed",
    )


def _tell_stuck(one: RunGeneration) -> str:
    return f"{_line(one)}: {'abandoned' if one.cause else 'not one of its rows left'}, in two runs in a row"


def _line(one: RunGeneration) -> str:
    return f"window {one.span}, generation {one.generation}, {one.state}{f': {one.note}' if one.note else ''}"
