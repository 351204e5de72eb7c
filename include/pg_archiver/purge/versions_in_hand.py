"""One table from which superseded versions go: a batch in one transaction, with the newest versions locked before.

Whoever deletes or renumbers one of the newest while an older one goes would leave fewer than are to stay. So these are
locked first, and an older one goes only if enough of the locked ones are newer. Where all of them are still the very
versions by which the batch was judged, nothing has to be judged again but what may keep an older one; else each is
ranked by what it is now. What others have locked is passed over, so that a batch waits for no writer for longer than a
moment.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pg_archiver.errors import LockWait, TriggerRefused
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.foreign_keys import rows_that_are_pointed_to
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Descending, Names
from pg_archiver.postgres.trigger_deletes import TriggerDeletes
from pg_archiver.purge.table_in_hand import TableChangedError
from pg_archiver.versions.superseded import LONGEST_LOCK_WAIT, Superseded, Survey, ZonedOrder


@dataclass(frozen=True)
class ListedVersions:
    """The places of versions that may go, and of those that supersede them, `kept_rows`.

    If it is `settled`, all were made by transactions before `oldest`, the oldest that ran: whatever of that age lies in
    one of these places later is the version that was judged, unless the table was rewritten.
    """

    rows: int
    parts: str
    places: str
    kept_rows: int
    kept_parts: str
    kept_places: str
    settled: bool
    oldest: str


@dataclass(frozen=True)
class Gone:
    """How many versions are gone, how many bytes they had, and the highest of them; None where none is gone."""

    rows: int = 0
    bytes: int = 0
    highest: str | None = None


@dataclass(frozen=True)
class VersionsInHand:
    """The table as it was looked at; `state` is whatever a batch relies on.

    `has_parts` is whether it has partitions, or children by inheritance.
    """

    superseded: Superseded
    state: str
    has_parts: bool
    count: Callable[[int], None]

    @classmethod
    def look(cls, superseded: Superseded, count: Callable[[int], None]) -> VersionsInHand:
        """Look at the table; `count` is called in each batch's transaction with the number of its rows."""
        state = _read_state(superseded)
        if not superseded.is_as_described():
            # It was changed between the two looks, so no batch is to find it as it was.
            state = ""
        has_parts = superseded.session.fetch_one("purge/has_parts", oid=superseded.shape.oid).found
        return cls(superseded, state, has_parts, count)

    @property
    def _session(self) -> Session:
        return self.superseded.session

    @property
    def _order(self) -> ZonedOrder:
        return self.superseded.order

    @contextmanager
    def listed(self, batch_size: int, keep: KeepDays) -> Generator[tuple[Survey, Iterator[ListedVersions]]]:
        """Have the server work out what may go, once; yield what keeps the others, and the batches.

        `keep` is who says for how long a version stays.
        """
        session, found = self._session, self.superseded
        session.fetch_all("purge/plan_by_list")
        keys = [Descending("target", column) for column in found.versions.key_columns]
        names: Names = {**found.passing, "key_descending": keys}
        values = {"batch_size": batch_size, "in_parts": self.has_parts, **found.values}
        session.execute("purge/versions/list", names, **values)
        try:
            first = session.fetch_one("versions/next_batch")
            yield found.sum_up(first, keep=keep), self._read_batches(first)
        finally:
            if not session.closed:
                session.execute("versions/close")

    def _read_batches(self, first: Row) -> Iterator[ListedVersions]:
        rows = [first]
        while rows and rows[0].rows:
            yield self._to_listed(rows[0])
            rows = self._session.fetch_all("versions/next_batch")

    def list_of_keys(self, keys: Sequence[str], most: int) -> ListedVersions:
        """Return what may go of these keys, so many versions at most; a key is a JSON object of its columns."""
        found = self.superseded
        row = self._session.fetch_one(
            "purge/versions/list_of_keys", found.of_keys, keys=f"[{', '.join(keys)}]", most=most, **found.values
        )
        return self._to_listed(row)

    def _to_listed(self, row: Row) -> ListedVersions:
        parts, kept_parts = row.parts, row.kept_parts
        if not self.has_parts:
            # All lie in the table itself.
            parts, kept_parts = (self._repeat_table(rows) for rows in (row.rows, row.kept_rows))
        return ListedVersions(
            row.rows, parts, row.places, row.kept_rows, kept_parts, row.kept_places, row.settled, row.oldest
        )

    def _repeat_table(self, rows: int) -> str:
        return f"{{{','.join([str(self.superseded.shape.oid)] * rows)}}}"

    def delete(self, listed: ListedVersions, highest: str | None = None) -> Gone:
        """Delete the versions of a batch that may still go; return what is gone.

        `highest` is the highest version that went before; what is returned is the higher one.

        Raises:
            TableChangedError: the table is not what it was when it was looked at; nothing was deleted.
            TriggerRefused: triggers deleted rows by themselves; nothing was deleted.
        """
        if not self.superseded.shape.waits_for:
            # Nobody can put a child under one of them, so they need not be locked before, unless somebody has one.
            with suppress(LockWait), self._session.timeouts(lock=LONGEST_LOCK_WAIT):
                return self._delete(listed, highest, locks_all=False)
        return self._delete(listed, highest, locks_all=True)

    def _delete(self, listed: ListedVersions, highest: str | None, *, locks_all: bool) -> Gone:
        session, found, table = self._session, self.superseded, self._order.table
        with rows_that_are_pointed_to(table), session.transaction():
            session.execute("purge/lock_table", {"table": table})
            self._refuse_change()
            statement, names = "purge/versions/delete_settled", self._of_settled
            places: dict[str, object] | None = {"places": listed.places, "oldest": listed.oldest}
            if locks_all or not self._lock_settled(listed):
                session.fetch_all("purge/plan_by_place")
                statement, names = "purge/versions/delete", {**found.ranking, **found.conditions}
                places = self._lock(listed, locks_all=locks_all)
            if places is None:
                return Gone(highest=highest)
            triggers = TriggerDeletes.look(session, table, found.shape.oid)
            session.use_database_search_path(builtins_first=False)
            try:
                gone = session.fetch_one(statement, names, highest=highest, **places, **found.values)
            except TriggerRefused as refusal:
                raise TriggerRefused(f"{refusal}. {triggers.tell_fix()}") from None
            # Triggers have run, under the path of the users, along which anything may lie.
            session.use_builtin_search_path()
            # The lock keeps nobody from attaching a part, with triggers and foreign keys of its own.
            self._refuse_change()
            triggers.refuse_others(gone.deleted)
            if gone.deleted:
                self.count(gone.deleted)
            # Deferred triggers run at the commit, and count on theirs.
            session.use_database_search_path(builtins_first=False)
        return Gone(gone.deleted, gone.bytes, gone.highest)

    def _lock_settled(self, listed: ListedVersions) -> bool:
        """Lock the newest versions; return whether all are still those by which the batch was judged."""
        if self.has_parts or not listed.settled:
            return False
        self._session.fetch_all("purge/versions/plan_settled")
        if not self.superseded.versions.keep:
            return True
        locked = self._session.fetch_one(
            "purge/versions/lock_settled",
            {"table": self._order.table},
            places=listed.kept_places,
            oldest=listed.oldest,
        )
        return bool(locked.rows == listed.kept_rows)

    @property
    def _of_settled(self) -> Names:
        return {"table": self._order.table, **self.superseded.conditions}

    def _lock(self, listed: ListedVersions, *, locks_all: bool) -> dict[str, object] | None:
        """Lock the newest versions, then those that may go; return their places, None where nothing may go.

        Unless it locks all, only the newest.
        """
        session, found = self._session, self.superseded
        places: dict[str, object] = {"kept_parts": "{}", "kept_places": "{}"}
        if found.versions.keep:
            kept = session.fetch_one(
                "versions/lock_kept",
                {"table": self._order.table},
                parts=listed.kept_parts,
                places=listed.kept_places,
            )
            if not kept.rows:
                return None
            places = {"kept_parts": kept.parts, "kept_places": kept.places}
        superseded = {"parts": listed.parts, "places": listed.places}
        if found.shape.may_lock and locks_all:
            locked = session.fetch_one(
                "purge/versions/lock_superseded",
                {"table": self._order.table, **found.conditions},
                **superseded,
                **found.values,
            )
            if not locked.rows:
                return None
            superseded = {"parts": locked.parts, "places": locked.places}
        return {**places, **superseded}

    def _refuse_change(self) -> None:
        if _read_state(self.superseded) != self.state:
            raise TableChangedError


def _read_state(superseded: Superseded) -> str:
    table, versions = superseded.order.table, superseded.versions
    found = superseded.session.fetch_one_again(
        "purge/versions/table_state",
        oid=superseded.shape.oid,
        schema=table.schema,
        name=table.name,
        column=versions.version_column,
        keys=list(versions.key_columns),
    )
    return str(found.digest)
