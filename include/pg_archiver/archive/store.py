"""store: reads an exported object back from S3 in full, compares all of it, and only then writes its manifest.

What S3 answers to an upload proves nothing here; what it gives back does. Nothing may be deleted because of an
object that did not pass through this step.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

from pg_archiver.archive.exported_rows import ELSEWHERE
from pg_archiver.archive.grouping import Turn, cut_into_turns
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import ArchiverError, CheckFailed, KeyTaken
from pg_archiver.ledger.lazy_notes import flush, noting_lazily
from pg_archiver.ledger.locks import window_lock
from pg_archiver.ledger.window_generation import Cause, Generation, State
from pg_archiver.ledger.window_groups import GroupLedger
from pg_archiver.ledger.window_ledger import WindowLedger, manifest_of, taken_over
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
    failures = Failures(session)
    rows = store_each(session, bucket, order, windows, failures)
    if windows:
        failures.end_with(partial(flush, session))
    failures.settle()
    return sum(rows.values())


def store_each(
    session: Session, bucket: Bucket, order: WorkOrder, windows: Sequence[DueWindow], failures: Failures
) -> dict[DueWindow, int]:
    """Do so without a `flush`; return the rows of each window that did not fail, `failures` has the others."""
    with ReadBackQueue(bucket, session.stop) as checks, noting_lazily(session):
        return _Store(session, bucket, order, GroupLedger(session, order), checks, failures).store(windows)


@dataclass(frozen=True)
class _Store:
    """The check of one batch: windows of few rows share statements of the ledger, others go one after the other."""

    session: Session
    bucket: Bucket
    order: WorkOrder
    ledger: GroupLedger
    checks: ReadBackQueue
    failures: Failures

    def store(self, windows: Sequence[DueWindow]) -> dict[DueWindow, int]:
        """Check the windows in their order, and return the rows of each that may be deleted now."""
        rows: dict[DueWindow, int] = {}
        for turn in self._plan_turns(windows):
            left = turn.windows
            if turn.together:
                checked, left = self._store_together(left)
                rows |= checked
            rows |= self._store_each(left)
        return rows

    def _plan_turns(self, windows: Sequence[DueWindow]) -> list[Turn]:
        small = self.ledger.count_rows(windows, State.EXPORTED) if len(windows) > 1 else {}
        return cut_into_turns(windows, small, self.order.batch_size)

    def _store_each(self, windows: Sequence[DueWindow]) -> dict[DueWindow, int]:
        rows: dict[DueWindow, int] = {}
        for window, following in zip_longest(windows, windows[1:]):
            with (
                self.failures.collect(window),
                self.session.advisory_lock(window_lock(self.order.table, window.cell), f"window {window}"),
            ):
                rows[window] = _store_window(self.ledger, self.bucket, self.checks, window, following)
        return rows

    def _store_together(self, windows: Sequence[DueWindow]) -> tuple[dict[DueWindow, int], tuple[DueWindow, ...]]:
        """Check those that are free and ready; return their rows, and the windows that are left to go alone.

        Raises:
            ArchiverError: as of `Failures.collect`; what was checked by then is noted.
        """
        locks = {window_lock(self.order.table, window.cell): window for window in windows}
        with self.session.try_advisory_locks(list(locks)) as taken:
            found = self.ledger.find_latest_of([window for name, window in locks.items() if name in taken])
            ready = {
                window: row
                for window, row in found.items()
                if row.state is State.EXPORTED and row.bucket == self.bucket.name
            }
            etags: dict[DueWindow, str] = {}
            try:
                self._check(ready, etags)
            except ArchiverError:
                with suppress(ArchiverError):
                    self._note_stored(ready, etags)
                raise
            rows = self._note_stored(ready, etags)
        return rows, tuple(window for window in windows if window not in ready)

    def _check(self, ready: Mapping[DueWindow, Generation], etags: dict[DueWindow, str]) -> None:
        """Read the windows' objects back, all begun at once, and add the etags of those that are what was sent."""
        manifests: dict[DueWindow, Manifest] = {}
        for window, row in ready.items():
            with self.failures.collect(window):
                manifests[window] = manifest_of(row, window)
                self.checks.begin(manifests[window])
        for window, manifest in manifests.items():
            with self.failures.collect(window):
                etags[window] = _check_window(self.ledger, self.bucket, self.checks, ready[window], manifest)

    def _note_stored(
        self, ready: Mapping[DueWindow, Generation], etags: Mapping[DueWindow, str]
    ) -> dict[DueWindow, int]:
        """Note what was checked, in one statement; return the rows of each window."""
        if not etags:
            return {}
        noted = self.ledger.mark_stored_all({ready[window].id: etag for window, etag in etags.items()})
        rows: dict[DueWindow, int] = {}
        for window in etags:
            row = ready[window]
            with self.failures.collect(window):
                if row.id not in noted:
                    raise taken_over(row)
                log.info(
                    "window %s: %s rows read back and checked, s3://%s/%s", window, row.rows, row.bucket, row.object_key
                )
                rows[window] = row.rows or 0
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
    ledger.mark_stored(row, _check_window(ledger, bucket, checks, row, manifest))
    log.info("window %s: %d rows read back and checked, s3://%s/%s", window, manifest.rows, row.bucket, row.object_key)
    return manifest.rows


def _check_window(
    ledger: WindowLedger, bucket: Bucket, checks: ReadBackQueue, row: Generation, manifest: Manifest
) -> str:
    """Compare what S3 gives back with what was sent, and write the manifest; return the object's etag.

    Raises:
        CheckFailed: it is something else; the generation is void.
    """
    try:
        etag = checks.wait_for_etag(manifest)
        _vouch(bucket, manifest)
    except CheckFailed as failure:
        ledger.mark_void(row, str(failure), Cause.DAMAGED)
        raise
    return etag


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
