"""SQL lives in files, one statement each; this module reads them and puts names into them.

In a file `{name}` is an identifier (or a comma-separated list of them) and `%(name)s` a value that the driver
binds. Nothing but these, and conditions made of them, can be put into a statement, so no name and no value ever
becomes SQL text by accident.
`{folder/fragments/name}` stands for the text of that file, which several statements have in common.
The driver reads every statement for `%`, so one in a name is doubled here, and one in a file would have to be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from psycopg import sql

from pg_archiver.domain.tables import ForeignKey, KeyPair, TableName
from pg_archiver.domain.windows import TimestampKind

FOLDER = Path(__file__).parents[2] / "sql"
_TYPE_PART = r'(?:"(?:[^"\x00]|"")+"|\w[\w$]*)'
_TYPE = re.compile(
    rf"{_TYPE_PART}(?:\.{_TYPE_PART}|(?: [a-z]+)*)(?:\([\w, -]+\))?(?: with(?:out)? time zone)?(?:\[\])*"
)
# `{folder/fragments/name}` in a statement stands for the text of that file.
_FRAGMENT = re.compile(r"\{([a-z_]+(?:/[a-z_]+)*/fragments/[a-z_]+)\}")
_DEFINES = re.compile(r"(?:--[^\n]*\n|\s)*(?:CREATE|ALTER|DROP|REINDEX)\b")
# Column time of a `timestamptz` is UTC; a date is its midnight.
_COLUMN_TIME: dict[TimestampKind | None, str] = {
    TimestampKind.TIMESTAMPTZ: "pg_catalog.timezone('UTC', {})",
    TimestampKind.TIMESTAMP: "{}",
    TimestampKind.DATE: "{}::pg_catalog.timestamp",
    None: "'-infinity'::pg_catalog.timestamp",
}
_OPERATOR = re.compile(r"(?!.*(?:--|/\*))[-+*/<>=~!@#%^&|`?]+")


@dataclass(frozen=True)
class QualifiedColumn:
    """A column of the relation that goes by this alias in the statement."""

    alias: str
    column: str


@dataclass(frozen=True)
class SameValues:
    """The condition that two columns, one of each alias, hold the very same values: digit by digit, bit by bit.

    `=` says that of a few types only. It takes 1.0 for 1.00, -0 for 0, and 'A' for 'a' under some collations; so the
    columns that are not `exact` are compared as the server writes them. Without any columns it is true.
    """

    alias: str
    other: str
    pairs: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class TypeName:
    """A type as `format_type` wrote it into a manifest; the only text that is not quoted on its way in.

    So it is taken only if it can be nothing else: names, quoted or plain, with a schema, a modifier, a time zone
    clause and array brackets, and no character that could end them.
    """

    text: str

    def __post_init__(self) -> None:
        if not _TYPE.fullmatch(self.text):
            raise StatementError(f"{self.text!r} is not a type as the server writes it")


@dataclass(frozen=True)
class Typed:
    """A column with its type, for a table that is made."""

    column: str
    type: TypeName


@dataclass(frozen=True)
class Converted:
    """A column's values in another type, by the server's own cast.

    With a `zone`, the one type has a time zone and the other has none: the wall clock is that of this zone.
    """

    column: str
    before: TypeName
    now: TypeName
    zone: str | None = None


@dataclass(frozen=True)
class Inexact:
    """The condition that a value, converted and converted back, is not what it was."""

    converted: Converted


@dataclass(frozen=True)
class Literal:
    """A text in quotes, for statements that define things and so take no values."""

    text: str


@dataclass(frozen=True)
class ColumnTime:
    """The values of a timestamp column of the relation of this alias, naive: as the ledger holds spans.

    Of rows without a time, whose `kind` is None, it is earlier than any.
    """

    alias: str
    column: str
    kind: TimestampKind | None


@dataclass(frozen=True)
class Descending:
    """A column of the relation of this alias, to sort by, the greatest value first."""

    alias: str
    column: str


@dataclass(frozen=True)
class BelowFloors:
    """The condition that a value lies below the smallest value of each of these columns, a table and a column each.

    A table without rows, or with a NULL there, makes it false. Without any floors it is true.
    """

    alias: str
    column: str
    floors: tuple[tuple[TableName, str], ...]


@dataclass(frozen=True)
class NotReferenced:
    """The condition that none of these foreign keys points to a row of the relation that goes by this alias.

    Without any it is true of every row. A row that points to itself does not count.
    """

    alias: str
    by: tuple[ForeignKey, ...]


Name = (
    str
    | TableName
    | QualifiedColumn
    | SameValues
    | TypeName
    | Typed
    | Converted
    | Inexact
    | Literal
    | ColumnTime
    | Descending
    | BelowFloors
    | NotReferenced
)
Names = Mapping[str, Name | Sequence[Name]]


class StatementError(Exception):
    """A statement was asked for by a wrong name, or with wrong names in it: a mistake in this program."""


def compose(statement: str, names: Names) -> sql.Composed:
    """Return the statement of this file, `folder/name` without `.sql`, with its identifiers quoted and in place.

    Raises:
        StatementError: there is no such file, or `names` has a name too many or too few.
    """
    text, wanted = read_statement(statement), _list_names(statement)
    if wanted != set(names):
        raise StatementError(f"{statement}.sql wants {sorted(wanted)}, not {sorted(names)}")
    if not wanted:
        return _compose_as_it_is(statement)
    return sql.SQL(text).format(**{key: _quote(name) for key, name in names.items()})


@cache
def _compose_as_it_is(statement: str) -> sql.Composed:
    return sql.SQL(read_statement(statement)).format()


def is_definition(statement: str) -> bool:
    """Return whether this statement makes, changes or drops something, so that event triggers of users may fire."""
    return bool(_DEFINES.match(read_statement(statement)))


@cache
def read_statement(statement: str) -> str:
    """Return the text of this file, fragments in place, identifiers and values not.

    Raises:
        StatementError: there is no such file.
    """
    path = FOLDER / f"{statement}.sql"
    if not path.is_file():
        raise StatementError(f"there is no statement {statement}.sql")
    return _FRAGMENT.sub(lambda place: _read_fragment(place[1]), path.read_text(encoding="utf-8"))


@cache
def _list_names(statement: str) -> frozenset[str]:
    return frozenset(field for _, field, _, _ in Formatter().parse(read_statement(statement)) if field)


def _read_fragment(fragment: str) -> str:
    """Return what several statements have in common, without its comment."""
    path = FOLDER / f"{fragment}.sql"
    if not path.is_file():
        raise StatementError(f"there is no fragment {fragment}.sql")
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return _FRAGMENT.sub(lambda place: _read_fragment(place[1]), text)


def _quote(name: Name | Sequence[Name]) -> sql.Composable:
    match name:
        case str():
            quoted: sql.Composable = _identifier(name)
        case TableName(schema, table):
            quoted = _identifier(schema, table)
        case QualifiedColumn(alias, column):
            quoted = _identifier(alias, column)
        case SameValues() | BelowFloors() | NotReferenced():
            quoted = _compose_conditions(name)
        case TypeName(text):
            quoted = sql.SQL(text.replace("%", "%%"))
        case Typed(column, kind):
            quoted = sql.SQL("{} {}").format(_identifier(column), _quote(kind))
        case Converted():
            quoted = _compose_converted(name)
        case Inexact(converted):
            quoted = _compose_inexact(converted)
        case Literal(text):
            quoted = sql.Literal(text.replace("%", "%%"))
        case ColumnTime(alias, column, kind):
            quoted = sql.SQL(_COLUMN_TIME[kind]).format(_identifier(alias, column))
        case Descending(alias, column):
            quoted = sql.SQL("{} DESC").format(_identifier(alias, column))
        case _:
            quoted = sql.SQL(", ").join(_quote(part) for part in name)
    return quoted


def _compose_conditions(name: SameValues | BelowFloors | NotReferenced) -> sql.Composable:
    conditions: list[sql.Composed]
    match name:
        case SameValues(alias, other, pairs):
            conditions = [_compose_same(alias, other, *pair) for pair in pairs]
        case BelowFloors(alias, column, floors):
            conditions = [_compose_below(alias, column, *floor) for floor in floors]
        case NotReferenced(alias, keys):
            conditions = [_compose_not_referenced(alias, key) for key in keys]
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")


def _compose_below(alias: str, column: str, table: TableName, floor: str) -> sql.Composed:
    return sql.SQL(
        "coalesce({value} OPERATOR(pg_catalog.<) (SELECT CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.=)"
        " pg_catalog.count(floor.{floor}) THEN pg_catalog.min(floor.{floor}) END FROM {table} AS floor), false)"
    ).format(value=_identifier(alias, column), floor=_identifier(floor), table=_quote(table))


def _compose_converted(name: Converted) -> sql.Composed:
    column, now = _identifier(name.column), _quote(name.now)
    if _is_text(name.now):
        # By way of text, as the server does it when a column's type is changed.
        return sql.SQL("{}::text::{}").format(column, now)
    if name.zone is None:
        return sql.SQL("{}::{}").format(column, now)
    # The server takes a date for a moment of the session's zone, unless it is made one of a wall clock first.
    wall = sql.SQL("{}::timestamp").format(column) if name.before.text == "date" else column
    zone = _quote(Literal(name.zone))
    return sql.SQL("pg_catalog.timezone({}, {})::{}").format(zone, wall, now)


def _compose_inexact(name: Converted) -> sql.Composed:
    there = _compose_converted(name)
    if _is_text(name.now):
        # The other way round a part of a word may be read as the whole one.
        return sql.SQL("{}::text IS DISTINCT FROM ({})::text").format(_identifier(name.column), there)
    back = sql.SQL("({})::{}").format(there, _quote(name.before))
    if name.zone is not None:
        middle = sql.SQL("({})::timestamp").format(there) if name.now.text == "date" else sql.SQL("({})").format(there)
        back = sql.SQL("pg_catalog.timezone({}, {})::{}").format(
            _quote(Literal(name.zone)), middle, _quote(name.before)
        )
    return sql.SQL("ROW({})::pg_catalog.text IS DISTINCT FROM ROW({})::pg_catalog.text").format(
        back, _identifier(name.column)
    )


def _is_text(kind: TypeName) -> bool:
    return kind.text == "text" or kind.text.startswith("character varying")


def _compose_same(alias: str, other: str, own: str, others: str, exact: bool) -> sql.Composed:
    # ROW writes a value by its type's output function; a cast of the column may be one that a user made.
    form = "{} OPERATOR(pg_catalog.=) {}"
    if not exact:
        form = "ROW({})::pg_catalog.text OPERATOR(pg_catalog.=) ROW({})::pg_catalog.text"
    return sql.SQL(form).format(_identifier(alias, own), _identifier(other, others))


def _compose_not_referenced(alias: str, key: ForeignKey) -> sql.Composed:
    return sql.SQL(
        "NOT EXISTS (SELECT FROM {child} AS child"
        " WHERE {equal} AND (child.tableoid, child.ctid) OPERATOR(pg_catalog.<>) ({tableoid}, {ctid}))"
    ).format(
        child=_quote(key.child),
        equal=sql.SQL(" AND ").join(_compose_equal(alias, pair) for pair in key.pairs),
        tableoid=_identifier(alias, "tableoid"),
        ctid=_identifier(alias, "ctid"),
    )


def _compose_equal(alias: str, pair: KeyPair) -> sql.Composable:
    schema, operator = pair.operator
    if not _OPERATOR.fullmatch(operator):
        raise StatementError(f"{operator!r} is not an operator")
    equal = sql.SQL("{} OPERATOR({}.{}) {}").format(
        _identifier(alias, pair.own),
        _identifier(schema),
        sql.SQL(operator.replace("%", "%%")),
        _identifier("child", pair.other),
    )
    return sql.SQL("{} COLLATE {}").format(equal, _identifier(*pair.collation)) if pair.collation else equal


def _identifier(*parts: str) -> sql.Identifier:
    return sql.Identifier(*(part.replace("%", "%%") for part in parts))
