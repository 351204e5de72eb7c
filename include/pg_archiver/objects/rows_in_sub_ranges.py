"""Which rows of an object lie in some of the sub-ranges of its window, by their numbers in the object itself."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from pg_archiver.domain.row_numbers import NONE, Positions
from pg_archiver.errors import CheckFailed
from pg_archiver.objects.csv_rows import split_records
from pg_archiver.objects.manifest import Manifest, SubRange
from pg_archiver.objects.object_reader import open_data
from pg_archiver.s3.bucket import Bucket

# The module takes no field of more than 128 KiB otherwise; the server's have up to 1 GB.
csv.field_size_limit(1 << 30)


def find_rows(bucket: Bucket, manifest: Manifest, numbers: Positions) -> Positions:
    """Return the numbers of the rows that lie in the sub-ranges with these numbers, both counted from 1.

    The object is read to its end and compared with the manifest, unless they are all or none of them.

    Raises:
        CheckFailed: it is not what was sent, or has other rows in a sub-range than the server counted.
        ObjectMissing: it is not there.
    """
    sub_ranges = manifest.sub_ranges or ()
    if numbers == Positions.span(1, len(sub_ranges)):
        return Positions.span(1, manifest.rows)
    if not numbers:
        return NONE
    if numbers - Positions.span(1, len(sub_ranges)):
        raise CheckFailed(
            f"of {manifest.data.key} sub-ranges are noted as gone that its manifest does not have. Which of its rows "
            "left is not known"
        )
    return Positions(tuple(_join(_find_wanted(bucket, manifest, sub_ranges, numbers))))


def _find_wanted(
    bucket: Bucket, manifest: Manifest, sub_ranges: tuple[SubRange, ...], numbers: Positions
) -> Iterator[int]:
    wanted, starts = set(numbers), [one.start for one in sub_ranges]
    counts = [0] * len(sub_ranges)
    for number, moment in enumerate(_read_moments(bucket, manifest), 1):
        place = bisect_right(starts, moment)
        if not place or moment >= sub_ranges[place - 1].end:
            raise _refuse_strange(bucket, manifest)
        counts[place - 1] += 1
        if place in wanted:
            yield number
    if counts != [one.rows for one in sub_ranges]:
        raise _refuse_strange(bucket, manifest)


def _read_moments(bucket: Bucket, manifest: Manifest) -> Iterator[datetime]:
    """Yield each row's time, in column time. The server writes it in one way only, which is pinned at the export."""
    field = next(place for place, column in enumerate(manifest.columns) if column.name == manifest.timestamp_column)
    with closing(open_data(bucket, manifest).read_chunks()) as chunks:
        # Whatever the encoding, the time and what divides fields is plain ASCII.
        rows = csv.reader(record.decode("latin-1") for record in split_records(chunks))
        next(rows, None)
        for row in rows:
            try:
                moment = datetime.fromisoformat(row[field])
            except (ValueError, IndexError):
                raise _refuse_strange(bucket, manifest) from None
            yield moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _refuse_strange(bucket: Bucket, manifest: Manifest) -> CheckFailed:
    return CheckFailed(
        f"s3://{bucket.name}/{manifest.data.key} has other rows in a part of its window than its manifest says. Which "
        "of its rows left is not known"
    )


def _join(numbers: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Yield ranges of numbers that come in their order."""
    first = last = 0
    for number in numbers:
        if first and number != last + 1:
            yield first, last
        if not first or number != last + 1:
            first = number
        last = number
    if first:
        yield first, last
