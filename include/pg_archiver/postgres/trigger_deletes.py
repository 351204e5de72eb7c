"""Rows that delete triggers remove from the very table whose rows they are called for: a batch with such is refused.

A row that its own trigger deletes while it keeps others from doing so looks as if it had stayed. Rows that it takes
along were counted by nobody, archived by nobody, and may be young.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import TriggerRefused
from pg_archiver.postgres.catalog import find_delete_triggers
from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class TriggerDeletes:
    """The delete triggers of a table, and how many of its rows this session had deleted recently before a batch."""

    session: Session
    table: TableName
    oid: int
    triggers: Sequence[str]
    before: int = 0

    @classmethod
    def look(cls, session: Session, table: TableName, oid: int) -> TriggerDeletes:
        """Look before a batch, in its transaction.

        Raises:
            TriggerRefused: there are triggers, and what they delete could not be seen.
        """
        return cls.watch(session, table, oid, find_delete_triggers(session, oid))

    @classmethod
    def watch(cls, session: Session, table: TableName, oid: int, triggers: Sequence[str]) -> TriggerDeletes:
        """Do as `look`, where it is known in this transaction which triggers there are."""
        found = cls(session, table, oid, triggers)
        return replace(found, before=found._count()) if found.triggers else found

    def _count(self) -> int:
        """Return how many rows of the table this session has deleted recently, whoever asked for it."""
        found = self.session.fetch_one("postgres/catalog/deleted_rows", oid=self.oid)
        if not found.counted:
            raise TriggerRefused(
                f"whether the triggers of {self.table} delete rows of it themselves cannot be seen, since "
                "track_counts is off. Nothing of this batch was deleted. Fix: set track_counts to on, or disable "
                f"{', '.join(self.triggers)}"
            )
        return int(found.rows)

    def refuse_others(self, deleted: int) -> None:
        """Refuse a batch in which rows were deleted besides these.

        Raises:
            TriggerRefused: there were.
        """
        if self.triggers and (others := self._count() - self.before - deleted):
            raise TriggerRefused(
                f"{others} rows of {self.table} were deleted besides those that were to go. Nothing of this batch was "
                f"deleted. {self.tell_fix()}"
            )

    def tell_fix(self) -> str:
        """Return what such a trigger may not do, and what to do about it."""
        return (
            "A trigger on deletes may not delete or change other rows of the same table, or the row itself and then "
            f"keep it. Fix: let it return OLD, or disable the one that does it ({', '.join(self.triggers)})"
        )
