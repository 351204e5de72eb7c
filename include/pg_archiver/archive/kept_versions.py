"""Where the newest versions of each key stay: which windows hold superseded ones, which these are, which may still go.

A version is superseded whenever newer ones come, long after its own hour; so it is asked three times, each time of the
whole table: in the plan, in the snapshot of the export, and in each batch of the delete, when the newest are locked.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import Window, cell_of
from pg_archiver.domain.work import WorkOrder
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.catalog import identity_columns
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Name, Names, QualifiedColumn
from pg_archiver.versions.superseded import Superseded


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


@dataclass(frozen=True)
class NewestVersions:
    """The newest versions of the keys on the list of exported rows, whose columns hold their places, batch by batch."""

    superseded: Superseded
    exported_place: Sequence[Name]

    @classmethod
    @contextmanager
    def listed(
        cls, session: Session, order: WorkOrder, span: Window, exported_place: Sequence[Name], after: int
    ) -> Generator[NewestVersions | None]:
        """Have the server list them for the batches after so many rows; None if the table keeps no versions.

        `exported_place` are the columns of the list of exported rows that hold a row's place.

        Raises:
            TableRefused: as of `find_due_versions`; nothing was deleted.
        """
        if order.versions is None:
            yield None
            return
        newest = cls(Superseded.look(session, order, order.versions, within=span), exported_place)
        with session.transaction():
            session.fetch_all("versions/plan_pass", joins="on")
            names: Names = {
                **newest.superseded.ranking,
                "columns": newest.superseded.passing["columns"],
                "exported_place": exported_place,
            }
            values = {"after": after, "batch_size": order.batch_size, "keep": order.versions.keep}
            session.execute("archive/delete/list_newest", names, **values)
        try:
            yield newest
        finally:
            if not session.closed:
                session.execute("versions/close")

    def find_superseded(self, after: int, upto: int) -> str:
        """Return which rows of the next batch may go, by their numbers, as the server writes them.

        The newest are locked until the transaction ends. One that somebody else has locked supersedes none.
        """
        session, found = self.superseded.session, self.superseded
        (newest,) = session.fetch_all("versions/next_batch")
        places = {"parts": newest.parts, "places": newest.places}
        if found.versions.keep:
            locked = session.fetch_one("versions/lock_kept", {"table": found.order.table}, **places)
            places = {"parts": locked.parts or "{}", "places": locked.places or "{}"}
        names: Names = {
            **found.ranking,
            **{name: found.conditions[name] for name in ("version", "type", "below_floors")},
            "exported_place": self.exported_place,
        }
        values = {"after": after, "upto": upto, **places, **found.values}
        return str(session.fetch_one("archive/delete/find_superseded", names, **values).numbers)
