"""The table that a restore fills: the one the rows came from, or a new one made for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pg_archiver.domain.tables import Column, RowIdentity, TableName
from pg_archiver.domain.work import OnConflict, RestoreOrder
from pg_archiver.errors import SettingError, TableRefused
from pg_archiver.ledger.restores import RestoreLog
from pg_archiver.postgres.catalog import column_of, find_identity, find_table
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Typed, TypeName
from pg_archiver.restore.archived_objects import Shape
from pg_archiver.restore.conversions import has_type, type_name

_FILLABLE = {"r", "p"}
_TEXT = TypeName("text")


@dataclass(frozen=True)
class Target:
    """What the catalog says of the table that gets the rows; `oid` is None if a dry run only plans it."""

    oid: int | None
    table: TableName
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @cached_property
    def types(self) -> dict[str, str]:
        """Each column's type by its name."""
        return {column.name: column.type for column in self.columns}


@dataclass
class Ready:
    """A target that can be filled; what a person should know of it, and what is missing in a new one, as statements."""

    target: Target
    notes: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)


def describe_target(session: Session, table: TableName) -> Target | None:
    """Return the table's columns and key; None if there is no such table.

    Raises:
        TableRefused: it is a view or another thing that rows cannot be put into.
    """
    with session.transaction():
        found = find_table(session, table)
        if found is None:
            return None
        if found.kind not in _FILLABLE:
            raise TableRefused(f"{table} in database {session.name} is not a table. Rows cannot be restored into it")
        columns = tuple(map(column_of, session.fetch_all("postgres/catalog/columns", oid=found.oid)))
        identity, key = find_identity(session, found.oid)
        return Target(found.oid, table, columns, () if identity is RowIdentity.PLACE else key)


def prepare_target(session: Session, restores: RestoreLog, order: RestoreOrder, shapes: Sequence[Shape]) -> Ready:
    """Return the target, made if it is to be a new table, with room for all that the objects hold.

    Args:
        session: a session on the client database.
        restores: knows which tables were made by restores.
        order: the restore.
        shapes: what the objects hold, the newest one's first.

    Raises:
        TableRefused: it is missing, is somebody else's, does not have all columns that the objects hold, or a
            privilege of the role on it is missing.
    """
    if order.text_columns and order.into_itself:
        raise SettingError(
            f"text_columns names {', '.join(order.text_columns)}, which only a new table can take as text. Nothing "
            "was restored. Fix: set 'into' as well"
        )
    with session.advisory_lock(f"archiver restore into {order.target}", f"table {order.target}"):
        target = describe_target(session, order.target)
        if target is None:
            if order.into_itself:
                raise TableRefused(
                    f"database {session.name} has no table {order.target} any more. Nothing was restored. Fix: "
                    "restore into a new table with 'into'"
                )
            return _create_new(session, restores, order, shapes)
    if target.oid is not None and not order.into_itself and not restores.has_made(order.target, target.oid):
        raise TableRefused(
            f"{order.target} in database {session.name} exists and was not made by a restore of {order.work.table}. "
            "Nothing was restored. Fix: name another table in 'into'"
        )
    _refuse_missing_rights(session, target, order)
    _refuse_missing_columns(target, order, shapes)
    _refuse_rules(session, target)
    if order.on_conflict is OnConflict.NEWEST:
        _refuse_newest(target, {shape.timestamp_column for shape in shapes})
    return Ready(target)


def _create_new(session: Session, restores: RestoreLog, order: RestoreOrder, shapes: Sequence[Shape]) -> Ready:
    """Make the table with the archive's columns and key, and nothing else; in a dry run only plan it."""
    _refuse_schema(session, order.target)
    notes: list[str] = []
    columns = _columns(session, order, shapes, notes)
    key = _key(shapes, notes)
    plan = Target(None, order.target, tuple(Column(column.column, column.type.text) for column in columns), key)
    source = describe_target(session, order.work.table)
    lacks = [] if source is None else _list_lacks(session, source, plan)
    if order.work.dry_run:
        return Ready(plan, notes, lacks)
    with session.transaction():
        session.execute("restore/create_table", {"target": order.target, "columns": columns})
        if key:
            session.execute("restore/add_key", {"target": order.target, "key": key})
        target = describe_target(session, order.target)
        if target is None or target.oid is None:
            raise TableRefused(f"{order.target} was dropped while it was being made")
        restores.note_target(order.target, target.oid)
    return Ready(target, notes, lacks)


