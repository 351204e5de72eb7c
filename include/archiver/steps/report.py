"""report: what a run did, from the ledger; the same lines for the task log, the Asset event and the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from include.archiver.condition import in_words
from include.archiver.database import Database
from include.archiver.errors import ArchiverError, Unfinished
from include.archiver.ledger import Ledger
from include.archiver.measuring import inspection_of
from include.archiver.models import OPEN_STATES, LedgerRow, State, Window, WorkOrder
from include.archiver.partitions import Drops

_MOST_NAMED = 10


@dataclass(frozen=True)
class Report:
    """One run on one table. `rows` are in verified objects, `deleted` of them left the table, `changed` did not."""

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

    @classmethod
    def of_rehearsal(cls, windows: int, rehearsed: Sequence[Mapping[str, int]], *, dry_run: bool) -> Report:
        """The report of a dry run, or of a run to which nothing was due: from what the exports returned."""
        return cls(
            dry_run=dry_run,
            windows=windows,
            objects=0,
            rows=sum(one["rows"] for one in rehearsed),
            deleted=0,
            changed=0,
            csv_bytes=sum(one["csv_bytes"] for one in rehearsed),
            object_bytes=sum(one["object_bytes"] for one in rehearsed),
            unfinished=(),
            given_up=(),
        )

    def refuse_unfinished(self) -> None:
        """A run that left windows half done must not look like one that succeeded.

        Raises:
            Unfinished: it names the windows.
        """
        if self.unfinished:
            named = "; ".join(self.unfinished[:_MOST_NAMED])
            raise Unfinished(
                f"{len(self.unfinished)} of {self.windows} windows are not finished: {named}. Nothing of them is lost; "
                f"the errors are in the logs of the red tasks, and the next run goes on from there"
            )

    def with_plan(self, summary: Mapping[str, Any]) -> Report:
        """The same report with what the plan had to say: N, the cutoff, rows that no window holds, what is left."""
        notes = [f"N is {summary.get('keep_days')}, from {summary.get('keep_days_from')}"]
        if summary.get("cutoff"):
            notes.append(f"due is what is older than {summary['cutoff']}")
        if summary.get("partitions"):
            notes.append(f"{len(summary['partitions'])} partition(s) were due as a whole, to be dropped")
        notes += summary.get("notes", [])
        if summary.get("more"):
            notes.append("more windows are due than one run carries; the next run goes on with them")
        return replace(self, notes=tuple(notes))

    def with_note(self, note: str | None) -> Report:
        """The same report with one more thing to say."""
        return replace(self, notes=(*self.notes, note)) if note else self

    def as_dict(self) -> dict[str, object]:
        """For XCom and the Asset event: plain values only."""
        lists = {name: list(getattr(self, name)) for name in ("unfinished", "given_up", "partitions", "notes")}
        return asdict(self) | lists

    def lines(self) -> list[str]:
        """For people."""
        if not self.windows and not self.partitions:
            return ["nothing was due", *self.notes]
        size = f"{self.csv_bytes / 1e6:.1f} MB of CSV in {self.object_bytes / 1e6:.1f} MB"
        if self.dry_run:
            return [
                f"dry run: {self.rows} rows of {self.windows} windows ({size}) would be archived and deleted",
                *self.notes,
            ]
        lines = [
            f"{self.rows} rows of {self.windows} windows archived in {self.objects} objects ({size})",
            f"{self.deleted} rows deleted, {self.changed} changed since their export and stayed",
        ]
        lines += self.partitions
        lines += [f"given up, for the next run to export again: {line}" for line in self.given_up[:_MOST_NAMED]]
        lines += [f"not finished: {line}" for line in self.unfinished[:_MOST_NAMED]]
        return lines + list(self.notes)


def maintenance_due(database: Database, order: WorkOrder, min_percent: int, min_bytes: int) -> str | None:
    """What could be given back to the disk by now, None where that is too little; by statistics, which cost nothing."""
    try:
        found = inspection_of(database, order.table, order.timestamp_column, thorough=False)
    except ArchiverError as error:
        return f"how much disk space could be given back is not known: {error}"
    free = found.free.total
    if not free or free < min_bytes or found.free_percent < min_percent:
        return None
    return (
        f"maintenance is due: about {in_words(free)} of {in_words(found.sizes.total)} ({found.free_percent:.0f}%) "
        f"could be given back to the disk; the DAG maintenance does it"
    )


def report(database: Database, order: WorkOrder, cells: Sequence[Window]) -> Report:
    """Adds up what the ledger says of the windows that this run had in hand."""
    planned = set(cells)
    rows: list[LedgerRow] = []
    if planned:
        span = Window(min(cell.start for cell in cells), max(cell.end for cell in cells))
        rows = [row for row in Ledger(database, order).of_run(span) if row.cell in planned]
    done = [row for row in rows if row.state is State.DELETED]
    return Report(
        dry_run=False,
        windows=len(planned),
        objects=len(done),
        rows=sum(row.rows or 0 for row in done),
        deleted=sum(row.deleted_rows for row in done),
        changed=sum((row.rows or 0) - row.deleted_rows for row in done),
        csv_bytes=sum(row.csv_bytes or 0 for row in done),
        object_bytes=sum(row.object_bytes or 0 for row in done),
        unfinished=tuple(_line(row) for row in rows if row.state in OPEN_STATES),
        given_up=tuple(_line(row) for row in rows if row.state is State.VOID and row.rows),
        partitions=tuple(map(str, Drops(database, order).of_run())),
    )


def _line(row: LedgerRow) -> str:
    return f"window {row.span}, generation {row.generation}, {row.state}{f': {row.note}' if row.note else ''}"
