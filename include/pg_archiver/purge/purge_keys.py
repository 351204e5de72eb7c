"""purge of single keys, where the newest versions of each stay: what they supersede leaves, without an archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pg_archiver.domain.versions import KeepVersions
from pg_archiver.postgres.session import Session
from pg_archiver.purge.batches import MOST_ROWS_A_BATCH
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.pace import Pace
from pg_archiver.purge.table_in_hand import TableChangedError
from pg_archiver.purge.versions_in_hand import Gone, VersionsInHand
from pg_archiver.versions.superseded import Superseded

# How many newest versions are locked at once, at most.
_MOST_KEPT = 100_000


class ChangedError(Exception):
    """The table is not what it was when it was looked at; nothing was deleted."""


@dataclass(frozen=True)
class KeysPurged:
    """What went of some keys.

    Attributes:
        gone: how many versions, of how many bytes, and the highest of them.
        stayed: whether any that may go stayed, since others had it or newer versions locked, or a trigger kept it.
        is_whole: whether these were all that may go of these keys, and not just as many as one batch takes.
    """

    gone: Gone
    stayed: bool
    is_whole: bool


@dataclass(frozen=True)
class KeysInHand:
    """A table as it was looked at, from which superseded versions of single keys go."""

    order: PurgeOrder
    pace: Pace
    most_keys: int
    _table: VersionsInHand

    @classmethod
    def look(
        cls, session: Session, order: PurgeOrder, versions: KeepVersions, most_keys: int, pace: Pace | None = None
    ) -> KeysInHand:
        """Look at the table.

        Args:
            session: a session on the table's database.
            order: the table.
            versions: the condition.
            most_keys: how many keys a batch may take; fewer where many versions of each stay, which are locked.
            pace: how fast rows have gone before.

        Raises:
            TableRefused: it is missing, or rows cannot be deleted from it safely.
        """
        found = Superseded.look(session, order, versions, days=order.keep.days)
        fitting = max(1, min(most_keys, _MOST_KEPT // max(1, versions.keep)))
        table = VersionsInHand.look(found, lambda _rows: None)
        return cls(order, pace or Pace(order.rows_per_second), fitting, table)

    def purge(self, keys: Sequence[str]) -> KeysPurged:
        """Delete what may go of these keys, in a savepoint of the transaction that is open; whoever asks counts it.

        Args:
            keys: each a JSON object of the columns of the key.

        Raises:
            ChangedError: nothing was deleted.
            DatabaseRefused: a key cannot be read, or a trigger or a constraint refuses the delete; nothing was deleted.
            DatabaseInterrupted: a lock or a statement took too long; nothing was deleted.
        """
        most = self.pace.limit(min(self.order.batch_size, MOST_ROWS_A_BATCH))
        listed = self._table.list_of_keys(keys, most)
        if not listed.rows:
            return KeysPurged(Gone(), stayed=False, is_whole=True)
        try:
            gone = self._table.delete(listed)
        except TableChangedError:
            raise ChangedError from None
        return KeysPurged(gone, gone.rows < listed.rows, listed.rows < most)
