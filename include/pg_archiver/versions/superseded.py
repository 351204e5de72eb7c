"""Which versions of a table's keys may go: superseded by newer ones, below every bound, old enough, held by nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol

from pg_archiver.domain.tables import DeletableTable
from pg_archiver.domain.versions import Floor, KeepVersions
from pg_archiver.domain.windows import EARLIEST, GRID_ORIGIN, Window, cell_of, cutoff, in_column_time
from pg_archiver.domain.wording import say_count
from pg_archiver.domain.work import TableOrder
from pg_archiver.errors import DatabaseRefused, TableMissing, TableRefused
from pg_archiver.ledger.restores import RestoreLog
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.catalog import describe_deletable, find_table
from pg_archiver.postgres.clocks import read_clock
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import (
    BelowFloors,
    ColumnTime,
    Descending,
    Name,
    Names,
    NotReferenced,
    QualifiedColumn,
    Typed,
    TypeName,
)

_NUMBERS = ("smallint", "integer", "bigint", "numeric")
_TIMES = ("date", "timestamp without time zone", "timestamp with time zone")
# What is earlier than any time, for rows that have none.
_BEFORE_ALL = "-infinity"
_UP_TO = "up_to_version"
# What keeps versions, as the server counts it.
_CAUSES = ("by_number", "by_bound", "by_age", "by_hold", "by_children")
_MOMENT = timedelta(microseconds=1)
# For a version that somebody has locked; then such are passed over, and stay for the next run.
LONGEST_LOCK_WAIT = timedelta(milliseconds=50)


class ZonedOrder(TableOrder, Protocol):
    """A table of a client, with the time zone of its timestamp column."""

    @property
    def timezone(self) -> str:
        """The zone of a column without one."""
        ...


@dataclass(frozen=True)
class Superseded:
    """The condition, for a table as it was looked at.

    `type` is that of the version, `key_types` those of the key's columns, as the server writes them. `nullable` tells
    that rows may lack a part of their key, or their version: such a row stays, and supersedes none. `cutoff` is the
    moment before which a version is old enough, `span` what is old enough and asked for, in column time.
    """

    session: Session
    order: ZonedOrder
    versions: KeepVersions
    shape: DeletableTable
    type: TypeName
    key_types: tuple[str, ...]
    nullable: bool
    cutoff: datetime
    span: Window

    @classmethod
    def look(
        cls,
        session: Session,
        order: ZonedOrder,
        versions: KeepVersions,
        *,
        days: int = 0,
        within: Window | None = None,
    ) -> Superseded:
        """Look at the table and at the floors, as of now by the server's clock.

        What is older than so many days is old enough, or just what lies within a span that somebody else has chosen.

        Raises:
            TableRefused: one of them is missing, or cannot be read, or versions cannot be told apart, or rows cannot be
                deleted safely.
        """
        shape = _describe(session, order, versions)
        if versions.keep and not shape.may_lock:
            raise TableRefused(
                f"the role of the Airflow connection may not lock rows of {order.table} in database {session.name}, "
                "and the newest versions are locked while older ones go. Fix: grant UPDATE on one of its columns"
            )
        columns = _find_columns(session, shape.oid, (*versions.key_columns, versions.version_column))
        for column in (*versions.key_columns, versions.version_column):
            if column not in columns:
                raise TableMissing(
                    f"{order.table} has no column {column!r}. Fix: correct key_columns and version_column of the job"
                )
        version = columns[versions.version_column]
        if version.base_type not in (*_NUMBERS, *_TIMES):
            raise TableRefused(
                f"column {versions.version_column!r} of {order.table} is of type {version.base_type}, by which no "
                f"version is reliably newer than another. Fix: 'version_column' must name a column of type "
                f"{', '.join((*_NUMBERS, *_TIMES))}"
            )
        for floor in versions.floors:
            _refuse_floor(session, floor, version)
        now = read_clock(session)
        nullable = any(row.may_be_null for row in columns.values())
        before = cutoff(now, now, days)
        key_types = tuple(columns[column].type for column in versions.key_columns)
        span = within or _find_old(before, shape, order)
        found = cls(session, order, versions, shape, TypeName(version.type), key_types, nullable, before, span)
        found._refuse_twins()
        found._refuse_bound()
        return found

    def is_as_described(self) -> bool:
        """Return whether the catalog still says of the table what it said when it was looked at."""
        return _describe(self.session, self.order, self.versions) == self.shape

    def _refuse_bound(self) -> None:
        if self.versions.up_to is None:
            return
        try:
            self.session.fetch_one("versions/lowest_bound", {"type": self.type}, bounds=[self.versions.up_to])
        except DatabaseRefused:
            raise TableRefused(
                f"up_to_version is {self.versions.up_to!r}, which is no value of column "
                f"{self.versions.version_column!r} of {self.order.table}, of type {self.type.text}. Nothing was done. "
                "Fix: correct it"
            ) from None

    def _refuse_twins(self) -> None:
        if self.shape.identity_columns:
            return
        names: Names = {"table": self.order.table, "usable": self.usable}
        if self.session.fetch_one("versions/find_twins", names).found:
            raise TableRefused(
                f"{self.order.table} has no primary key, and rows of one key and version, so none is the newer. Fix: "
                f"give it a primary key, or a unique index over {', '.join(self.versions.key_columns)} and "
                f"{self.versions.version_column}"
            )

    @property
    def usable(self) -> list[Name]:
        """The columns that make a row a version of a key."""
        columns = (*self.versions.key_columns, self.versions.version_column)
        return [QualifiedColumn("target", column) for column in columns]

    @cached_property
    def conditions(self) -> dict[str, Name]:
        """The names of what every version that goes has to meet."""
        kind, versions = self.shape.timestamp_kind, self.versions
        return {
            "version": versions.version_column,
            "type": self.type,
            "below_floors": BelowFloors(
                "target", versions.version_column, tuple((floor.table, floor.column) for floor in versions.floors)
            ),
            "moment": ColumnTime("target", self.order.timestamp_column, kind),
            "unreferenced": NotReferenced("target", self.shape.waits_for),
        }

    @cached_property
    def ranking(self) -> Names:
        """The names by which versions of a key are told apart, the newest first."""
        ties = self.shape.identity_columns or ("tableoid", "ctid")
        # Of one key its columns tell nothing apart: with them, versions come in the order in which an index has them.
        columns = dict.fromkeys((self.versions.version_column, *ties, *self.versions.key_columns))
        newest = [Descending("target", column) for column in columns]
        return {
            "table": self.order.table,
            "key": [QualifiedColumn("target", column) for column in self.versions.key_columns],
            "newest_first": newest,
            "usable": self.usable,
        }

    @cached_property
    def passing(self) -> Names:
        """The names of a statement that goes over the whole table."""
        pointed = [pair.own for key in self.shape.waits_for for pair in key.pairs]
        timed = [self.order.timestamp_column] if self.versions.timed else []
        columns = dict.fromkeys([*self.versions.key_columns, self.versions.version_column, *timed, *pointed])
        return {**self.ranking, **self.conditions, "columns": [QualifiedColumn("target", name) for name in columns]}

    @cached_property
    def of_keys(self) -> Names:
        """The names of a statement that goes over the versions of some keys."""
        keys = self.versions.key_columns
        return {
            **self.passing,
            "wanted": [QualifiedColumn("wanted", column) for column in keys],
            "key_types": [Typed(column, TypeName(kind)) for column, kind in zip(keys, self.key_types, strict=True)],
        }

    @cached_property
    def values(self) -> Mapping[str, object]:
        """The values of the conditions."""
        return {
            "first": self.span.start if self.versions.timed else _BEFORE_ALL,
            "end": self.span.end,
            "timed": self.versions.timed,
            "up_to": self.versions.up_to,
            "keep": self.versions.keep,
            "schema": self.order.table.schema,
            "name": self.order.table.name,
        }

    def survey(self, keep: KeepDays) -> Survey:
        """Count what may go, and what keeps the others, in one pass over the table; `keep` is who says for how long."""
        self.session.fetch_all("purge/plan_by_list")
        found = self.session.fetch_one("versions/survey", self.passing, held=self._list_held(), **self.values)
        return self.sum_up(found, keep=keep)

    def survey_cells(self, keep: KeepDays, hours: int) -> CellSurvey:
        """Do the same by cells of the grid, of so many hours each; what a restore holds of one keeps the whole cell."""
        with self.session.transaction():
            self.session.fetch_all("versions/plan_pass", joins="on")
            rows = self.session.fetch_all(
                "versions/survey_cells",
                self.passing,
                held=self._list_held(hours),
                step=timedelta(hours=hours),
                origin=GRID_ORIGIN,
                **self.values,
            )
        return CellSurvey(self.sum_up(*rows, keep=keep), {row.first: row.due for row in rows if row.due})

    def sum_up(self, *rows: Row, keep: KeepDays) -> Survey:
        """Return what was counted, line by line, in one."""
        found = Counter[str]()
        for row in rows:
            found.update({name: getattr(row, name) for name in (*_CAUSES, "due")})
        bound = self._find_lowest_bound() if found["by_bound"] else None
        unusable = 0
        if self.nullable:
            count: Names = {"table": self.order.table, "usable": self.usable}
            unusable = self.session.fetch_one("versions/count_unusable", count).rows
        words = (
            f"keep_versions ({self.versions.keep})",
            bound or _UP_TO,
            f"keep_days ({keep.days})",
            "hold of a restore",
            "rows that point to them",
        )
        causes = [(found[name], cause) for name, cause in zip(_CAUSES, words, strict=True)]
        causes.append((unusable, "a key or version that is NULL"))
        told = tuple(f"{say_count(number, 'row')} kept by {cause}" for number, cause in causes if number)
        return Survey(found["due"], told, _find_binding(causes))

    def _list_held(self, hours: int | None = None) -> str | None:
        """Return what restores hold, None for nothing; there may be no ledger yet. With `hours` whole cells."""
        spans = [hold.span for hold in RestoreLog(self.session, self.order).list_holds(self.span)]
        if hours:
            spans = [Window(cell_of(span.start, hours).start, cell_of(span.end - _MOMENT, hours).end) for span in spans]
        return "{" + ", ".join(f"[{span.start}, {span.end})" for span in spans) + "}" if spans else None

    def _find_lowest_bound(self) -> str:
        """Return which bound keeps most."""
        bounds = [] if self.versions.up_to is None else [(_UP_TO, self.versions.up_to)]
        for floor in self.versions.floors:
            names: Names = {"table": floor.table, "column": floor.column}
            bounds.append((f"floor {floor}", self.session.fetch_one("versions/smallest", names).value))
        values = [value for _, value in bounds]
        lowest = self.session.fetch_one("versions/lowest_bound", {"type": self.type}, bounds=values)
        name, value = bounds[lowest.number - 1]
        return f"{name}, which has no row or a NULL" if value is None else name


@dataclass(frozen=True)
class Survey:
    """How many versions may go, and what keeps the others, for people.

    `kept_by` is what binds: what keeps most of those that enough newer ones supersede, else what keeps the newest. None
    where nothing is kept.
    """

    due: int
    kept: tuple[str, ...]
    kept_by: str | None


@dataclass(frozen=True)
class CellSurvey:
    """The same, and how many versions may go of each cell of the grid, by the first moment of one."""

    whole: Survey
    due: Mapping[datetime, int]


def _find_old(before: datetime, shape: DeletableTable, order: ZonedOrder) -> Window:
    """Return what is old enough, in column time."""
    kind = shape.timestamp_kind
    if kind is None:
        return Window(EARLIEST, before.replace(tzinfo=None))
    return Window(EARLIEST, in_column_time(before, kind, order.timezone))


def _find_binding(causes: Sequence[tuple[int, str]]) -> str | None:
    (newest, number), *others = causes
    rows, cause = max(others, key=lambda one: one[0])
    if rows:
        return cause
    return number if newest else None


def _describe(session: Session, order: ZonedOrder, versions: KeepVersions) -> DeletableTable:
    return describe_deletable(session, order.table, order.timestamp_column if versions.timed else None, order.children)


def _find_columns(session: Session, oid: int, names: tuple[str, ...]) -> dict[str, Row]:
    return {row.name: row for row in session.fetch_all("versions/columns", oid=oid, names=list(names))}


def _refuse_floor(session: Session, floor: Floor, version: Row) -> None:
    """Refuse a floor that is not there, or that cannot be read as a whole, so that nothing goes."""
    found = find_table(session, floor.table)
    where = f"floor {floor} in database {session.name}"
    if found is None or not (column := _find_columns(session, found.oid, (floor.column,)).get(floor.column)):
        raise TableRefused(f"{where} is not there, so no version may go. Fix: correct 'floors' of the job")
    if found.kind not in {"r", "p"}:
        raise TableRefused(f"{where} is no table's, so no version may go. Fix: name a table in 'floors' of the job")
    if not (found.may_use and found.may_select) or found.hides_rows:
        raise TableRefused(
            f"{where} cannot be read as a whole by the role of the Airflow connection, so no version may go. Fix: "
            "grant USAGE on the schema and SELECT on the table, and BYPASSRLS if row-level security hides rows"
        )
    families = [family for family in (_NUMBERS, _TIMES) if version.base_type in family]
    if column.base_type not in families[0]:
        raise TableRefused(
            f"{where} is of type {column.base_type}, and versions are of type {version.base_type}, so no version may "
            "go. Fix: correct 'floors' of the job"
        )
