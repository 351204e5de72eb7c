"""rebuild: puts generations that the ledger does not know into it again, from the manifests in S3.

For a client database that was lost, or brought back from a backup older than the archive. Rows that the ledger has
are left as they are: they were brought back together with the table, and speak of it as it is.

What a manifest proves is that its object was read back and checked. Whether its rows were deleted is not known:
the table may be empty, or a backup may have brought some of them back. So a generation comes back as `void`, the
state from which nothing is ever deleted: rows that are in the table now are exported again under the next
generation, and none is deleted on the old one's account. It is marked as rebuilt, by which a restore knows that
its rows may have left the table and offers them. Where notes beside the object tell how its delete ended, the
generation comes back as `deleted`, with the rows that had stayed, and those of which notes contradict each other;
from that state too nothing is deleted.

The other way round it writes the notes that are missing beside objects of which the ledger knows at first hand.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field

from pg_archiver.domain.row_numbers import NONE
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import CheckFailed, Refused, StorageRefused, Unfinished
from pg_archiver.ledger.removed_rows import NoteKeys, has_seen_object, read_notes, repair_note, weigh_notes
from pg_archiver.ledger.window_generation import Generation, State
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.manifest_files import ListedManifest, list_manifests, read_manifest
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

log = logging.getLogger(__name__)

_MOST_NAMED = 20


@dataclass
class Rebuilt:
    """How many manifests were read, how many generations the ledger did not know, and what could not be read.

    `noted` are the notes that were missing beside objects, `notes` sentences on those that are damaged or contradict
    each other.
    """

    manifests: int = 0
    added: int = 0
    noted: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse_problems(self) -> None:
        """Fail if generations are missing in the ledger: it must not look like a whole one.

        Raises:
            Unfinished: it names their manifests.
        """
        if self.problems:
            raise Unfinished(
                f"{len(self.problems)} manifest(s) could not be put into the ledger, or note(s) not written: "
                f"{'; '.join(self.problems[:_MOST_NAMED])}"
            )

    def note_problem(self, where: str, failure: Refused) -> None:
        """Note a problem, and continue with the others; S3's refusals do not name the object."""
        self.problems.append(f"{where}: {failure}" if isinstance(failure, StorageRefused) else str(failure))
        log.error("%s", self.problems[-1])

    def as_dict(self) -> dict[str, object]:
        """Return plain values; the lists are cut where they get long."""
        return asdict(self) | {"problems": self.problems[:_MOST_NAMED], "notes": self.notes[:_MOST_NAMED]}


def rebuild(session: Session, bucket: Bucket, order: WorkOrder) -> Rebuilt:
    """Add the generations that the ledger does not know; run again, it finds nothing more to add.

    Raises:
        DatabaseRefused: the ledger may not be created here.
    """
    ledger = WindowLedger(session, order)
    ledger.migrate()
    result = Rebuilt()
    for listed in list_manifests(bucket, order):
        result.manifests += 1
        try:
            manifest = read_manifest(bucket, order, listed.key)
        except (CheckFailed, StorageRefused) as failure:
            result.note_problem(f"s3://{bucket.name}/{listed.key}", failure)
            continue
        result.added += _add(ledger, bucket, listed, manifest, result)
    notes = NoteKeys()
    for row in ledger.list_vouched_for():
        _note(ledger, bucket, row, notes, result)
    for line in result.notes:
        log.warning("%s", line)
    log.info(
        "%d manifests read, %d generations added to the ledger, %d notes written",
        *(result.manifests, result.added, result.noted),
    )
    return result


def _add(ledger: WindowLedger, bucket: Bucket, listed: ListedManifest, manifest: Manifest, result: Rebuilt) -> int:
    found = read_notes(bucket, manifest, listed.notes)
    gone = weigh_notes(manifest, found)
    if gone.doubtful or not found.notes:
        added = ledger.rebuild(manifest, upto=0, kept=NONE)
    else:
        added = ledger.rebuild(manifest, upto=gone.upto, kept=gone.kept | gone.disputed)
    if added:
        result.notes += gone.notes
    return added


def _note(ledger: WindowLedger, bucket: Bucket, row: Generation, notes: NoteKeys, result: Rebuilt) -> None:
    """Write the note of a delete that ended without one, or after one of another past."""
    if row.state is not State.DELETED or not has_seen_object(row):
        return
    try:
        result.noted += repair_note(ledger, bucket.elsewhere(row.bucket), row, notes)
    except (CheckFailed, StorageRefused) as failure:
        result.note_problem(f"s3://{row.bucket}/{row.object_key}", failure)
