"""store: reads an exported object back from S3 in full, compares all of it, and only then vouches for it.

What S3 answers to an upload proves nothing here; what it gives back does. Nothing may be deleted on account of an
object that did not pass through this step.
"""

from __future__ import annotations

import logging

from include.archiver.checking import data_of, sidecar_of
from include.archiver.database import Database
from include.archiver.errors import CheckFailed
from include.archiver.ledger import Ledger
from include.archiver.manifest import Manifest, manifest_key
from include.archiver.models import DueWindow, State, WorkOrder
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
            etag = data_of(bucket, manifest).check()
            sidecar_of(bucket, manifest).check()
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
