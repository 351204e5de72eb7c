"""Where the newest versions of each key stay: which windows hold superseded ones, which these are, which may still go.

A version is superseded whenever newer ones come, long after its own hour; so it is asked three times, each time of the
whole table: in the plan, in the snapshot of the export, and in each batch of the delete, when the newest are locked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import Window, cell_of
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import LockWait
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.catalog import identity_columns
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, QualifiedColumn
from pg_archiver.versions.superseded import LONGEST_LOCK_WAIT, Superseded


@dataclass(frozen=True)
class DueVersions:
    """The versions of a span that may go: how many of each cell of the grid, by the first moment of one.

    `notes` say what keeps the others, `kept_by` what binds; None where nothing is kept.
    """

    due: Mapping[datetime, int]
    notes: tuple[str, ...]
    kept_by: str | None

    def count_by_cell(self, hours: int) -> dict[datetime, int]:
        """Return how many there are of each cell, by its start."""
        return {cell_of(first, hours).start: rows for first, rows in self.due.items()}


def find_due_versions(
    session: Session, order: WorkOrder, due: Window, keep: KeepDays, hours: int
) -> DueVersions | None:
    """Return what may go, None if the table keeps no versions; a cell of which a restore holds anything has none.

    Raises:
        TableRefused: versions cannot be told apart, or a floor cannot be read, or the newest may not be locked.
    """
    if order.versions is None:
        return None
    found = Superseded.look(session, order, order.versions, within=due).survey_cells(keep, hours)
    binding = found.whole.kept_by
    notes = (*found.whole.kept, *([f"kept by: {binding}"] if binding else []))
    return DueVersions(found.due, notes, binding)


def select_superseded(
    session: Session, order: WorkOrder, shape: TableShape, span: Window
) -> tuple[Names, Mapping[str, object]] | None:
    """Return names and values of the COPY of the superseded versions of a window, in the transaction of its snapshot.

    None if the table keeps no versions.

    Raises:
        TableRefused: as of `find_due_versions`.
    """
    if order.versions is None:
        return None
    found = Superseded.look(session, order, order.versions, within=span)
    # A row to which nobody can point needs no join but by its place, which leaves rows in the order of the list.
    session.fetch_all("versions/plan_pass", joins="on" if found.shape.waits_for else "off")
    names: Names = {
        **found.passing,
        "identity": [QualifiedColumn("target", column) for column in identity_columns(shape)],
        "written": [QualifiedColumn("target", column.name) for column in shape.columns],
    }
    return names, found.values


@dataclass
class NewestVersions:
    """The newest versions of the keys on the list of exported rows, whose columns hold their places, batch by batch.

    `places` are the names by which a statement compares the table's places with the list's.
    """

    superseded: Superseded
    places: Names
    _newest: Mapping[str, str] = field(default_factory=lambda: {"parts": "{}", "places": "{}"})
    _passes_over: bool = False

    @classmethod
    @contextmanager
    def listed(
        cls, session: Session, order: WorkOrder, span: Window, places: Names, after: int
    ) -> Generator[NewestVersions | None]:
        """Have the server list them for the batches after so many rows; None if the table keeps no versions.

        Raises:
            TableRefused: as of `find_due_versions`; nothing was deleted.
        """
        if order.versions is None:
            yield None
            return
        newest = cls(Superseded.look(session, order, order.versions, within=span), places)
        with session.transaction():
            session.fetch_all("versions/plan_pass", joins="on")
            names: Names = {
                **newest.superseded.ranking,
                "columns": newest.superseded.passing["columns"],
                "exported_place": places["exported_place"],
            }
            values = {"after": after, "batch_size": order.batch_size, "keep": order.versions.keep}
            session.execute("archive/delete/list_newest", names, **values)
        try:
            yield newest
        finally:
            if not session.closed:
                session.execute("versions/close")

    def delete_next(self, delete: Callable[[], int]) -> int:
        """Have the next batch deleted, and return how many rows went.

        Versions that others have locked are waited for briefly, and then passed over: those wait for the next run.
        """
        session = self.superseded.session
        newest = session.fetch_one("versions/next_batch")
        self._newest, self._passes_over = {"parts": newest.parts, "places": newest.places}, False
        with suppress(LockWait), session.timeouts(lock=LONGEST_LOCK_WAIT):
            return delete()
        self._passes_over = True
        return delete()

    def find_superseded(self, after: int, upto: int) -> str:
        """Return which rows of the batch may go, by their numbers, as the server writes them.

        The newest are locked until the transaction ends. One that somebody else has locked supersedes none.
        """
        session, found, places = self.superseded.session, self.superseded, self._newest
        if found.versions.keep:
            locked = session.fetch_one("versions/lock_kept", {"table": found.order.table}, **places)
            places = {"parts": locked.parts or "{}", "places": locked.places or "{}"}
        names: Names = {
            **found.ranking,
            **{name: found.conditions[name] for name in ("version", "type", "below_floors")},
            "exported_place": self.places["exported_place"],
        }
        values = {"after": after, "upto": upto}
        numbers = str(
            session.fetch_one("archive/delete/find_superseded", names, **values, **places, **found.values).numbers
        )
        if self._passes_over:
            names = {"table": found.order.table, **self.places}
            numbers = str(
                session.fetch_one("archive/delete/lock_superseded", names, superseded=numbers, **values).numbers
            )
        return numbers
