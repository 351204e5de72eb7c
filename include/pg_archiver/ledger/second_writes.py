"""The ledger's note of whether a client's store refuses to write a key twice, so that each process need not ask."""

from __future__ import annotations

from pg_archiver.domain.work import WorkOrder
from pg_archiver.objects.object_keys import client_folder, second_write_key
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.second_writes import BELIEVED_FOR


class SecondWriteNotes:
    """What is known of the store of one client, at one address, in one bucket and below one prefix."""

    def __init__(self, session: Session, bucket: Bucket, order: WorkOrder) -> None:
        """Read and write through this connection, for this bucket."""
        self._session = session
        self._bucket = bucket
        self._folder = client_folder(order.prefix, order.client)
        self._key = second_write_key(order.prefix, order.client)
        self._subject = {
            "client": order.client,
            "bucket": bucket.name,
            "prefix": order.prefix,
            "endpoint": bucket.endpoint,
        }

    def recall(self) -> bool | None:
        """Have the bucket believe what was noted of late; return that, None if nothing was."""
        if not self._session.fetch_one("ledger/schema/schema_exists").second_writes:
            return None
        rows = self._session.fetch_all("ledger/second_writes/noted", **self._subject, longest=BELIEVED_FOR)
        if not rows:
            return None
        if rows[0].refused:
            self._bucket.second_writes.believe(self._folder, rows[0].age)
        return bool(rows[0].refused)

    def find_out(self) -> None:
        """Do the same, and ask the store if nothing was noted of late; the ledger must be of this version.

        To be called after `Ownership.claim`, whose marker the store wrote on the same condition: it refuses not all.
        """
        if self.recall() is not None:
            return
        refused = self._bucket.try_second_write(self._folder, self._key)
        if refused is not None:
            self._session.execute("ledger/second_writes/note", **self._subject, refused=refused)
