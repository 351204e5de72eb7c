"""export: one window's rows into an object of their own, and how many lie in each part of the window.

Where they cannot leave by that, or may have to leave otherwise, their identities and versions go into a sidecar too.
All is read in one snapshot. Nothing is kept in a file, and no more than a few MiB in memory. The object counts for
nothing until `store` has read it back.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from pg_archiver.archive.exported_rows import ELSEWHERE, abandon_generation
from pg_archiver.archive.kept_versions import select_superseded
from pg_archiver.archive.make_manifest import Written, describe_snapshot, make_manifest
from pg_archiver.archive.same_table import has_same_parts
from pg_archiver.archive.sub_ranges import cut_window, may_need_list
from pg_archiver.archive.unreadable_rows import name_unreadable_rows
from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import DueWindow, bounds
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import CheckFailed, DatabaseInterrupted, DatabaseRefused, KeyTaken
from pg_archiver.ledger.locks import rewrite_lock, window_lock
from pg_archiver.ledger.restores import RestoreLog
from pg_archiver.ledger.server_past import read_past
from pg_archiver.ledger.window_generation import Generation, State
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.csv_rows import make_divider
from pg_archiver.objects.manifest import Manifest, SubRange
from pg_archiver.objects.object_keys import manifest_key, object_key, sidecar_key
from pg_archiver.objects.object_writer import PIECE_BYTES, OpenSink, Packer, open_nowhere
from pg_archiver.postgres.catalog import describe_table, identity_columns
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, NotReferenced
from pg_archiver.runtime.background import BackgroundWorker
from pg_archiver.runtime.log_interval import LogInterval
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

# More generations of one hour than this are no history but a loop.
_MOST_GENERATIONS = 9999
# Each try reads the window again; a retry of the task continues with the next generation.
_MOST_TRIES = 10
# How often a window is read again because a partition came or went meanwhile.
_MOST_CHANGES = 3
# How many pieces of COPY's output may wait to be compressed: enough that neither side waits for the other's pauses.
_MOST_WAITING = 8


class OtherCountError(CheckFailed):
    """The parts of a window have not as many rows as the window in the same snapshot."""


@dataclass(frozen=True)
class Exported:
    """What became of one window."""

    window: DueWindow
    rows: int
    csv_bytes: int
    object_bytes: int


@dataclass(frozen=True)
class Copied:
    """What one snapshot gave: the table's oid in it, and the manifest of the objects."""

    oid: int
    manifest: Manifest


def export(
    session: Session, bucket: Bucket, order: WorkOrder, window: DueWindow, begun: Generation | None = None
) -> Exported:
    """Export one window, or find that an earlier run has done so and leave it at that.

    A generation that this very step has `begun`, together with others, is the one that it continues with.

    Raises:
        Busy: another run is working on the window.
        Superseded: another run took the window over.
    """
    ledger = WindowLedger(session, order)
    with session.advisory_locks(
        *(window_lock(order.table, window.cell), f"window {window}"), *(rewrite_lock(order), f"table {order.table}")
    ):
        last = ledger.find_latest(window.cell)
        if begun is not None and last is not None and (last.id, last.state) == (begun.id, State.PLANNED):
            return _export_next_generation(session, bucket, order, window, None, begun)
        if last is not None and _is_still_good(last, window, ledger, bucket):
            log.info("window %s: already %s by run %s", window, last.state, last.run_id)
            return Exported(window, last.rows or 0, last.csv_bytes or 0, last.object_bytes or 0)
        if _has_restore_hold(session, order, window) or _is_waiting(session, order, window):
            return Exported(window, 0, 0, 0)
        return _export_next_generation(session, bucket, order, window, last)


def rehearse(session: Session, order: WorkOrder, window: DueWindow) -> Exported:
    """Do a dry run of one window: read and compress in the same way, but send and note nothing."""
    key = object_key(order.prefix, order.client, order.table, window.cell, 1, order.compression)
    row = Generation(
        id=0,
        generation=1,
        state=State.PLANNED,
        cell=window.cell,
        span=window.span,
        bucket=order.bucket,
        object_key=key,
        run_id=order.run_id,
    )
    copied = _copy_snapshot(session, order, window, row, open_nowhere, by_list=False)
    return log_result(window, copied.manifest) if copied else Exported(window, 0, 0, 0)


