"""Which rows of a table are due: older than the cutoff, and held by no restore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pg_archiver.domain.tables import TableName, TableShape
from pg_archiver.domain.versions import KeepVersions
from pg_archiver.domain.windows import EARLIEST, Window, cutoff, in_column_time
from pg_archiver.ledger.restores import Hold, RestoreLog
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.catalog import describe_table, find_table
from pg_archiver.postgres.clocks import read_clock
from pg_archiver.postgres.rows_that_stay import Staying, find_odd_timestamps
from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class PurgeOrder:
    """What to delete without an archive, and of whom.

    Attributes:
        client: what stands for the database in the ledger.
        table: the table.
        timestamp_column: the column that says how old a row is.
        timezone: of a column without one.
        batch_size: how many rows may go in one transaction.
        keep: N, and where it came from.
        run_id: the run, by which the ledger knows it.
        drop_partitions: whether a partition that is due as a whole may be dropped.
        children: the tables that point to this one; a row goes when none of their rows points to it any more.
        rows_per_second: how many rows may go a second; None for as fast as it goes.
        versions: which versions of each key stay, None where age alone decides.
    """

    client: str
    table: TableName
    timestamp_column: str
    timezone: str
    batch_size: int
    keep: KeepDays
    run_id: str
    drop_partitions: bool = True
    children: tuple[TableName, ...] = ()
    rows_per_second: int | None = None
    versions: KeepVersions | None = None


@dataclass(frozen=True)
class Due:
    """What is due of a table as of one moment, and stays so while a run works it off.

    `span` is in column time; `staying` are old rows that are never due, `notes` what else a person should know.
    """

    shape: TableShape
    cutoff: datetime
    span: Window
    holds: tuple[Hold, ...]
    staying: tuple[Staying, ...]
    notes: tuple[str, ...]

    def list_free(self, taken: Iterable[Window] = ()) -> list[Window]:
        """Return the span without what restores hold, and without these parts of it, oldest first."""
        return subtract(self.span, [*(hold.span for hold in self.holds), *taken])


def find_due(session: Session, order: PurgeOrder) -> Due:
    """Return what is due now, by the server's clock.

    Raises:
        TableRefused: the table is missing, or rows cannot be deleted from it safely.
    """
    shape = describe_table(session, order.table, order.timestamp_column, order.children)
    now = read_clock(session)
    before = cutoff(now, now, order.keep.days)
    span = Window(EARLIEST, in_column_time(before, shape.timestamp_kind, order.timezone))
    # Only where there is nothing else could none of them ever leave; others may have been deleted long ago.
    staying = find_odd_timestamps(session, shape, now, order.timezone, archived_before=True)
    holds = tuple(RestoreLog(session, order).list_holds(span))
    return Due(shape, before, span, holds, tuple(staying), (*shape.notes, *_note_on_locks(session, order)))


def _note_on_locks(session: Session, order: PurgeOrder) -> list[str]:
    found = find_table(session, order.table)
    if found and found.may_lock:
        return []
    return [
        f"the role of the Airflow connection may not lock rows of {order.table}, so it waits for each that others have "
        "locked, and leaves its batch to the next run if that takes long. GRANT UPDATE on one of its columns, and such "
        "rows are passed over"
    ]


def subtract(span: Window, parts: Sequence[Window]) -> list[Window]:
    """Return what is left of a span without these parts, oldest first."""
    left, start = [], span.start
    for part in sorted(parts):
        if start < min(part.start, span.end):
            left.append(Window(start, min(part.start, span.end)))
        start = max(start, part.end)
    return [*left, Window(start, span.end)] if start < span.end else left
