"""Whether the ledger's own lines can be true: by what they say of themselves, by S3, and by what the table holds.

Triggers of a table run in the archive's session, and so with its privileges: they can write to the ledger too. What
only a forger would get right is not looked for; what an accident or a careless function writes does not fit together.
"""

from __future__ import annotations

import csv
import io
from contextlib import closing
from itertools import islice

from pg_archiver.domain.row_numbers import Positions
from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import Window, bounds
from pg_archiver.ledger.window_generation import Generation, State
from pg_archiver.objects.csv_rows import split_records
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_reader import open_sidecar
from pg_archiver.postgres.catalog import list_parts
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names
from pg_archiver.s3.bucket import Bucket

# Of a window of which the table still holds rows, so many are compared with the list of those that left.
_MOST_COMPARED = 100_000


def find_contradictions(row: Generation, written: Manifest, bucket: Bucket) -> list[str]:
    """Return what of a line does not fit its own copy of the manifest, itself, or the object in S3."""
    where = f"the ledger's line for s3://{row.bucket}/{row.object_key}"
    figures = {
        "rows": (row.rows, written.rows),
        "csv_bytes": (row.csv_bytes, written.data.content_bytes),
        "object_bytes": (row.object_bytes, written.data.bytes),
        "sha256": (row.sha256, written.data.sha256),
        "object_key": (row.object_key, written.data.key),
        "generation": (row.generation, written.generation),
        "cell": ((row.cell.start, row.cell.end), (written.cell_start, written.cell_end)),
        "span": ((row.span.start, row.span.end), (written.span_start, written.span_end)),
    }
    faults = [
        f"{where} has another {name} than its manifest"
        for name, (found, expected) in figures.items()
        if found != expected
    ]
    if row.kept - Positions.span(1, row.deleted_upto):
        faults.append(f"{where} names rows that stayed which are none of those that were processed")
    if row.deleted_upto and not row.deleted_by_run_id and not row.rebuilt:
        faults.append(f"{where} says that rows left, and of no run that deleted them")
    if row.state is State.STORED and not row.rebuilt:
        head = bucket.head(row.object_key)
        if row.etag is None or (head is not None and head.etag != row.etag):
            faults.append(f"{where} says that the object was checked, and has the etag of another one, or none")
    return faults


def count_still_there(session: Session, bucket: Bucket, shape: TableShape, row: Generation, written: Manifest) -> int:
    """Return how many rows that left by the ledger are still in the table, each in the very version and place.

    Where parts were rewritten since, their rows are passed over: places mean others there.

    Raises:
        CheckFailed: the list of the rows is not what was sent.
        ObjectMissing: it is not there.
    """
    if not row.deleted_rows or row.rebuilt or not written.members or shape.timestamp_kind != written.timestamp_kind:
        return 0
    if row.sub_ranges_gone:
        return _count_old_rows(session, shape, row, written, row.sub_ranges_gone)
    if written.keys is None:
        # Which rows left is not told: no more may be there than those that stayed.
        every = Positions.span(1, len(written.sub_ranges or ()))
        return max(0, _count_old_rows(session, shape, row, written, every) - (written.rows - row.deleted_rows))
    start, end = bounds(row.span, shape.timestamp_kind)
    names: Names = {"table": shape.table, "column": shape.timestamp_column}
    found = session.fetch_all("verify/row_versions", names, start=start, end=end, limit=_MOST_COMPARED)
    if not found:
        return 0
    same = _list_same_parts(session, shape, row, written)
    versions = {(one.version, one.part, one.place) for one in found if one.part in same}
    if not versions:
        return 0
    count = 0
    with closing(open_sidecar(bucket, written).read_chunks()) as chunks:
        # The first record names the columns.
        for number, record in enumerate(islice(split_records(chunks), 1, None), 1):
            version, part, place, *_ = next(csv.reader(io.StringIO(record.decode(errors="replace"), newline="")))
            count += number <= row.deleted_upto and number not in row.kept and (version, part, place) in versions
    return count


def _count_old_rows(session: Session, shape: TableShape, row: Generation, written: Manifest, numbers: Positions) -> int:
    """Return how many rows are in the sub-ranges with these numbers whose versions the export's snapshot saw."""
    parts, sub_ranges = _list_same_parts(session, shape, row, written), written.sub_ranges or ()
    near = written.server.is_near(int(session.fetch_one("postgres/snapshots/next_transaction").number))
    if not (parts and near and written.timestamp_column == shape.timestamp_column):
        return 0
    names: Names = {"table": shape.table, "column": shape.timestamp_column}
    oldest, count = str(written.server.oldest_transaction), 0
    for first, last in numbers.within(1, len(sub_ranges)).ranges:
        span = Window(sub_ranges[first - 1].start, sub_ranges[last - 1].end)
        start, end = bounds(span, shape.timestamp_kind)
        values = {"start": start, "end": end, "oldest": oldest, "parts": sorted(parts)}
        count += session.fetch_one("verify/old_rows", names, **values).rows
    return count


def _list_same_parts(session: Session, shape: TableShape, row: Generation, written: Manifest) -> set[str]:
    """Return the parts, by their oids, that lie in the files in which they lay at the export."""
    now = list_parts(session, shape.oid, shape.timestamp_column, row.span)
    return {
        oid for oid, member in (written.members or {}).items() if oid in now and now[oid].file_node == member.file_node
    }
