"""store: reads an exported object back from S3 in full, compares all of it, and only then writes its manifest.

What S3 answers to an upload proves nothing here; what it gives back does. Nothing may be deleted because of an
object that did not pass through this step.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest

from pg_archiver.archive.exported_rows import ELSEWHERE
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import CheckFailed, KeyTaken
from pg_archiver.ledger.locks import window_lock
from pg_archiver.ledger.window_generation import Cause, State
from pg_archiver.ledger.window_ledger import WindowLedger, manifest_of
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import manifest_key
from pg_archiver.objects.object_reader import ReadBackQueue
from pg_archiver.postgres.session import Session
from pg_archiver.runtime.failures import Failures
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)


def store(session: Session, bucket: Bucket, order: WorkOrder, window: DueWindow) -> int:
    """Check one window's objects and write the manifest; return the rows that may be deleted now.

    Raises:
        CheckFailed: S3 gave back something else than was sent. The generation is abandoned, and the next run
            exports the window again under a new key.
    """
    return store_all(session, bucket, order, [window])


def store_all(session: Session, bucket: Bucket, order: WorkOrder, windows: Sequence[DueWindow]) -> int:
    """Check the windows' objects and write their manifests; return the rows that may be deleted now.

    While one window is noted down, the next one's objects are being read already. One bad object does not keep the
    others from being checked.

    Raises:
        CheckFailed: some window's objects are not what was sent; the message tells of each.
        ArchiverError: of each window that failed, when all have had their turn (`Failures`).
    """
    ledger, rows = WindowLedger(session, order), 0
    failures = Failures(session)
    with ReadBackQueue(bucket, session.stop) as checks:
        for window, following in zip_longest(windows, windows[1:]):
            with (
                failures.collect(window),
                session.advisory_lock(window_lock(order.table, window.cell), f"window {window}"),
            ):
                rows += _store_window(ledger, bucket, checks, window, following)
    failures.settle()
    return rows


def _store_window(
    ledger: WindowLedger, bucket: Bucket, checks: ReadBackQueue, window: DueWindow, following: DueWindow | None
) -> int:
    row = ledger.find_latest(window.cell)
    if row is None or row.state is not State.EXPORTED:
        log.info("window %s: nothing to check (%s)", window, row.state if row else "never exported")
        return 0
    if row.bucket != bucket.name:
        ledger.abandon(row, ELSEWHERE)
        log.warning("window %s: %s; the next run exports it again", window, ELSEWHERE)
        return 0
    manifest = manifest_of(row, window)
    checks.begin(manifest)
    if following and (ahead := ledger.read_ahead(following, State.EXPORTED)):
        checks.begin(ahead)
    try:
        etag = checks.wait_for_etag(manifest)
        _vouch(bucket, manifest)
    except CheckFailed as failure:
        ledger.mark_void(row, str(failure), Cause.DAMAGED)
        raise
    ledger.mark_stored(row, etag)
    log.info("window %s: %d rows read back and checked, s3://%s/%s", window, manifest.rows, row.bucket, row.object_key)
    return manifest.rows


def _vouch(bucket: Bucket, manifest: Manifest) -> None:
    """Write the manifest, or find the very same one there, from a try that was cut off just after writing it."""
    key = manifest_key(manifest.data.key)
    content = manifest.to_json()
    with suppress(KeyTaken):
        bucket.create(key, content)
    with bucket.open(key) as answer:
        found = answer.body.read()
    if found != content:
        raise CheckFailed(f"s3://{bucket.name}/{key} is another object's manifest. Nothing was deleted")
