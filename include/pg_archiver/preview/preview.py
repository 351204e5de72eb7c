"""preview: what an archive of one table would take and give, without archiving anything. Writes nothing anywhere.

It plans as a run does, counts the rows that are due, and reads a bounded sample of them. Everything beyond windows and
rows is an estimate, and is told as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pg_archiver.archive.make_manifest import describe_snapshot
from pg_archiver.archive.plan import Outlook, foresee
from pg_archiver.archive.run_span import ALONE, Limits, OtherTables
from pg_archiver.archive.sub_ranges import can_be_cut, estimate_sub_ranges, may_need_list
from pg_archiver.domain.tables import Partition, TableShape
from pg_archiver.domain.window_lengths import is_small
from pg_archiver.domain.windows import GRID_ORIGIN, DueWindow, Window
from pg_archiver.domain.work import Batch, WorkOrder
from pg_archiver.errors import Interrupted
from pg_archiver.maintenance.bloat import measure_table
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, NotReferenced
from pg_archiver.preview import costs
from pg_archiver.preview.costs import WindowSize
from pg_archiver.preview.figures import DiskSpace, Figures, Volume
from pg_archiver.preview.sampling import Sample, take_sample

# So long the rows are counted; after that the planner's estimate is taken.
LONGEST_COUNT = timedelta(seconds=60)
_LOCK_TIMEOUT = timedelta(seconds=10)


def preview(
    session: Session,
    shape: TableShape,
    order: WorkOrder,
    policy: TablePolicy,
    keep: KeepDays,
    limits: Limits,
    others: OtherTables = ALONE,
    longest_count: timedelta = LONGEST_COUNT,
) -> Figures:
    """Work out what all runs together would do with what is due now.

    Rows are counted for `longest_count` at most, and estimated where that does not do. `others` is
    what a plan has to know of other tables.

    Raises:
        SettingError: the form's `end` is not after its `start`.
        DatabaseRefused: the ledger, or a child of the table, may not be read.
        DatabaseInterrupted: the connection was lost, or finding the windows took too long.
    """
    if keep.everything:
        return Figures(keep.days, keep.source, cutoff=None, span=None, windows=0, rows=0)
    outlook = foresee(session, shape, order, policy, keep, limits, others)
    windows = outlook.windows
    counts = outlook.rows
    if counts is None:
        due = outlook.due if windows else None
        counts = _count_rows(session, shape, due, outlook.hours, longest_count) if due else {}
    rows_of, counted = _rows_of(session, shape, outlook, counts)
    filled = {window: rows for window, rows in rows_of.items() if rows}
    sample = take_sample(session, shape, order, filled)
    sizes = [sample.size_of(window, rows) for window, rows in filled.items()] if sample else []
    by_list = not can_be_cut(order, shape)
    listed = by_list or _may_need_list(session, shape, windows)
    if not listed:
        sizes = [replace(size, sidecar_bytes=0) for size in sizes]
    parts = [0 if by_list else estimate_sub_ranges(order, rows) for rows in filled.values()]
    manifests = [costs.manifest_bytes(len(shape.columns), number, listed=listed) for number in parts]
    alone = [run for run in outlook.runs if _takes_one_task(policy, run, rows_of)]
    return Figures(
        keep_days=keep.days,
        keep_days_from=keep.source,
        cutoff=outlook.cutoff,
        span=Window(windows[0].span.start, windows[-1].span.end) if windows else None,
        windows=len(windows),
        rows=round(sum(filled.values())),
        counted=counted,
        volume=_volume(sizes, sample, sum(manifests)),
        objects=len(filled) * (costs.OBJECTS_A_WINDOW + listed),
        batches=sum(len(run) for run in outlook.runs if run not in alone),
        runs=len(outlook.runs),
        alone=len(alone),
        complete=outlook.complete,
        requests=costs.requests_for(sizes, len(outlook.runs), by_list=by_list),
        disk=_disk_space(session, order, outlook, rows_of) if outlook.runs else None,
        partitions=tuple(str(one) for one in outlook.partitions),
        unfinished=outlook.unfinished,
        notes=outlook.notes,
        never=tuple(one.words for one in outlook.staying if one.never),
    )


def _count_rows(
    session: Session, shape: TableShape, due: Window, hours: int, longest: timedelta
) -> dict[datetime, int] | None:
    """Return the rows of each cell that holds any, by its start; None where counting them takes too long."""
    try:
        with session.timeouts(lock=_LOCK_TIMEOUT, statement=longest):
            found = session.fetch_all(
                "preview/rows",
                _names(shape),
                start=due.start,
                end=due.end,
                step=timedelta(hours=hours),
                origin=GRID_ORIGIN,
            )
    except Interrupted:
        if session.closed:
            raise
        return None
    return {row.cell: row.rows for row in found}


def _rows_of(
    session: Session, shape: TableShape, outlook: Outlook, counts: Mapping[datetime, int] | None
) -> tuple[dict[DueWindow, float], bool]:
    """Return the rows of each window, and whether they were counted; what is estimated is spread evenly."""
    windows = outlook.windows
    if counts is not None:
        return {window: counts.get(window.cell.start, 0) for window in windows}, True
    due = outlook.due or Window(windows[0].span.start, windows[-1].span.end)
    plan = session.fetch_one("preview/estimate", _names(shape), start=due.start, end=due.end).QUERY_PLAN
    rows = plan[0]["Plan"]["Plan Rows"]
    return dict.fromkeys(windows, rows / len(windows)), False


def _takes_one_task(policy: TablePolicy, run: Sequence[Batch], rows_of: Mapping[DueWindow, float]) -> bool:
    """Return whether one task instance takes the run from its plan to its report."""
    if policy.tasks != "auto":
        return policy.tasks == "one"
    windows = [window for batch in run for window in batch]
    return is_small(len(windows), sum(rows_of[window] for window in windows))


def _names(shape: TableShape) -> Names:
    return {
        "table": shape.table,
        "column": shape.timestamp_column,
        "unreferenced": NotReferenced("target", shape.waits_for),
    }


def _may_need_list(session: Session, shape: TableShape, windows: Sequence[DueWindow]) -> bool:
    if not windows:
        return False
    server, (parts,) = describe_snapshot(session, shape, [windows[0].span])
    return may_need_list(shape, parts, server)


def _volume(sizes: Sequence[WindowSize], sample: Sample | None, manifest_bytes: int) -> Volume | None:
    if sample is None:
        return None
    return Volume(
        csv_bytes=round(sum(size.csv_bytes for size in sizes)),
        data_bytes=round(sum(size.data_bytes for size in sizes)),
        sidecar_bytes=round(sum(size.sidecar_bytes for size in sizes)),
        manifest_bytes=manifest_bytes,
        sampled_rows=sample.rows,
    )


def _disk_space(session: Session, order: WorkOrder, outlook: Outlook, rows_of: Mapping[DueWindow, float]) -> DiskSpace:
    """Return the disk space by the share of the rows that leave, and partitions by the size of their files."""
    found = measure_table(session, order.table, order.timestamp_column, thorough=False)
    dropped = sum(_size(session, one) for one in outlook.partitions)
    whole = {window for run in outlook.runs for batch in run if batch.partition for window in batch}
    leaving = sum(rows for window, rows in rows_of.items() if window not in whole)
    staying = found.live - sum(rows_of[window] for window in whole)
    size = max(0, found.sizes.total - dropped)
    if not found.live:
        return DiskSpace(None, dropped, None)
    in_table = round(size * min(1.0, leaving / max(leaving, staying, 1)))
    free = min(size, found.free.total)
    return DiskSpace(in_table, dropped, min(size, free + round((size - free) * in_table / max(size, 1))))


def _size(session: Session, partition: Partition) -> int:
    return int(session.fetch_one("partitions/partition_bytes", oid=partition.oid).bytes or 0)
