"""Where an archived object is read from, and what is known of it: by the ledger first, else by what lies in S3."""

from __future__ import annotations

import logging

from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import CheckFailed, StorageRefused
from pg_archiver.ledger.removed_rows import RemovedRows, find_removed_rows, read_removed_rows
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.manifest_files import read_manifest
from pg_archiver.objects.object_keys import manifest_key, sidecar_key
from pg_archiver.objects.object_reader import ObjectReader, open_data, open_sidecar
from pg_archiver.restore.archived_objects import ArchivedObject
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)


class Sources:
    """The objects of one restore in S3; `notes` is what a person should know of them."""

    def __init__(self, ledger: WindowLedger, bucket: Bucket, order: WorkOrder) -> None:
        """Read nothing yet."""
        self._ledger = ledger
        self._bucket = bucket
        self._order = order
        self.notes: list[str] = []

    def describe(self, found: ArchivedObject) -> tuple[Manifest, RemovedRows]:
        """Return the manifest, and which of the object's rows had left: from the ledger if it knows, else from S3.

        Raises:
            CheckFailed: it is not a manifest, or another one's.
            ObjectMissing: there is none.
        """
        row = self._ledger.find_by_object(found.bucket, found.key)
        if found.known and row is not None:
            manifest = Manifest.parse(row.manifest, f"the ledger's entry for {found.key}")
            self._note_damage(found, manifest)
            place, key = self._locate(found)
            return manifest, read_removed_rows(place, row, _put_data(manifest, key))
        bucket = self._bucket.elsewhere(found.bucket)
        if found.listed_key is None and row is not None:
            manifest = Manifest.parse(row.manifest, f"the ledger's entry for {found.key}")
        else:
            manifest = read_manifest(bucket, self._order, manifest_key(found.key))
        gone = find_removed_rows(self._ledger, bucket, manifest, noted=found.noted)
        for note in gone.notes:
            self._note(note)
        return manifest, gone

    def open_data(self, found: ArchivedObject, manifest: Manifest) -> ObjectReader:
        """Open the object's rows."""
        bucket, key = self._locate(found)
        return open_data(bucket, _put_data(manifest, key))

    def open_sidecar(self, found: ArchivedObject, manifest: Manifest) -> ObjectReader:
        """Open the list of its rows' identities."""
        bucket, key = self._locate(found)
        sidecar = manifest.sidecar.model_copy(update={"key": sidecar_key(key)})
        return open_sidecar(bucket, manifest.model_copy(update={"keys": sidecar}))

    def _locate(self, found: ArchivedObject) -> tuple[Bucket, str]:
        """Return where to read the object: where the policy says, if it is there, else where the ledger has it."""
        if found.listed_key is not None:
            return self._bucket, found.listed_key
        return self._bucket.elsewhere(found.bucket), found.key

    def _note_damage(self, found: ArchivedObject, manifest: Manifest) -> None:
        """Note a damaged or missing manifest; its rows come back as long as the ledger has it as well."""
        bucket, key = self._locate(found)
        try:
            with bucket.open(manifest_key(key)) as answer:
                same = Manifest.parse(answer.body.read(), key) == manifest
        except (CheckFailed, StorageRefused):
            same = False
        if not same:
            self._note(f"s3://{bucket.name}/{manifest_key(key)} is missing or damaged; the ledger's own copy was used")

    def _note(self, note: str) -> None:
        if note not in self.notes:
            log.warning("%s", note)
            self.notes.append(note)


def _put_data(manifest: Manifest, key: str) -> Manifest:
    """Return the manifest with the key under which the object lies now."""
    return manifest.model_copy(update={"data": manifest.data.model_copy(update={"key": key})})
