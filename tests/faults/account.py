"""The full check: every version that writers committed is accounted for, and nothing else is.

A row version that its writers neither replaced nor deleted must be in the table or in a checked object. An object
counts if it has a manifest, its bytes and content are what the manifest says, and the ledger let rows be deleted on
its account.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from pg_archiver.domain.row_numbers import Positions
from pg_archiver.domain.tables import TableName
from tests.faults.objects import CheckedObject, Row, Witness, checked_objects, stem_of
from tests.faults.place import Place
from tests.faults.recorder import CONTENT

_SHOWN = 5
_Versions = dict[int, list[Row | None]]


@dataclass(frozen=True)
class Verdict:
    """What a check found: how many row versions it followed, which were lost, and what else is wrong.

    Of the restores that were compared row by row: which rows did not come back, and which came that should not have.
    """

    rows: int = 0
    lost: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    restores: int = 0
    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    def __add__(self, other: Verdict) -> Verdict:
        sums = {name: value + getattr(other, name) for name, value in vars(self).items()}
        return Verdict(**sums)

    @property
    def good(self) -> bool:
        return not (self.lost or self.problems or self.missing or self.wrong)

    def __str__(self) -> str:
        told = [line for lines in (self.lost, self.missing, self.wrong, self.problems) for line in lines[:_SHOWN]]
        counts = f"{len(self.lost)} row(s) lost, {len(self.missing)} missing and {len(self.wrong)} wrong after restores"
        return f"{counts}, {len(self.problems)} problem(s): {'; '.join(told)}"


def contents(place: Place, table: TableName) -> Counter[Row]:
    """The rows of any table of this kind; none if there is no such table."""
    relation = sql.Identifier(table.schema, table.name).as_string()
    if not place.sql("SELECT to_regclass(%s) IS NOT NULL", relation)[0][0]:
        return Counter()
    return Counter(tuple(row[0]) for row in place.sql(f"SELECT {CONTENT} FROM {relation}"))


@dataclass
class Account:
    """The account of one table. It is `balanced` as long as no restore has put rows back into it."""

    place: Place
    balanced: bool = True
    witness: Witness = field(default_factory=Witness)
    confirmed: set[int] = field(default_factory=set)

    def check(self) -> Verdict:
        """Follows every version; to be called when nobody writes."""
        versions = self._versions()
        live = contents(self.place, self.place.order.table)
        objects = checked_objects(self.place)
        ledger = self._ledger()
        # Nothing was or will be deleted on account of a generation that was given up, so it may be damaged.
        given_up = {stem_of(row["object_key"]) for row in ledger if row["state"] == "void"}
        problems = [
            *(problem for found in objects if found.stem not in given_up for problem in found.problems),
            *self.witness.look(self.place),
            *_ledger_problems(ledger, objects),
            *_extra(versions, live, objects),
            *(self._balance(versions, live, ledger) if self.balanced else ()),
        ]
        answering = {stem_of(row["object_key"]) for row in ledger if row["state"] in {"stored", "deleted"}}
        archived = {row for found in objects if found.stem in answering for row in found.rows}
        lost = [
            f"row {number} is neither in the table nor archived in its last version {history[-1]}"
            for number, history in versions.items()
            if history[-1] is not None and history[-1] not in live and history[-1] not in archived
        ]
        return Verdict(sum(map(len, versions.values())), tuple(lost), tuple(problems))

    def assert_good(self) -> Verdict:
        verdict = self.check()
        assert verdict.good, str(verdict)
        return verdict

    def last_versions(self) -> Counter[Row]:
        """Each row that no user deleted, as it was when it was last written, in the table or not."""
        return Counter(history[-1] for history in self._versions().values() if history[-1] is not None)

    def _versions(self) -> _Versions:
        """The committed versions of each row, oldest first; None stands for its deletion by a user."""
        statement = "SELECT number, row_id, content FROM account.versions WHERE table_name = %s ORDER BY number"
        notes = self.place.sql(statement, str(self.place.order.table))
        missing = self.confirmed - {number for number, _, _ in notes}
        assert not missing, f"{len(missing)} commits were confirmed and are not in the account"
        versions: _Versions = {}
        for _, row_id, content in notes:
            versions.setdefault(row_id, []).append(None if content is None else tuple(content))
        return versions

    def _ledger(self) -> list[dict[str, Any]]:
        if not self.place.has_ledger():
            return []
        table = self.place.order.table
        rows = self.place.sql(
            "SELECT to_jsonb(w) FROM archiver.windows AS w WHERE table_schema = %s AND table_name = %s ORDER BY id",
            table.schema,
            table.name,
        )
        return [row[0] for row in rows]

    def _balance(self, versions: _Versions, live: Counter[Row], ledger: list[dict[str, Any]]) -> Iterable[str]:
        """Rows leave the table by a user's delete or by one of the ledger's; the sums must agree to the row."""
        by_users = sum(history[-1] is None for history in versions.values())
        by_archiver = sum(row["deleted_rows"] for row in ledger)
        gone = len(versions) - by_users - live.total()
        if gone != by_archiver:
            yield f"{gone} rows left the table other than by users, and the ledger says {by_archiver}"


def _extra(versions: _Versions, live: Counter[Row], objects: list[CheckedObject]) -> Iterable[str]:
    """What is somewhere and never was committed, or is there too often."""
    committed = {version for history in versions.values() for version in history if version is not None}
    last = {history[-1] for history in versions.values()}
    for found in objects:
        if len(set(found.rows)) != len(found.rows):
            yield f"{found.stem} holds a row twice"
        yield from (f"{found.stem} holds {row}, which nobody committed" for row in set(found.rows) - committed)
    yield from (f"the table holds {row}, which is not the last version of its row" for row in live.keys() - last)
    yield from (f"the table holds {row} {times} times" for row, times in live.items() if times > 1)


def _ledger_problems(ledger: list[dict[str, Any]], objects: list[CheckedObject]) -> Iterable[str]:
    manifests = {found.stem: found.manifest for found in objects}
    for row in ledger:
        state, rows, deleted = row["state"], row["rows"], row["deleted_rows"]
        where = f"the ledger's {row['object_key']} ({state})"
        if state in {"stored", "deleted"}:
            if stem_of(row["object_key"]) not in manifests:
                yield f"{where} has no object with a manifest"
            elif row["manifest"] != manifests[stem_of(row["object_key"])]:
                yield f"{where} has another manifest than its object"
        elif deleted:
            yield f"{where} counts {deleted} deleted rows"
        if state == "deleted" and row["note"] is None and deleted != rows:
            yield f"{where} counts {deleted} of {rows} rows and does not say why"
        if row["sub_ranges_gone"] and not row["deleted_upto"]:
            gone = _rows_of_sub_ranges(row)
            if deleted != gone:
                yield f"{where} counts {deleted} rows, and the sub-ranges that left had {gone}"
        elif deleted > row["deleted_upto"] or row["deleted_upto"] > (rows or 0):
            yield f"{where} counts {deleted} rows up to {row['deleted_upto']} of {rows}"


def _rows_of_sub_ranges(row: dict[str, Any]) -> int:
    sub_ranges = row["manifest"]["sub_ranges"]
    return sum(sub_ranges[number - 1]["rows"] for number in Positions.parse(row["sub_ranges_gone"]))
