"""Which rows of an object left the table, and which are only in the object besides: noted beside the object too.

The ledger knows it first. The note in S3 is for the day when the ledger is lost, and is written only where there is
something to say. At the end of a delete it comes before the ledger's last word, so that it cannot be forgotten. When
a delete is given up it comes after it: a note left by a process that died in between would be wrong as soon as
another one went on deleting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from include.archiver.errors import CheckFailed
from include.archiver.ledger import Ledger
from include.archiver.manifest import Manifest, kept_folder, kept_key
from include.archiver.models import LedgerRow
from include.archiver.storage import ObjectStore


class KeptNote(BaseModel):
    """Rows of the object up to number `deleted_upto` were deleted, but those numbered in `kept`; the others stayed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    data_key: str
    data_sha256: str
    deleted_upto: int
    kept: tuple[int, ...]


@dataclass(frozen=True)
class Gone:
    """Which rows of an object left the table: those up to number `upto`, but the `kept` ones.

    `known` is false where no ledger says so at first hand: it was lost, or made again from the manifests.
    """

    known: bool
    upto: int
    kept: tuple[int, ...]


def note_kept(bucket: ObjectStore, row: LedgerRow) -> None:
    """Writes the note of a generation whose delete ends here, if some of its rows stayed.

    The same progress always gives the same note, so a second try finds its own and leaves it.

    Raises:
        CheckFailed: there is another note under that key.
    """
    if row.deleted_upto == row.rows and not row.kept_positions:
        return
    key = kept_key(row.object_key, row.deleted_upto)
    manifest = Manifest.parse(row.manifest, f"the ledger's entry for {row.object_key}")
    note = KeptNote(
        data_key=row.object_key,
        data_sha256=manifest.data.sha256,
        deleted_upto=row.deleted_upto,
        kept=row.kept_positions,
    )
    if bucket.head(key) is None:
        bucket.put_new(key, note.model_dump_json().encode())
    if _note(bucket, key) != note:
        raise CheckFailed(f"s3://{bucket.bucket}/{key} is another object's note; nothing more was deleted")


def read_note(bucket: ObjectStore, manifest: Manifest) -> KeptNote | None:
    """The last note on this object; None if there is none.

    Raises:
        CheckFailed: it cannot be read, or speaks of another object.
    """
    keys = sorted(bucket.keys(kept_folder(manifest.data.key)))
    if not keys:
        return None
    note = _note(bucket, keys[-1])
    if (note.data_key, note.data_sha256) != (manifest.data.key, manifest.data.sha256):
        raise CheckFailed(f"s3://{bucket.bucket}/{keys[-1]} speaks of another object")
    return note


def what_left(ledger: Ledger, bucket: ObjectStore, manifest: Manifest) -> Gone:
    """Which rows of the object left the table, from the ledger, else from the note beside it.

    With neither, all of them are taken to have left. A ledger's row that only took the object's key, without
    having written it, knows nothing of it.
    """
    row = ledger.of_object(bucket.bucket, manifest.data.key)
    if row is not None and not row.rebuilt and row.manifest is not None:
        written = Manifest.parse(row.manifest, f"the ledger's entry for {manifest.data.key}")
        if written.data == manifest.data:
            return Gone(known=True, upto=row.deleted_upto, kept=row.kept_positions)
    note = read_note(bucket, manifest)
    if note is not None:
        return Gone(known=False, upto=note.deleted_upto, kept=note.kept)
    return Gone(known=False, upto=manifest.rows, kept=())


def _note(bucket: ObjectStore, key: str) -> KeptNote:
    with bucket.reading(key) as answer:
        try:
            return KeptNote.model_validate_json(answer.body.read())
        except ValidationError:
            raise CheckFailed(f"s3://{bucket.bucket}/{key} is not a note that this version can read") from None
