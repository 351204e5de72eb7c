"""verify: reads the whole archive of one table back and compares it with its manifests and with the ledger.

Changes nothing. The ledger is read before the bucket is listed, so that what a run adds in between is no finding.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from include.archiver.checking import data_of, read_manifest, sidecar_of
from include.archiver.database import Database
from include.archiver.errors import CheckFailed, Unfinished
from include.archiver.kept import read_note
from include.archiver.ledger import Ledger
from include.archiver.manifest import Manifest, kept_folder, keys_key, manifest_key, table_folder
from include.archiver.models import LedgerRow, State, WorkOrder
from include.archiver.storage import ObjectStore
from include.archiver.wording import say_count

log = logging.getLogger(__name__)

_MOST_NAMED = 20
_VOUCHED_FOR = (State.STORED, State.DELETED)


@dataclass
class Verified:
    """What was read and compared. A problem is something lost or changed; a note is something left over."""

    objects: int = 0
    rows: int = 0
    object_bytes: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse_problems(self) -> None:
        """An archive with a hole must not look like a whole one.

        Raises:
            Unfinished: it names the objects.
        """
        if self.problems:
            raise Unfinished(
                f"{len(self.problems):,} problem(s) in the archive: {'; '.join(self.problems[:_MOST_NAMED])}"
            )

    def as_dict(self) -> dict[str, object]:
        """Plain values only; the lists are cut where they get long."""
        return asdict(self) | {"problems": self.problems[:_MOST_NAMED], "notes": self.notes[:_MOST_NAMED]}

    def lines(self) -> list[str]:
        """For people; each problem has had a line of its own when it was found."""
        size = f"{self.object_bytes / 1e6:.1f} MB"
        return [
            f"{say_count(self.objects, 'object')} with {say_count(self.rows, 'row')} ({size}) read back, "
            f"{say_count(len(self.problems), 'problem')}",
            *(f"note: {line}" for line in self.notes[:_MOST_NAMED]),
        ]

    def note_problem(self, problem: str) -> None:
        """Something is lost or changed: an error for whoever looks through logs for those."""
        log.error("problem: %s", problem)
        self.problems.append(problem)


def verify(database: Database, bucket: ObjectStore, order: WorkOrder) -> Verified:
    """Reads every manifest, object and sidecar of the table to its last byte.

    Raises:
        StorageInterrupted, DatabaseInterrupted: it could not be read to the end; nothing is known of the rest.
    """
    ledger = Ledger(database, order)
    rows = {row.object_key: row for row in (ledger.all() if ledger.exists() else ())}
    keys = set(bucket.keys(table_folder(order.prefix, order.client, order.table)))
    result = Verified()
    manifests: dict[str, Manifest] = {}
    for key in sorted(key for key in keys if key.endswith(".manifest.json")):
        try:
            manifest = read_manifest(bucket, order, key)
            manifests[manifest.data.key] = manifest
            _read_back(bucket, manifest, result)
        except CheckFailed as failure:
            result.note_problem(str(failure))
    _compare(rows.values(), manifests, bucket, result)
    _left_over(keys, manifests, result)
    for line in result.lines():
        log.info("%s", line)
    return result


def _read_back(bucket: ObjectStore, manifest: Manifest, result: Verified) -> None:
    data_of(bucket, manifest).check()
    sidecar_of(bucket, manifest).check()
    read_note(bucket, manifest)
    result.objects += 1
    result.rows += manifest.rows
    result.object_bytes += manifest.data.bytes


def _compare(rows: Iterable[LedgerRow], manifests: dict[str, Manifest], bucket: ObjectStore, result: Verified) -> None:
    """What the ledger vouches for must be in the bucket, and be the same."""
    for row in rows:
        if row.state not in _VOUCHED_FOR or row.bucket != bucket.bucket:
            continue
        written = Manifest.parse(row.manifest, f"the ledger's entry for {row.object_key}")
        found = manifests.get(row.object_key)
        if found is None:
            result.note_problem(
                f"s3://{row.bucket}/{manifest_key(row.object_key)} is missing or unusable, but by the ledger "
                f"{row.deleted_rows} of its {row.rows} rows were deleted from the table"
            )
        elif found != written:
            result.note_problem(f"s3://{row.bucket}/{manifest_key(row.object_key)} says something else than the ledger")


def _left_over(keys: set[str], manifests: dict[str, Manifest], result: Verified) -> None:
    """Objects that no manifest speaks of: of runs that broke off before they checked them. They count for nothing."""
    known = {key for data in manifests for key in (data, keys_key(data), manifest_key(data))}
    notes = tuple(kept_folder(data) for data in manifests)
    loose = sorted(key for key in keys - known if not key.endswith(".manifest.json") and not key.startswith(notes))
    if loose:
        result.notes.append(
            f"{len(loose)} object(s) without a manifest, left by runs that broke off: {', '.join(loose[:_MOST_NAMED])}"
        )