def _columns(session: Session, order: RestoreOrder, shapes: Sequence[Shape], notes: list[str]) -> list[Typed]:
    """Return the columns of all objects, in the newest type of each; as text if the server no longer knows it."""
    types: dict[str, str] = {}
    for shape in shapes:
        for name, kind in shape.columns:
            types.setdefault(name, kind)
    unknown = sorted(set(order.text_columns) - set(types))
    if unknown:
        raise SettingError(
            f"text_columns names {unknown[0]!r}, which is not a column of the archived rows. Nothing was restored. "
            f"They have {', '.join(types)}"
        )
    columns = []
    for name, kind in types.items():
        if name in order.text_columns:
            columns.append(Typed(name, _TEXT))
        elif has_type(session, kind):
            columns.append(Typed(name, type_name(kind)))
        else:
            columns.append(Typed(name, _TEXT))
            notes.append(f"column {name} was {kind}, which the server no longer knows: it is text in the new table")
    return columns


def _key(shapes: Sequence[Shape], notes: list[str]) -> tuple[str, ...]:
    """Return the key that distinguishes the objects' rows; if it changed, the columns of all keys together."""
    keys = list(dict.fromkeys(shape.key for shape in shapes))
    if len(keys) == 1:
        return keys[0]
    joined = tuple(dict.fromkeys(name for key in keys for name in key))
    held = all({name for name, _ in shape.columns} >= set(joined) for shape in shapes)
    if not all(keys) or not held:
        notes.append("the table's key changed: the new table has none, and may hold several versions of a row")
        return ()
    notes.append(
        f"the table's key changed: the new table's is ({', '.join(joined)}), and it may hold several versions of a row"
    )
    return joined


def _list_lacks(session: Session, source: Target, plan: Target) -> list[str]:
    rows = session.fetch_all(
        "restore/missing_definitions",
        oid=source.oid,
        schema=plan.table.schema,
        table=plan.table.name,
        key=list(plan.key),
    )
    return [row.statement for row in rows]


def _refuse_schema(session: Session, table: TableName) -> None:
    """Refuse if the new table's schema is missing, or the role may not create tables in it."""
    found = session.fetch_all("postgres/catalog/schema_rights", schema=table.schema)
    if not found:
        raise TableRefused(
            f"database {session.name} has no schema {table.schema!r} for the new table. Nothing was restored. Fix: "
            "create it, or name another table in 'into'"
        )
    if not (found[0].may_use and found[0].may_create):
        raise TableRefused(
            f"the role of the Airflow connection may not create a table in schema {table.schema!r} of database "
            f"{session.name}. Nothing was restored. Fix: grant USAGE and CREATE on that schema, or name another table "
            "in 'into'"
        )


def _refuse_missing_rights(session: Session, target: Target, order: RestoreOrder) -> None:
    rights = session.fetch_one("restore/may_insert", oid=target.oid)
    needed = {"INSERT": rights.may_insert}
    if order.on_conflict is OnConflict.NEWEST:
        needed["UPDATE"] = rights.may_update
    missing = [right for right, granted in needed.items() if not granted]
    if missing:
        raise TableRefused(
            f"the role of the Airflow connection may not {' and '.join(missing)} on {target.table} in database "
            f"{session.name}. Nothing was restored. Fix: grant that for as long as the restore takes"
        )


def _refuse_missing_columns(target: Target, order: RestoreOrder, shapes: Sequence[Shape]) -> None:
    names = {name for shape in shapes for name, _ in shape.columns}
    missing = sorted(names - set(target.types))
    if missing and not order.ignore_missing_columns:
        raise TableRefused(
            f"{target.table} has no column {', '.join(map(repr, missing))} any more, but the archive has. Nothing was "
            "restored. Fix: add it, restore into a new table, or set ignore_missing_columns to leave its values in "
            "the archive"
        )
    if not names & set(target.types):
        raise TableRefused(
            f"{target.table} has none of the archive's columns. Nothing was restored. Fix: restore into a new table"
        )


def _refuse_rules(session: Session, target: Target) -> None:
    if rules := session.fetch_all("restore/insert_rules", oid=target.oid):
        raise TableRefused(
            f"rules change what becomes of rows inserted into {target.table}: "
            f"{', '.join(rule.name for rule in rules)}. Nothing was restored. Fix: disable them with ALTER TABLE ... "
            "DISABLE RULE, or restore into a new table"
        )


def _refuse_newest(target: Target, timestamp_columns: set[str]) -> None:
    """Refuse if the column cannot tell which row is newer, or an UPDATE cannot put a whole row in."""
    gone = sorted(timestamp_columns - set(target.types))
    if gone:
        raise TableRefused(
            f"on_conflict 'newest' compares column {gone[0]!r}, which {target.table} no longer has. Nothing was "
            "restored. Fix: use 'skip' or 'fail'"
        )
    fixed = [column.name for column in target.columns if column.is_always_identity and column.name not in target.key]
    if fixed:
        raise TableRefused(
            f"on_conflict 'newest' cannot write column {fixed[0]!r} of {target.table}, which is GENERATED ALWAYS AS "
            "IDENTITY and not part of the key. Nothing was restored. Fix: use 'skip', or restore into a new table"
        )
