"""One table from which rows are deleted: as it was looked at, and a batch in one transaction.

Before each batch the table is locked and looked at again. What a delete from it would set off is what was looked at,
or nothing goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.work import TableOrder
from pg_archiver.errors import DatabaseRefused, LockWait, TriggerRefused
from pg_archiver.postgres.catalog import describe_table, find_delete_triggers, find_table
from pg_archiver.postgres.foreign_keys import rows_that_are_pointed_to
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import ColumnTime, Names, NotReferenced
from pg_archiver.postgres.trigger_deletes import TriggerDeletes
from pg_archiver.purge.due import PurgeOrder


class TableChangedError(Exception):
    """The table is not what it was when it was looked at; nothing of the batch was deleted."""


class RowsLockedError(Exception):
    """Others hold rows of the batch, and the role may not pass them over; nothing of it was deleted."""


@dataclass(frozen=True)
class Listed:
    """A batch of places: how many, in which parts of the table, and between which moments their rows lie."""

    rows: int
    parts: str
    places: str
    first: date
    last: date


@dataclass(frozen=True)
class TableInHand:
    """The table as it was looked at.

    `state` is whatever a batch relies on, None if the name meant another table in the middle of the look. `may_lock` is
    whether the role may lock rows, and so pass over those that others have locked.
    """

    session: Session
    order: PurgeOrder
    shape: TableShape
    state: str | None
    may_lock: bool
    count: Callable[[int], None]

    @classmethod
    def look(cls, session: Session, order: PurgeOrder, count: Callable[[int], None]) -> TableInHand:
        """Look at the table; `count` is called in each batch's transaction with the number of its rows.

        Raises:
            TableRefused: it is missing, or rows cannot be deleted from it safely.
        """
        found = find_table(session, order.table)
        state = read_state(session, order, found.oid, order.timestamp_column) if found else None
        shape = describe_table(session, order.table, order.timestamp_column, order.children)
        if found and shape.oid != found.oid:
            state = None
        return cls(session, order, shape, state, bool(found and found.may_lock), count)

    @cached_property
    def goes_by_index(self) -> bool:
        """Whether an index leads to the oldest rows, and one statement suffices to delete them."""
        return bool(
            self.state
            and self.shape.timestamp_index
            and self.may_lock
            and not self.shape.waits_for
            and not self.session.fetch_one("purge/has_parts", oid=self.shape.oid).found
            and not find_delete_triggers(self.session, self.shape.oid)
        )

    def delete_oldest(self, first: date, end: date, limit: int) -> Row:
        """Delete the oldest rows of a span, and return how many were found, how many are gone, and how old they were.

        Raises:
            TableChangedError: nothing was deleted.
        """
        try:
            return self._delete_oldest(first, end, limit)
        except DatabaseRefused:
            # It may be another table by now, or be refused by a trigger that has come.
            if not self.session.closed:
                self._refuse_change()
            raise

    def _delete_oldest(self, first: date, end: date, limit: int) -> Row:
        with rows_that_are_pointed_to(self.order.table), self.session.transaction():
            batch = self.session.fetch_one_again(
                "purge/delete_oldest",
                self._names,
                first=first,
                end=end,
                limit=limit,
                state=self.state,
                **self._identity,
            )
            if not batch.unchanged:
                raise TableChangedError
            self._count(batch.deleted)
        return batch

    def list_oldest(self, first: date, end: date, limit: int, skip: int, batch_size: int) -> list[Listed]:
        """Return where the oldest rows of a span lie, in batches; the first `skip` of them are left out."""
        rows = self.session.fetch_all(
            "purge/list_oldest",
            self._names,
            first=first,
            end=end,
            limit=limit,
            skip=skip,
            batch_size=batch_size,
            **self._subject,
        )
        return [Listed(row.rows, row.parts, row.places, row.first, row.last) for row in rows]

    def delete_listed(self, listed: Listed, end: date) -> int:
        """Delete the rows of a batch that are still due, but for those that others have locked; return how many.

        Raises:
            TableChangedError: nothing was deleted.
            RowsLockedError: nothing was deleted.
            TriggerRefused: triggers deleted rows by themselves; nothing was deleted.
        """
        session, names = self.session, self._names
        values = {"parts": listed.parts, "places": listed.places, "first": listed.first, "last": listed.last}
        with rows_that_are_pointed_to(self.order.table), session.transaction():
            self._lock()
            session.fetch_all("purge/plan_by_place")
            if self.may_lock:
                locked = session.fetch_one("purge/lock_listed", names, end=end, **values, **self._subject)
                if not locked.rows:
                    return 0
                values |= {"parts": locked.parts, "places": locked.places}
            triggers = TriggerDeletes.look(session, self.order.table, self.shape.oid)
            session.use_database_search_path(builtins_first=False)
            try:
                deleted = int(
                    session.fetch_one("purge/delete_listed", names, end=end, **values, **self._subject).deleted
                )
            except TriggerRefused as refusal:
                raise TriggerRefused(f"{refusal}. {triggers.tell_fix()}") from None
            except LockWait as wait:
                raise wait if self.may_lock else RowsLockedError from None
            # Triggers have run, under the path of the users, along which anything may lie.
            session.use_builtin_search_path()
            # The lock keeps nobody from attaching a part, with triggers and foreign keys of its own.
            self._refuse_change()
            triggers.refuse_others(deleted)
            self._count(deleted)
            # Deferred triggers run at the commit, and count on theirs.
            session.use_database_search_path(builtins_first=False)
        return deleted

    @cached_property
    def _names(self) -> Names:
        return {
            "table": self.order.table,
            "column": self.order.timestamp_column,
            "moment": ColumnTime("target", self.order.timestamp_column, self.shape.timestamp_kind),
            "unreferenced": NotReferenced("target", self.shape.waits_for),
        }

    @property
    def _subject(self) -> dict[str, str]:
        return {"schema": self.order.table.schema, "name": self.order.table.name}

    def _lock(self) -> None:
        self.session.execute("purge/lock_table", {"table": self.order.table})
        self._refuse_change()

    def _refuse_change(self) -> None:
        if (
            self.state is None
            or read_state(self.session, self.order, self.shape.oid, self.order.timestamp_column) != self.state
        ):
            raise TableChangedError

    @property
    def _identity(self) -> dict[str, object]:
        return {"oid": self.shape.oid, "column": self.order.timestamp_column, **self._subject}

    def _count(self, rows: int) -> None:
        if rows:
            self.count(rows)


def read_state(session: Session, order: TableOrder, oid: int, column: str) -> str:
    """Return whatever a batch relies on, as one text; `column` is one that has to stay what it is."""
    found = session.fetch_one(
        "purge/table_state", oid=oid, schema=order.table.schema, name=order.table.name, column=column
    )
    return str(found.digest)
