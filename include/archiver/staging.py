"""One object's rows in a temporary table of the target's column types, on their way into the target."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from include.archiver.checking import ReadBack
from include.archiver.database import Database
from include.archiver.manifest import Manifest
from include.archiver.models import OnConflict, Window
from include.archiver.statements import Name, Names, Of
from include.archiver.target import Target


@dataclass(frozen=True)
class Inserted:
    """How many rows went in, and how many met one under their key."""

    rows: int
    conflicts: int


@dataclass(frozen=True)
class Staging:
    """The temporary table, within one transaction; every method but the last takes rows out of it."""

    database: Database
    target: Target
    manifest: Manifest

    @property
    def columns(self) -> list[str]:
        """The object's columns, in its order."""
        return [column.name for column in self.manifest.columns]

    @property
    def key(self) -> list[str]:
        """The target's key, if the object holds all of it; a key column added since says nothing of these rows."""
        return list(self.target.key) if set(self.target.key) <= set(self.columns) else []

    @property
    def position(self) -> str:
        """The name of the column that numbers the rows; none of the object's."""
        name = "position"
        while name in self.columns:
            name += "_"
        return name

    @property
    def inserted_columns(self) -> list[str]:
        """The columns that are put in: those the target has, and does not generate itself."""
        there = {column.name for column in self.target.columns if not column.is_generated}
        return [name for name in self.columns if name in there]

    def load(self, content: ReadBack) -> int:
        """Fills the table from the object as it is read back and checked; the rows that came.

        Raises:
            CheckFailed: the object is not what was sent.
            ObjectMissing: it is not there.
            ValueRefused: a value does not fit the type that its column has by now.
        """
        database, there = self.database, set(self.target.types)
        database.change("restore/drop_staged")
        database.change(
            "restore/create_staged",
            {"columns": [name for name in self.columns if name in there], "table": self.target.table},
        )
        for name in self.columns:
            if name not in there:
                database.change("restore/add_text_column", {"column": name})
        database.change("restore/number_staged", {"position": self.position})
        # The server says what it makes of the values when all are sent, so damage is found before a value is blamed.
        with closing(content.chunks()) as chunks:
            rows = database.copy_in("restore/load_staged", {"columns": self.columns}, chunks)
        database.change("restore/analyze_staged")
        return rows

    def drop_outside(self, span: Window) -> int:
        """Takes out the rows outside the span."""
        return self._change("restore/drop_outside", {"column": self.manifest.timestamp_column}, span)

    def drop_restored(self, span: Window) -> int:
        """Takes out the rows of a span that is in the target already."""
        return self._change("restore/drop_restored", {"column": self.manifest.timestamp_column}, span)

    def drop_kept(self, upto: int, kept: tuple[int, ...]) -> int:
        """Takes out the rows that never left their table."""
        return self.database.change("restore/drop_kept", {"position": self.position}, upto=upto, kept=list(kept))

    def drop_superseded(self) -> int:
        """Takes out the rows of which a newer version came already, and remembers the keys of the others."""
        self.database.users_path(ours_first=True)
        dropped = self.database.change(
            "restore/drop_superseded", {"staged_key": self._of("staged"), "seen_key": self._of("seen")}
        )
        self.database.change("restore/remember_keys", {"key": self.key})
        return dropped

    def insert(self, rows: int, on_conflict: OnConflict, *, dry_run: bool) -> Inserted:
        """Puts the rows that are left into the target, or only counts what would become of them."""
        self.database.users_path(ours_first=True)
        conflicts = self._count("restore/conflicts") if self.key else 0
        if dry_run:
            return Inserted(rows - conflicts + self._winners(conflicts, on_conflict), conflicts)
        if on_conflict is OnConflict.FAIL and conflicts:
            return Inserted(0, conflicts)
        return Inserted(self._insert(on_conflict), conflicts)

    def _insert(self, on_conflict: OnConflict) -> int:
        names: dict[str, Name | list[Name]] = {
            "table": self.target.table,
            "columns": list(self.inserted_columns),
            "position": self.position,
        }
        changed = [name for name in self.inserted_columns if name not in self.key]
        # Triggers fire, and they may count on it.
        self.database.users_path(ours_first=False)
        if on_conflict is OnConflict.FAIL or not self.key:
            return self.database.change("restore/insert", names)
        if on_conflict is OnConflict.SKIP or not changed:
            return self.database.change("restore/insert_or_skip", names)
        timestamp = self.manifest.timestamp_column
        names |= {
            "key": list(self.key),
            "changed": list(changed),
            "excluded": [Of("excluded", name) for name in changed],
            "excluded_column": Of("excluded", timestamp),
            "live_column": Of("live", timestamp),
        }
        return self.database.change("restore/insert_or_replace", names)

    def _winners(self, conflicts: int, on_conflict: OnConflict) -> int:
        if not conflicts or on_conflict is not OnConflict.NEWEST:
            return 0
        timestamp = self.manifest.timestamp_column
        return self._count("restore/later", staged_column=Of("staged", timestamp), live_column=Of("live", timestamp))

    def _count(self, statement: str, **names: Name) -> int:
        both: Names = {
            "table": self.target.table,
            "staged_key": self._of("staged"),
            "live_key": self._of("live"),
            **names,
        }
        return int(self.database.one(statement, both).rows)

    def _of(self, alias: str) -> list[Of]:
        return [Of(alias, name) for name in self.key]

    def _change(self, statement: str, names: Names, span: Window) -> int:
        return self.database.change(statement, names, start=span.start, end=span.end)
