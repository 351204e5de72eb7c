"""What follows a plan that found something due: a ledger of this version, and a database that acts for the archive."""

from __future__ import annotations

from pg_archiver.archive.plan import Plan
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.ledger.second_writes import SecondWriteNotes
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.ledger.window_lengths import WindowLengths
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket


def take_over(session: Session, bucket: Bucket, order: WorkOrder, found: Plan, adopt: str | None = None) -> None:
    """Make the ledger ready, and let this database act for the archive, if something is due or a person says so.

    Raises:
        DatabaseRefused: the ledger may not be written to.
        OwnedElsewhere: another database may act for this archive; nothing was noted.
        SettingError: `adopt` is empty.
    """
    ledger = WindowLedger(session, order)
    if found.batches or adopt or ledger.exists():
        ledger.migrate()
        if found.length and found.length.changed:
            WindowLengths(session, order).note(found.length)
    if found.batches or adopt:
        Ownership(session, bucket, order).claim(adopt)
        SecondWriteNotes(session, bucket, order).find_out()


def find_hindrance(session: Session, bucket: Bucket, order: WorkOrder, adopt: str | None = None) -> str | None:
    """Return why `take_over` would refuse, None if it would not; for dry runs, since it writes nothing anywhere.

    Raises:
        SettingError: `adopt` is empty.
    """
    return WindowLedger(session, order).find_hindrance() or Ownership(session, bucket, order).find_hindrance(adopt)
