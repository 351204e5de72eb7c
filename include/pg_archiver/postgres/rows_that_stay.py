"""Rows that stay in the table although they are old: how many, why, and whether they can ever leave.

A row without a usable timestamp is in no window. A row that others point to waits for them; if those never go (rows
of the same table, each of which points to the one before, or a table of which everything is kept), neither does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from pg_archiver.domain.tables import ForeignKey, TableName, TableShape
from pg_archiver.domain.windows import EARLIEST, Window, in_column_time
from pg_archiver.errors import Unfinished
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import ColumnTime, Names, NotReferenced

_FAR_FUTURE = timedelta(days=1)
# Of how many of the oldest due rows is looked whether they wait for their children.
_MOST_LOOKED_AT = 1000
# Rows that the table's own rows point to count as a chain only when they have been due for so long: an answer that came
# an hour later leaves an hour later, and what it points to after it.
_PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class Staying:
    """Rows that stay, for one cause.

    `cause` is a word for metrics, `words` a human-readable sentence. `never` tells that nothing of the table, or
    nothing of what is due, can ever leave because of it: then the run must not look like one that had nothing to do.
    """

    cause: str
    rows: int
    words: str
    never: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return plain values, for XCom."""
        return asdict(self)


def find_odd_timestamps(
    session: Session, shape: TableShape, now: datetime, timezone: str, *, archived_before: bool
) -> list[Staying]:
    """Return the rows that no window will ever hold, by what their timestamp is.

    A table of which no row at all has a usable one has the wrong column in the policy, unless rows of it have left
    before (`archived_before`): then it may be that only jobs that nobody has ended yet are there.
    """
    latest = in_column_time(now + _FAR_FUTURE, shape.timestamp_kind, timezone)
    column = shape.timestamp_column
    names: Names = {"table": shape.table, "column": column}
    odd = session.fetch_one("postgres/rows_that_stay/odd_timestamps", names, earliest=EARLIEST, latest=latest)
    kept = (
        ("no_timestamp", odd.missing, "no timestamp"),
        ("timestamp_too_old", odd.too_old, "a timestamp before the year 2, or -infinity,"),
        ("timestamp_in_the_future", odd.in_the_future, "a timestamp more than a day in the future"),
    )
    found = [Staying(cause, rows, f"{rows} row(s) with {what} stay in the table") for cause, rows, what in kept if rows]
    if found and (odd.missing or odd.too_old) and not odd.any_usable and not archived_before:
        first = found[0]
        words = (
            f"no row of {shape.table} has a usable timestamp in {column}, so none can ever leave: {first.words}. Fix: "
            "correct 'timestamp_column' in the policy file"
        )
        found[0] = Staying(first.cause, first.rows, words, never=True)
    return found


def find_waiting(
    session: Session,
    shape: TableShape,
    due: Window,
    kept_for_ever: Sequence[TableName],
    *,
    none_is_free: bool,
) -> list[Staying]:
    """Return the due rows to which others point, as far as the oldest of them tell.

    Args:
        session: a session on the client database.
        shape: the table's.
        due: the span that is due.
        kept_for_ever: the children of which everything is kept.
        none_is_free: whether no due row at all may leave.
    """
    if not shape.waits_for:
        return []
    lasting = tuple(key for key in shape.waits_for if _is_lasting(key, shape.table, kept_for_ever))
    names: Names = {
        "table": shape.table,
        "column": shape.timestamp_column,
        "moment": ColumnTime("target", shape.timestamp_column, shape.timestamp_kind),
        "unreferenced": NotReferenced("target", shape.waits_for),
        "unreferenced_by_lasting": NotReferenced("target", lasting),
    }
    oldest = session.fetch_one(
        "postgres/rows_that_stay/waiting_rows", names, start=due.start, end=due.end, limit=_MOST_LOOKED_AT
    )
    waiting = oldest.looked_at - oldest.free
    if not waiting:
        return []
    words = (
        f"{waiting} of the {oldest.looked_at} oldest rows due wait: rows of {_children(shape.waits_for)} point to them"
    )
    for_ever = oldest.looked_at - oldest.free_of_lasting
    chain = any(_is_own(key, shape.table) for key in lasting)
    if not for_ever or (chain and oldest.first > due.end - _PATIENCE):
        return [Staying("waits_for_children", waiting, words)]
    words += f". {for_ever} of them may never leave: {_why(lasting, shape.table)}"
    never = none_is_free and for_ever == oldest.looked_at
    if never:
        words += (
            ". Nothing that is due can leave. Fix, if this continues: drop the foreign key, or let the application "
            "set it to NULL in old rows"
        )
    return [Staying("waits_for_ever", for_ever, words, never)]


def refuse_never_leaving(staying: Sequence[Staying]) -> None:
    """Fail if nothing of the table, or of what is due, can ever leave: that must not look like nothing to do.

    Raises:
        Unfinished: so it is.
    """
    if never := [one.words for one in staying if one.never]:
        raise Unfinished("; ".join(never))


def _is_lasting(key: ForeignKey, table: TableName, kept_for_ever: Sequence[TableName]) -> bool:
    return _is_own(key, table) or bool({*kept_for_ever} & {key.child, *key.tables})


def _is_own(key: ForeignKey, table: TableName) -> bool:
    return table in {key.child, *key.tables}


def _why(lasting: Sequence[ForeignKey], table: TableName) -> str:
    own = any(_is_own(key, table) for key in lasting)
    others = [key for key in lasting if not _is_own(key, table)]
    reasons = ["other rows of the table itself point to them, as in a chain without end"] if own else []
    reasons += [f"rows of {_children(others)} point to them, of which everything is kept"] if others else []
    return ", and ".join(reasons)


def _children(keys: Sequence[ForeignKey]) -> str:
    return ", ".join(sorted({str(key.child) for key in keys}))
