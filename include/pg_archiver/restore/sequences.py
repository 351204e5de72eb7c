"""Sequences that stand behind restored values, so that they would give these values out again."""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.domain.tables import TableName
from pg_archiver.postgres.session import Session
from pg_archiver.restore.staging_table import Staging

_NUMBERS = {"smallint", "integer", "bigint", "numeric"}


@dataclass(frozen=True)
class Sequence:
    """A sequence that gives values to a column of the target."""

    oid: int
    name: TableName
    column: str
    increment: int
    may_read: bool
    may_set: bool


class Sequences:
    """The sequences of a restore's target, and the farthest values that were restored into their columns."""

    def __init__(self, session: Session, oid: int, types: dict[str, str]) -> None:
        """Look them up; `types` are the target's columns."""
        self._session = session
        self._found = [
            Sequence(row.oid, TableName(row.schema, row.name), row.column, row.increment, row.may_read, row.may_set)
            for row in session.fetch_all("restore/sequences", oid=oid)
            if types.get(row.column) in _NUMBERS
        ]
        self._farthest: dict[Sequence, int] = {}

    def note(self, staging: Staging) -> None:
        """Remember the farthest values of the rows in the staging table, which are those that came in."""
        for sequence in self._found:
            if sequence.column in staging.inserted_columns:
                found = self._session.fetch_one("restore/farthest_value", {"column": sequence.column})
                value, better = (found.greatest, max) if sequence.increment > 0 else (found.least, min)
                if value is not None:
                    self._farthest[sequence] = better(value, self._farthest.get(sequence, value))

    def settle(self, *, move: bool) -> list[str]:
        """Move the sequences that stand behind, if asked; tells of each what was done or is to be done."""
        return [line for sequence, value in self._farthest.items() if (line := self._settle_one(sequence, value, move))]

    def _settle_one(self, sequence: Sequence, value: int, move: bool) -> str:
        literal = str(sequence.name).replace("'", "''")
        by_hand = f"SELECT setval('{literal}', {value})"
        if not sequence.may_read:
            return (
                f"the role may not read sequence {sequence.name}, so whether it stands behind {value} of the restored "
                f"column {sequence.column} is not known. Fix: look, and if it does: {by_hand}"
            )
        last = self._session.fetch_one("restore/sequence_value", oid=sequence.oid).last
        if last is not None and (last >= value if sequence.increment > 0 else last <= value):
            return ""
        stands = f"sequence {sequence.name} stands at {'its start' if last is None else last}"
        if move and sequence.may_set:
            self._session.fetch_one("restore/set_sequence", oid=sequence.oid, value=value)
            return f"{stands} no longer, but at {value}, the farthest restored value of column {sequence.column}"
        why = "the role may not set it; " if move else ""
        return (
            f"{stands}, and column {sequence.column} has restored values up to {value}: new rows would get them again. "
            f"{why}Run the restore with set_sequences, or: {by_hand}"
        )
