"""Which windows hold rows that are due, what earlier runs left unfinished among them, and which of all have a turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pg_archiver.archive.batching import longest_batch, make_way
from pg_archiver.archive.kept_versions import DueVersions
from pg_archiver.archive.tried import Tried
from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import GRID_ORIGIN, DueWindow, Window, due_windows
from pg_archiver.ledger.restores import Hold
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Name, Names, NotReferenced


@dataclass(frozen=True)
class PassedOver:
    """Windows that are due and have no turn, being held by a restore or tried by this run; or have theirs last."""

    holds: Sequence[Hold]
    half_exported: Collection[Window]
    tried: Tried = field(default_factory=Tried)

    def keeps(self, cell: Window) -> bool:
        """Return whether the window has no turn."""
        return self.tried.has_window(cell) or any(hold.span.overlaps(cell) for hold in self.holds)

    def count(self, hours: int) -> int:
        """Return how many of them a look at the table may find, at most."""
        held = sum(_count_cells(hold.span, hours) for hold in self.holds)
        return len(self.half_exported) + held + self.tried.windows


@dataclass(frozen=True)
class Windows:
    """The windows that hold rows which are due, and those that earlier runs began and did not finish.

    `held` are the cells of the latter that have no turn. They are here because of what overlaps them.
    """

    found: tuple[DueWindow, ...]
    unfinished: tuple[DueWindow, ...]
    held: frozenset[Window] = frozenset()

    def deal(self, half_exported: Collection[Window]) -> tuple[list[DueWindow], list[DueWindow]]:
        """Return the windows that have a turn in the next run, and those that wait for them (`make_way`)."""
        free, blocked = make_way(self.found, self.unfinished, half_exported)
        return [window for window in free if window.cell not in self.held], blocked

    def without(self, done: Collection[Window]) -> Windows:
        """Return those whose cells are not among these."""
        return replace(
            self,
            found=tuple(window for window in self.found if window.cell not in done),
            unfinished=tuple(window for window in self.unfinished if window.cell not in done),
        )

    def count(self) -> int:
        """Return how many of them have a turn, now or later."""
        return len({window.cell for window in (*self.found, *self.unfinished)} - self.held)


def find_windows(
    session: Session,
    shape: TableShape,
    ledger: WindowLedger,
    due: Window,
    policy: TablePolicy,
    passed_over: PassedOver,
    versions: DueVersions | None,
    *,
    everything: bool = False,
) -> Windows:
    """Return the windows of this run and some of those beyond what it can carry, if any; with `everything` all of them.

    Those found that are held, or that the run has tried, count neither way. Where the table keeps versions, they are
    those that hold some which may go.
    """
    unfinished = ledger.list_open_windows(due) if ledger.exists() else []
    step = timedelta(hours=policy.hours)
    overlapped = sum(
        _count_cells(window.span, policy.hours) for window in unfinished if window.cell.end - window.cell.start != step
    )
    most = policy.max_mapped_windows * longest_batch(policy)
    limit = None if everything else most + 1 + passed_over.count(policy.hours) + overlapped
    firsts = list(versions.due) if versions else _list_firsts(session, shape, due, step, limit)
    found = due_windows(firsts, due, policy.hours)
    held = frozenset(window.cell for window in unfinished if passed_over.keeps(window.cell))
    return Windows(
        tuple(window for window in found if not passed_over.keeps(window.cell)),
        # Nothing waits for one that holds nothing and has no turn.
        tuple(one for one in unfinished if not (one.cell in held and one.cell in passed_over.half_exported)),
        held,
    )


def _list_firsts(
    session: Session, shape: TableShape, due: Window, step: timedelta, limit: int | None
) -> list[datetime]:
    """Return the first moment of each cell that holds a row, of so many cells at most."""
    values: dict[str, object] = {"start": due.start, "end": due.end, "step": step, "origin": GRID_ORIGIN}
    return [row.first for row in session.fetch_all(*_choose_statement(shape), limit=limit, **values)]


def _choose_statement(shape: TableShape) -> tuple[str, Names]:
    """Return the statement that finds the windows: along the index that there is, or in one read of the table."""
    names: dict[str, Name] = {"table": shape.table, "column": shape.timestamp_column}
    if shape.timestamp_index and not shape.waits_for:
        return "archive/plan/windows_by_index", names
    names["unreferenced"] = NotReferenced("target", shape.waits_for)
    if shape.timestamp_index and all(key.indexed for key in shape.waits_for):
        return "archive/plan/windows_without_children", names
    return "archive/plan/windows_by_scan", names


def _count_cells(span: Window, hours: int) -> int:
    """Return how many cells of the grid the span can overlap."""
    return (span.end - span.start) // timedelta(hours=hours) + 2