def _is_still_good(last: Generation, window: DueWindow, ledger: WindowLedger, bucket: Bucket) -> bool:
    """Return whether the newest generation can be continued; if it is a leftover that cannot, it is ended here."""
    if last.state is State.PLANNED:
        ledger.mark_void(last, last.note or f"run {last.run_id} began this object and did not finish it")
        return False
    if last.state is State.DELETED:
        log.info("window %s: its rows left in run %s; looking for rows that came since", window, last.run_id)
    if last.state not in {State.EXPORTED, State.STORED}:
        return False
    if last.span.start < window.span.start or last.span.end > window.span.end:
        abandon_generation(bucket, ledger, last, "more of the window was exported than is due now")
        return False
    if last.bucket != bucket.name:
        abandon_generation(bucket, ledger, last, ELSEWHERE)
        log.warning("window %s: %s; it is exported again", window, ELSEWHERE)
        return False
    return True


def _has_restore_hold(session: Session, order: WorkOrder, window: DueWindow) -> bool:
    """Return whether a restore has put rows into this window that are to stay for now."""
    holds = RestoreLog(session, order).list_holds(window.cell)
    for hold in holds:
        log.info("window %s: left alone, %s", window, hold)
    return bool(holds)


def _is_waiting(session: Session, order: WorkOrder, window: DueWindow) -> bool:
    """Return whether every row of the window waits for its children, so that there is nothing to begin."""
    if not order.children:
        return False
    shape = describe_table(session, order.table, order.timestamp_column, order.children, noted=False)
    names: Names = {
        "table": order.table,
        "column": order.timestamp_column,
        "unreferenced": NotReferenced("target", shape.waits_for),
    }
    start, end = bounds(window.span, shape.timestamp_kind)
    if session.fetch_one("archive/export/has_rows", names, start=start, end=end).found:
        return False
    log.info("window %s: left alone, other rows point to each of its rows", window)
    return True


def _export_next_generation(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    window: DueWindow,
    last: Generation | None,
    begun: Generation | None = None,
) -> Exported:
    """Export the first generation after the last one whose keys are free; a lost ledger may have used some before.

    Where rows could not leave by ranges of time twice in a row, they leave by a list of their versions.
    One during which the table got or lost a part counts for nothing, and is followed by another.

    Raises:
        DatabaseRefused: a row cannot be read; the message says which, and the ledger notes it.
        KeyTaken: the keys of several in a row were not.
        DatabaseInterrupted: parts came and went all the while.
    """
    ledger, tries, changes = WindowLedger(session, order), 0, 0
    generation, doubtful = (last.generation + 1, last.state is State.VOID) if last else (1, False)
    by_list = last is not None and ledger.needs_list(window.cell)
    while generation <= _MOST_GENERATIONS:
        row, begun = begun or ledger.begin(window, generation), None
        try:
            if doubtful or row.handed_over:
                # A manifest's key does not tell the compression, so the object's own key may still be free.
                bucket.refuse_taken(manifest_key(row.object_key))
            tries += 1
            copied = _copy_snapshot(session, order, window, row, bucket.upload, by_list)
        except KeyTaken:
            ledger.mark_void(row, "its key was taken by an object that this ledger does not know")
            generation, doubtful = generation + 1, True
            if tries >= _MOST_TRIES:
                raise
            continue
        except OtherCountError as failure:
            # One snapshot cannot give both counts; whatever did, a list tells the rows.
            ledger.mark_void(row, str(failure))
            generation, by_list = generation + 1, True
            continue
        except DatabaseRefused as refusal:
            ledger.note_failure(row, str(refusal))
            raise
        if copied is None:
            ledger.mark_void(row, "no rows were there any more, or a restore has put some back that are to stay")
            return Exported(window, 0, 0, 0)
        if has_same_parts(session, copied.oid, copied.manifest):
            ledger.mark_exported(row, copied.manifest)
            return log_result(window, copied.manifest)
        ledger.mark_void(row, "a partition or child of the table came, went or was rewritten while it was exported")
        log.warning("window %s: a partition or child of %s came, went or was rewritten meanwhile", window, order.table)
        generation, changes = generation + 1, changes + 1
        if changes >= _MOST_CHANGES:
            raise DatabaseInterrupted(
                f"window {window}: at each of {changes} tries a partition or child of {order.table} came, went or was "
                "rewritten while its rows were read. Nothing was deleted. Fix: run this again when that is over"
            )
    raise CheckFailed(
        f"window {window.cell} has {_MOST_GENERATIONS} generations. Nothing was exported. Fix: look into the bucket"
    )


def _copy_snapshot(
    session: Session, order: WorkOrder, window: DueWindow, row: Generation, open_sink: OpenSink, by_list: bool
) -> Copied | None:
    """Stream the rows of one snapshot to their object; return None, and write no object, if there are none.

    Raises:
        OtherCountError: the parts of the window have not as many rows as the window, and there is no list.
    """
    # Before there is a snapshot, where what a server keeps to itself would take a savepoint.
    read_past(session)
    with name_unreadable_rows(session, order, row.span), session.snapshot():
        session.execute("archive/export/lock_table", {"table": order.table})
        shape = describe_table(session, order.table, order.timestamp_column, order.children, noted=False)
        # In the snapshot that reads the rows: a restore commits them and their hold together.
        if _has_restore_hold(session, order, window):
            return None
        server, (found,) = describe_snapshot(session, shape, [row.span])
        sub_ranges = None if by_list else cut_window(session, order, shape, row.span, server)
        listed = sub_ranges is None or may_need_list(shape, found, server)
        written = copy_window(session, order, row, shape, open_sink, sub_ranges, listed=listed)
    return Copied(shape.oid, make_manifest(order, shape, row, written, found, server)) if written else None


