"""Which rows the server cannot write out: a lost TOAST chunk, a value no text stands for, a row of more than 1 GB.

They are told by their places, parts and columns, so that a person finds them; never by what they hold. They are looked
for by halves, in the statement of the export itself, when an export has failed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import Window, bounds
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError, DatabaseRefused, RightMissing
from pg_archiver.postgres.catalog import describe_table, identity_columns
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Name, NotReferenced

log = logging.getLogger(__name__)

# Looking for them reads the window twice more; what is known by then is told.
_LONGEST = timedelta(seconds=60)
_LOCK_TIMEOUT = timedelta(seconds=10)
_MOST_ROWS = 5
# Below every place of a row.
_BEGIN = "(0,0)"


@contextmanager
def name_unreadable_rows(session: Session, order: WorkOrder, span: Window) -> Generator[None]:
    """Wrap the reading of a window: if the server cannot write out a row of it, the refusal says where that is.

    Raises:
        DatabaseRefused: as what was raised, with the rows' places; no row of the window was deleted.
    """
    try:
        yield
    except RightMissing:
        raise
    except DatabaseRefused as refusal:
        place = _place(session, order, span)
        if place is None:
            raise
        raise type(refusal)(
            f"window {span}: the server cannot write out {place}. It says: {refusal}. Nothing of this window was "
            "exported or deleted. Other windows are not affected. Fix: repair or delete what cannot be read, and the "
            "next run takes the window again"
        ) from None


def _place(session: Session, order: WorkOrder, span: Window) -> str | None:
    """Return the rows, human-readable; None if it is not because of a row that the window could not be read."""
    if session.closed:
        return None
    log.warning("window %s could not be read; looking for the rows that the server cannot write out", span)
    try:
        with session.timeouts(lock=_LOCK_TIMEOUT, statement=_LONGEST), session.snapshot():
            shape = describe_table(session, order.table, order.timestamp_column, order.children)
            return _Search(session, shape, span).describe()
    except ArchiverError:
        # What ended the export is what counts; why its place could not be told is less than that.
        return None


@dataclass(frozen=True)
class _Piece:
    """Rows of one part after one place, up to and with another."""

    part: int
    name: str
    after: str
    upto: str
    rows: int

    def __str__(self) -> str:
        if self.rows == 1:
            return f"the row at ctid {self.upto} of {self.name}"
        return f"one of {self.rows} rows between ctid {self.after} and {self.upto} of {self.name}"


class _OutOfTimeError(Exception):
    """The time is over; what is known by now has to suffice."""


@dataclass
class _Search:
    """One look for the rows of a window that cannot be written out."""

    session: Session
    shape: TableShape
    span: Window
    deadline: float = field(default_factory=lambda: time.monotonic() + _LONGEST.total_seconds())

    def describe(self) -> str | None:
        """Return what was found, human-readable."""
        try:
            parts = self._find_parts()
            if not parts or not self._is_readable(_Piece(parts[0].part, parts[0].name, _BEGIN, _BEGIN, 0)):
                # Not even no rows at all can be read.
                return None
            found = self._find(parts)
        except _OutOfTimeError:
            return None
        if not found:
            return None
        rows = ", ".join(f"{one}{self._find_columns(one)}" for one in found)
        more = ", and perhaps more" if len(found) == _MOST_ROWS else ""
        key = ", ".join(self.shape.identity_columns)
        return f"{rows}{more}{f' (its key: {key})' if key else ''}"

    def _find(self, parts: Sequence[_Piece]) -> list[_Piece]:
        """Return single rows; if time was too short for any, the smallest piece that holds one."""
        found: list[_Piece] = []
        left, narrowest = list(reversed(parts)), None
        try:
            while left and len(found) < _MOST_ROWS:
                piece = left.pop()
                if self._is_readable(piece):
                    continue
                narrowest = piece
                halves = self._halve(piece)
                if halves:
                    left += reversed(halves)
                else:
                    found.append(piece)
        except _OutOfTimeError:
            return found or ([narrowest] if narrowest else [])
        return found

    def _find_parts(self) -> list[_Piece]:
        start, end = bounds(self.span, self.shape.timestamp_kind)
        rows = self.session.fetch_all("archive/export/parts_with_rows", self._names(), start=start, end=end)
        return [_Piece(row.part, row.name, _BEGIN, row.upto, row.rows) for row in rows]

    def _halve(self, piece: _Piece) -> list[_Piece]:
        """Return two pieces of it, none if it is a single row."""
        if piece.rows == 1:
            return []
        middle = self.session.fetch_one("archive/export/middle_place", self._names(), **self._values(piece)).place
        first = (piece.rows + 1) // 2
        return [
            _Piece(piece.part, piece.name, piece.after, middle, first),
            _Piece(piece.part, piece.name, middle, piece.upto, piece.rows - first),
        ]

    def _find_columns(self, piece: _Piece) -> str:
        """Return which columns of a single row it is, as far as that can be told."""
        if piece.rows != 1:
            return ""
        try:
            bad = [column.name for column in self.shape.columns if not self._is_readable(piece, column.name)]
        except _OutOfTimeError:
            return ""
        return f", column {', '.join(bad)}" if bad else ", its columns together"

    def _is_readable(self, piece: _Piece, column: str | None = None) -> bool:
        """Return whether the server can write all of it out, or that column of it alone."""
        columns = [column] if column else [one.name for one in self.shape.columns]
        identity = ["tableoid"] if column else identity_columns(self.shape)
        names = {**self._names(), "identity": identity, "columns": columns}
        try:
            with (
                self.session.transaction(),
                self.session.copy_out("archive/export/rows_between", names, **self._values(piece)) as copy,
            ):
                for _rows in copy.batches():
                    if time.monotonic() > self.deadline:
                        raise _OutOfTimeError
        except DatabaseRefused:
            return False
        except ArchiverError:
            raise _OutOfTimeError from None
        if time.monotonic() > self.deadline:
            raise _OutOfTimeError
        return True

    def _names(self) -> dict[str, Name | Sequence[Name]]:
        return {
            "table": self.shape.table,
            "column": self.shape.timestamp_column,
            "unreferenced": NotReferenced("target", self.shape.waits_for),
        }

    def _values(self, piece: _Piece) -> dict[str, object]:
        start, end = bounds(self.span, self.shape.timestamp_kind)
        return {"start": start, "end": end, "part": piece.part, "after": piece.after, "upto": piece.upto}
