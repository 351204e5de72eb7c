"""Putting staged rows into the target: which one stays where a key is taken, and which ones it will not take at all.

Where a constraint or a trigger has something against a row, that row is found by trying ever smaller parts, so that it
keeps no other one out. Where triggers may change or keep out what comes in, what is in the target afterwards is
compared with what was archived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import OnConflict
from pg_archiver.errors import CheckFailed, DatabaseRefused, ReferenceRefused, RightMissing
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Name, Names, QualifiedColumn
from pg_archiver.restore.staging_table import Staging

# Rows that triggers change are left out at the second try; a third one would only meet more of them.
_MOST_TRIES = 3


@dataclass(frozen=True)
class Put:
    """What came of the rows: how many are in the target as they were archived, and how many met one that stayed.

    `waiting` are the numbers of rows that point to others that are not back yet, by what the server said of them.
    """

    rows: int
    skipped: int
    waiting: dict[str, list[int]]
    anew: int = 0


class _ChangedError(Exception):
    """Rows came in as others than they were archived."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__()
        self.numbers = numbers


@dataclass
class Inserting:
    """The rows of one object, within one transaction.

    `triggers` are the names of those that fire for them, `source` is the table that they came from.
    """

    session: Session
    staging: Staging
    on_conflict: OnConflict
    triggers: Sequence[str]
    source: TableName
    _left_out: set[int] = field(default_factory=set)

    def put(self) -> Put:
        """Put the rows in, and leave in the staging table just those that came.

        Raises:
            CheckFailed: triggers change rows, and which they change is another thing at each try.
        """
        self.session.execute("restore/constraints_now")
        for _ in range(_MOST_TRIES):
            try:
                with self.session.transaction():
                    return self._try_to_put()
            except _ChangedError as changed:
                named = ", ".join(self.triggers)
                for number in changed.numbers:
                    self._leave_out(number, f"triggers would change it on its way in: {named}")
        raise CheckFailed(f"triggers change its rows on their way in: {', '.join(self.triggers)}")

    def count_conflicts(self) -> int:
        """Return how many rows meet one in the target under their key."""
        return int(self.session.fetch_one("restore/conflicts", self._both).rows)

    def count_winners(self) -> int:
        """Return how many of these are later than the one in the target."""
        timestamp = self.staging.manifest.timestamp_column
        columns = {
            "staged_column": QualifiedColumn("staged", timestamp),
            "live_column": QualifiedColumn("live", timestamp),
        }
        return int(self.session.fetch_one("restore/count_later", {**self._both, **columns}).rows)

    def _try_to_put(self) -> Put:
        staging = self.staging
        staging.drop_positions(sorted(self._left_out))
        left = staging.left()
        waiting: dict[str, list[int]] = {}
        inserted = self._insert(left.first - 1, left.last, waiting) if left.rows else 0
        # The path under which triggers fire is nothing to look our own names up along.
        self.session.use_database_search_path(builtins_first=True)
        staging.drop_positions([*self._left_out, *(number for numbers in waiting.values() for number in numbers)])
        rows = staging.left().rows
        if not self.triggers:
            return Put(inserted, rows - inserted, waiting, self._generated_anew())
        skipped = self._compare(rows, inserted)
        return Put(staging.left().rows - skipped, skipped, waiting, self._generated_anew())

    def _compare(self, rows: int, inserted: int) -> int:
        """Take rows that did not come in out of the staging table; return how many others met a row that stayed.

        Raises:
            _ChangedError: of those that came some are not what was archived.
        """
        odd = self._not_equal()
        if inserted > rows - len(odd):
            raise _ChangedError([row.position for row in odd])
        missing = [row.position for row in odd if row.missing]
        for number in missing:
            self._leave_out(number, f"triggers keep it out: {', '.join(self.triggers)}")
        self.staging.drop_positions(missing)
        return len(odd) - len(missing)

    def _insert(self, after: int, upto: int, waiting: dict[str, list[int]]) -> int:
        try:
            with self.session.transaction():
                return self._insert_part(after, upto)
        except RightMissing:
            raise
        except DatabaseRefused as refusal:
            if upto - after > 1:
                middle = (after + upto) // 2
                return self._insert(after, middle, waiting) + self._insert(middle, upto, waiting)
            if isinstance(refusal, ReferenceRefused):
                waiting.setdefault(self._say(refusal), []).append(upto)
            else:
                self._leave_out(upto, str(refusal))
            return 0

    def _say(self, refusal: ReferenceRefused) -> str:
        """Say which rows must come back first: rows that point to others can come back only after those."""
        found = self.session.fetch_all("restore/referenced_table", table=refusal.table, name=refusal.constraint)
        parents = {TableName(row.schema, row.table) for row in found}
        if not parents or parents == {self.source}:
            remedy = (
                "its rows point to rows outside the span: restore a span that holds those too, or restore into a new "
                "table"
            )
        else:
            remedy = f"restore {', '.join(map(str, sorted(parents)))} for the same span first, and then this again"
        return f"{refusal}. Fix: {remedy}"

    def _leave_out(self, number: int, reason: str) -> None:
        if number not in self._left_out:
            self._left_out.add(number)
            self.staging.refusals.add(number, reason)

    def _insert_part(self, after: int, upto: int) -> int:
        staging = self.staging
        names: dict[str, Name | list[Name]] = {
            "table": staging.target.table,
            "columns": list(staging.inserted_columns),
            "position": staging.position,
        }
        key = staging.key
        changed = [name for name in staging.inserted_columns if name not in key]
        values = {"after": after, "upto": upto}
        # Triggers fire, and they may count on it.
        self.session.use_database_search_path(builtins_first=False)
        if self.on_conflict is OnConflict.FAIL or not staging.key:
            return self.session.execute("restore/insert", names, **values)
        names["key"] = list(staging.key)
        if self.on_conflict is OnConflict.SKIP or not changed:
            return self.session.execute("restore/insert_or_skip", names, **values)
        timestamp = staging.manifest.timestamp_column
        names |= {
            "changed": list(changed),
            "excluded": [QualifiedColumn("excluded", name) for name in changed],
            "excluded_column": QualifiedColumn("excluded", timestamp),
            "live_column": QualifiedColumn("live", timestamp),
        }
        return self.session.execute("restore/insert_or_replace", names, **values)

    def _not_equal(self) -> list[Row]:
        staging = self.staging
        self.session.use_database_search_path(builtins_first=True)
        if staging.key:
            return self.session.fetch_all(
                "restore/not_equal_by_key", {**self._contents(staging.inserted_columns), "position": staging.position}
            )
        names: Names = {
            "table": staging.target.table,
            "columns": staging.inserted_columns,
            "position": staging.position,
        }
        column = staging.manifest.timestamp_column
        if column not in staging.target.types:
            return self.session.fetch_all("restore/not_equal_at_any_time", names)
        return self.session.fetch_all("restore/not_equal", {**names, "column": column})

    def _generated_anew(self) -> int:
        staging = self.staging
        if not (staging.key and staging.generated_columns):
            return 0
        self.session.use_database_search_path(builtins_first=True)
        return int(self.session.fetch_one("restore/generated_anew", self._contents(staging.generated_columns)).rows)

    def _contents(self, columns: Sequence[str]) -> Names:
        return {
            **self._both,
            "staged_columns": [QualifiedColumn("staged", name) for name in columns],
            "live_columns": [QualifiedColumn("live", name) for name in columns],
        }

    @property
    def _both(self) -> Names:
        return {
            "table": self.staging.target.table,
            "staged_key": self.staging.of("staged"),
            "live_key": self.staging.of("live"),
        }
