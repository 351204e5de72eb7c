"""rebuild: puts generations that the ledger does not know into it again, from the manifests in S3.

For a client database that was lost, or brought back from a backup older than the archive. Rows that the ledger has
are left as they are: they were brought back together with the table, and speak of it as it is.

What a manifest proves is that its object was read back and checked. Whether its rows were deleted is not known:
the table may be empty, or a backup may have brought some of them back. So a generation comes back as `void`, the
state from which nothing is ever deleted: rows that are in the table now are exported again under the next
generation, and none is deleted on the old one's account. It is marked as rebuilt, by which a restore knows that
its rows may have left the table and offers them. Where a note beside the object tells how its delete ended, the
generation comes back as `deleted`, with the rows that had stayed; from that state too nothing is deleted.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field

from include.archiver.checking import manifest_keys, read_manifest
from include.archiver.database import Database
from include.archiver.errors import CheckFailed, Unfinished
from include.archiver.kept import read_note
from include.archiver.ledger import Ledger
from include.archiver.models import WorkOrder
from include.archiver.storage import ObjectStore

log = logging.getLogger(__name__)

_MOST_NAMED = 20


@dataclass
class Rebuilt:
    """How many manifests were read, how many generations the ledger did not know, and what could not be read."""

    manifests: int = 0
    added: int = 0
    problems: list[str] = field(default_factory=list)

    def refuse_problems(self) -> None:
        """A ledger that lacks generations must not look like a whole one.

        Raises:
            Unfinished: it names their manifests.
        """
        if self.problems:
            raise Unfinished(
                f"{len(self.problems)} manifest(s) could not be put into the ledger: "
                f"{'; '.join(self.problems[:_MOST_NAMED])}"
            )

    def as_dict(self) -> dict[str, object]:
        """Plain values only."""
        return asdict(self)


def rebuild(database: Database, bucket: ObjectStore, order: WorkOrder) -> Rebuilt:
    """Adds the generations that the ledger does not know; run again, it finds nothing more to add.

    Raises:
        DatabaseRefused: the ledger may not be created here.
    """
    ledger = Ledger(database, order)
    ledger.migrate()
    result = Rebuilt()
    for key in manifest_keys(bucket, order):
        result.manifests += 1
        try:
            manifest = read_manifest(bucket, order, key)
            note = read_note(bucket, manifest)
        except CheckFailed as failure:
            log.error("%s", failure)  # noqa: TRY400 (the message is whole)
            result.problems.append(str(failure))
            continue
        if note is None:
            result.added += ledger.rebuild(manifest, upto=0, kept=())
        else:
            result.added += ledger.rebuild(manifest, upto=note.deleted_upto, kept=note.kept)
    log.info("%d manifests read, %d generations added to the ledger", result.manifests, result.added)
    return result
