"""The manifests that lie in the bucket: listed, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pg_archiver.domain.windows import MOST_WINDOW_HOURS_OF_VERSIONS, Window
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import CheckFailed
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import cell_of_key, manifest_key, table_folder
from pg_archiver.s3.bucket import Bucket

_MANIFEST = ".manifest.json"


@dataclass(frozen=True)
class ListedManifest:
    """A manifest's key as a listing shows it, and the keys of the notes on the same object."""

    key: str
    notes: tuple[str, ...]


def list_manifests(bucket: Bucket, order: WorkOrder, spans: Sequence[Window] = ()) -> Iterator[ListedManifest]:
    """Yield the table's manifests in S3's order; of those alone whose cell overlaps one of the spans, if there are any.

    A key that does not tell its cell is among them: whoever reads it will find out what is wrong with it. Of a span
    only its days are listed, and those before it in which a window may have begun.
    """
    folder, last = table_folder(order.prefix, order.client, order.table), None
    after = None
    if spans:
        with suppress(OverflowError):
            # Before the beginning of the calendar nothing comes.
            after = folder + _day(min(span.start for span in spans) - timedelta(hours=MOST_WINDOW_HOURS_OF_VERSIONS))
        last = folder + _day(max(span.end for span in spans))
    notes: list[str] = []
    for key in bucket.list_keys(folder, after):
        if last is not None and key[: len(last)] > last:
            return
        if ".kept." in key:
            notes.append(key)
        elif key.endswith(_MANIFEST):
            cell = cell_of_key(key)
            if not spans or cell is None or any(cell.overlaps(span) for span in spans):
                # An object's notes come just before its manifest.
                begin = key.removesuffix(_MANIFEST) + ".kept."
                yield ListedManifest(key, tuple(note for note in notes if note.startswith(begin)))
            notes = []


def _day(moment: datetime) -> str:
    return f"dt={moment.date().isoformat()}"


def read_manifest(bucket: Bucket, order: WorkOrder, key: str) -> Manifest:
    """Return the manifest under this key, if it speaks of this client's table and lies where it should.

    Raises:
        CheckFailed: it is not a manifest, another one's, or not in its place.
        ObjectMissing: there is no such object.
    """
    where = f"s3://{bucket.name}/{key}"
    with bucket.open(key) as answer:
        manifest = Manifest.parse(answer.body.read(), where)
    named = (manifest.client, manifest.table_schema, manifest.table)
    if named != (order.client, order.table.schema, order.table.name):
        raise CheckFailed(
            f"{where} speaks of table {manifest.table_schema}.{manifest.table} of client {manifest.client!r}, not of "
            f"{order.table} of {order.client!r}. Fix: take it away from there"
        )
    if manifest_key(manifest.expected_key(order.prefix)) != key or manifest.data.key != manifest.expected_key(
        order.prefix
    ):
        raise CheckFailed(
            f"{where} is not where it should lie, beside {manifest.expected_key(order.prefix)}. Fix: put it back there"
        )
    return manifest
