"""store: reads an exported object back from S3 in full, compares all of it, and only then vouches for it.

What S3 answers to an upload proves nothing here; what it gives back does. Nothing may be deleted on account of an
object that did not pass through this step.
"""

from __future__ import annotations

import logging
from typing import IO, cast

from include.archiver.codec import Compression, RecordCounter, TalliedReader, Tally, decompressed
from include.archiver.database import Database
from include.archiver.errors import CheckFailed
from include.archiver.ledger import Ledger
from include.archiver.manifest import Manifest, ObjectDescription, manifest_key
from include.archiver.models import DueWindow, State, WorkOrder
from include.archiver.progress import Pace
from include.archiver.storage import ObjectStore

log = logging.getLogger(__name__)


def store(database: Database, bucket: ObjectStore, order: WorkOrder, window: DueWindow) -> int:
    """Checks one window's objects and writes the manifest; returns the rows that may be deleted now.

    Raises:
        CheckFailed: S3 gave back something else than was sent. The generation is given up, and the next run
            exports the window again under a new key.
    """
    ledger = Ledger(database, order)
    with database.locked(ledger.lock_name(window.cell), f"window {window}"):
        row = ledger.latest(window.cell)
        if row is None or row.state is not State.EXPORTED:
            log.info("window %s: nothing to check (%s)", window, row.state if row else "never exported")
            return 0
        manifest = Manifest.parse(row.manifest, f"the ledger's entry for window {window}")
        try:
            etag = _checked(bucket, manifest.data, manifest.rows, manifest.compression)
            _checked(bucket, manifest.keys, manifest.rows, manifest.compression)
            _vouch(bucket, manifest)
        except CheckFailed as failure:
            ledger.void(row, str(failure))
            raise
        ledger.stored(row, etag)
        log.info(
            "window %s: %d rows read back and checked, s3://%s/%s",
            window,
            manifest.rows,
            row.bucket,
            row.object_key,
        )
        return manifest.rows


def _checked(bucket: ObjectStore, expected: ObjectDescription, rows: int, compression: Compression) -> str:
    """Reads one object to its last byte; its etag, if it is what was sent."""
    content = Tally()
    counter = RecordCounter()
    pace = Pace()
    where = f"s3://{bucket.bucket}/{expected.key}"
    with bucket.reading(expected.key) as answer:
        reader = TalliedReader(answer.body)
        try:
            for chunk in decompressed(cast(IO[bytes], reader), compression):
                counter.add(content.add(chunk))
                if pace.due():
                    log.info("%s: read back %d of %d bytes", where, reader.tally.size, expected.bytes)
        except ValueError as damage:
            raise CheckFailed(f"{where}: {damage}; nothing was deleted") from None
        reader.drain()
    found = ObjectDescription(
        key=expected.key,
        bytes=reader.tally.size,
        sha256=reader.tally.sha256,
        content_bytes=content.size,
        content_sha256=content.sha256,
    )
    if found != expected:
        raise CheckFailed(f"{where} came back as {found.bytes} bytes that are not what was sent; nothing was deleted")
    if counter.records != rows + 1 or not counter.complete:
        raise CheckFailed(f"{where} holds {counter.records - 1} rows instead of {rows}; nothing was deleted")
    return answer.etag


def _vouch(bucket: ObjectStore, manifest: Manifest) -> None:
    """Writes the manifest, or finds the very same one there, from a try that was cut off just after writing it."""
    key = manifest_key(manifest.data.key)
    content = manifest.to_json()
    if bucket.head(key) is None:
        bucket.put_new(key, content)
    with bucket.reading(key) as answer:
        found = answer.body.read()
    if found != content:
        raise CheckFailed(f"s3://{bucket.bucket}/{key} is another object's manifest; nothing was deleted")