def copy_window(
    session: Session,
    order: WorkOrder,
    row: Generation,
    shape: TableShape,
    open_sink: OpenSink,
    sub_ranges: tuple[SubRange, ...] | None,
    *,
    listed: bool,
) -> Written | None:
    """Stream a window's rows, as the snapshot of this transaction sees them, to their object.

    Where they are to be `listed`, one COPY gives both: each row as the server writes it, with its version, place and
    key in front, which are cut off into the sidecar. So the n-th line of the sidecar speaks of the n-th row of the
    object, and of no other. Return None, and write no object, if there are none.

    Raises:
        CheckFailed: the server sent not as many rows as it counted.
        OtherCountError: the parts of the window have not as many rows as the window, and there is no list.
    """
    list_key = sidecar_key(row.object_key)
    with open_sink(row.object_key) as data_sink, open_sink(list_key) if listed else nullcontext() as keys_sink:
        data = Packer(data_sink, order.compression)
        keys = Packer(keys_sink, order.compression) if keys_sink else None
        lines, rows = _copy_rows(session, order, row, shape, data, keys)
        if not rows:
            return None
        if lines != rows + 1:
            raise CheckFailed(
                f"window {row.span}: the server counted {rows} rows and sent {lines - 1}. Nothing was deleted"
            )
        if sub_ranges and (counted := sum(one.rows for one in sub_ranges)) != rows:
            if not keys:
                raise OtherCountError(
                    f"window {row.span}: the server counted {counted} rows in its parts and {rows} in all. Nothing was "
                    "deleted"
                )
            sub_ranges = None
        # The sidecar first: it is written only where no earlier one lies, and then no object of its lies there.
        if keys:
            keys.finish()
        data.finish()
    listing = keys.description(list_key) if keys else None
    return Written(rows, data.description(row.object_key), listing, sub_ranges)


def _copy_rows(
    session: Session, order: WorkOrder, row: Generation, shape: TableShape, data: Packer, keys: Packer | None
) -> tuple[int, int]:
    """Run the COPY while a thread compresses, and cut each row in two for the list; return how many lines and rows."""
    identity = identity_columns(shape) if keys else []
    names: Names = {
        "table": order.table,
        "column": order.timestamp_column,
        "columns": [*identity, *(column.name for column in shape.columns)],
        "unreferenced": NotReferenced("target", shape.waits_for),
    }
    divide = make_divider(len(identity))
    start, end = bounds(row.span, shape.timestamp_kind)
    statement = "archive/export/rows"
    values: Mapping[str, object] = {"start": start, "end": end}
    if superseded := select_superseded(session, order, shape, row.span):
        statement, (names, values) = "archive/export/rows_of_versions", superseded
    lines, pace = 0, LogInterval()

    def pack(halves: tuple[bytes, bytes]) -> None:
        if keys:
            keys.add(halves[0])
        data.add(halves[1])

    with (
        session.copy_out(statement, names, **values) as copy,
        BackgroundWorker(pack, _MOST_WAITING, "pack") as packing,
    ):
        for rows in copy.batches():
            lines += len(rows)
            halves = divide(rows) if keys else (b"", b"".join(rows))
            packing.submit(halves)
            if len(halves[1]) > PIECE_BYTES:
                # A row as large as this is in memory several times over; the next one has to wait.
                packing.join()
            del halves
            if pace.due():
                megabytes = data.content_bytes / 1e6
                log.info("%s: %d rows, %.0f MB, %.0f MB/s", row.object_key, lines, megabytes, megabytes / pace.seconds)
        packing.join()
    if data.content_bytes + (keys.content_bytes if keys else 0) != copy.size:
        raise CheckFailed(f"window {row.span}: not all that the server sent was packed. Nothing was deleted")
    return lines, copy.rows


def log_result(window: DueWindow, manifest: Manifest) -> Exported:
    """Log what became of a window, and return it."""
    data = manifest.data
    log.info(
        "window %s: %d rows, %.2f MB of CSV in %.2f MB, generation %d",
        window,
        manifest.rows,
        data.content_bytes / 1e6,
        data.bytes / 1e6,
        manifest.generation,
    )
    return Exported(window, manifest.rows, data.content_bytes, data.bytes)
