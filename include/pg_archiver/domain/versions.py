"""Versions of a key in a table: how many of the newest stay, and what else bounds those that may go. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.domain.tables import TableName


@dataclass(frozen=True)
class Floor:
    """A column of another table: no version from the smallest value there on may go."""

    table: TableName
    column: str

    def __str__(self) -> str:
        """Return it in a human-readable form."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True)
class KeepVersions:
    """The condition under which a version may go.

    Attributes:
        keep: how many of the newest versions of each key stay, whatever their age; 0 where a bound alone decides.
        key_columns: the columns that make up a key.
        version_column: the column by which one version is newer than another.
        up_to: only versions below it may go; a literal of the column's type, None for no such bound.
        floors: only versions below the smallest value of each may go.
        timed: whether rows have a time, by which they are old enough or held.
    """

    keep: int
    key_columns: tuple[str, ...]
    version_column: str
    up_to: str | None = None
    floors: tuple[Floor, ...] = ()
    timed: bool = True
