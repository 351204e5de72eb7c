"""What the catalog says of a table, and whether rows may be deleted from it safely."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from pg_archiver.domain.tables import (
    Column,
    DeletableTable,
    ForeignKey,
    Member,
    RowIdentity,
    TableName,
    TableShape,
)
from pg_archiver.domain.windows import TimestampKind, Window
from pg_archiver.errors import TableMissing, TableRefused
from pg_archiver.postgres.catalog_look import Look, look_at, members_of, spans_of
from pg_archiver.postgres.foreign_keys import choose_keys_to_wait_for, describe_children
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.subscribers import note_subscribers

_ORDINARY, _PARTITIONED = "r", "p"
_OTHER_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "i": "an index",
    "S": "a sequence",
    "c": "a composite type",
}


def describe_table(
    session: Session,
    table: TableName,
    timestamp_column: str,
    children: Sequence[TableName] = (),
    *,
    to_delete: bool = True,
    noted: bool = True,
) -> TableShape:
    """Return the table's shape, if rows may be deleted from it; `children` are the tables that are archived before it.

    Without `to_delete` the privileges that only a delete needs may be missing. The notes are for people: whoever tells
    nobody is `noted` none, and they are not looked for.

    Raises:
        TableRefused: it is missing, is not a table, or deleting from it would lose what nobody archived.
    """
    # Where notes are looked for, some of it may be forbidden, and that is to end nothing.
    with session.transaction() if noted else nullcontext():
        found, look, keys = _look(session, table, timestamp_column, children, to_delete=to_delete)
        identity, identity_columns = _identity_of(look.identity)
        index = look.timestamp_index
        return TableShape(
            oid=found.oid,
            table=table,
            columns=tuple(map(column_of, look.columns)),
            timestamp_column=timestamp_column,
            timestamp_kind=_timestamp_kind(look.columns, table, timestamp_column),
            identity=identity,
            identity_columns=identity_columns,
            timestamp_index=index[0].name if index else None,
            notes=(
                *(() if index else (_note_on_index(session, found.oid, timestamp_column),)),
                *_notes(session, found.oid, look),
                *_notes_on_identity(identity, identity_columns),
                *(describe_children(keys, children) if children else ()),
            )
            if noted
            else (),
            waits_for=keys,
            delete_triggers=tuple(tell_triggers(look.delete_triggers)),
        )


def describe_deletable(
    session: Session, table: TableName, timestamp_column: str | None, children: Sequence[TableName] = ()
) -> DeletableTable:
    """Return what a delete has to know of a table, of which rows need no time.

    Raises:
        TableRefused: as of `describe_table`.
    """
    with session.transaction():
        found, look, keys = _look(session, table, timestamp_column, children, to_delete=True)
        _, identity_columns = _identity_of(look.identity)
        return DeletableTable(
            oid=found.oid,
            table=table,
            columns=tuple(map(column_of, look.columns)),
            timestamp_kind=None if timestamp_column is None else _timestamp_kind(look.columns, table, timestamp_column),
            identity_columns=identity_columns,
            may_lock=found.may_lock,
            notes=(*_notes(session, found.oid, look), *(describe_children(keys, children) if children else ())),
            waits_for=keys,
        )


def _look(
    session: Session,
    table: TableName,
    timestamp_column: str | None,
    children: Sequence[TableName],
    *,
    to_delete: bool,
) -> tuple[Row, Look, tuple[ForeignKey, ...]]:
    """Return the table, what the catalog says of it, and the foreign keys that its rows wait for."""
    found = _find_or_refuse(session, table, to_delete)
    look = look_at(session, found.oid, timestamp_column)
    keys = choose_keys_to_wait_for(session, table, look.pointing, children)
    if to_delete and keys and not found.may_lock:
        raise TableRefused(
            f"the role of the Airflow connection may not lock rows of {table} in database {session.name}, and "
            "others point to them. Fix: grant UPDATE on one of its columns"
        )
    _refuse_rules_and_odd_parts(table, look)
    _refuse_what_a_delete_would_meet(table, look)
    return found, look, keys


def find_table(session: Session, table: TableName) -> Row | None:
    """Return what the catalog has under exactly this name, whatever kind of thing it is; None if there is nothing."""
    rows = session.fetch_all("postgres/catalog/table", schema=table.schema, table=table.name)
    return rows[0] if rows else None


def column_of(row: Row) -> Column:
    """Return a column from the catalog's row."""
    return Column(row.name, row.type, row.is_generated, row.is_always_identity, row.number)


def require_table(session: Session, table: TableName) -> Row:
    """Return what the catalog has of an ordinary or partitioned table.

    Raises:
        TableRefused: there is no such table, or it is something else.
    """
    found = find_table(session, table)
    if found is None:
        if not session.fetch_one("postgres/catalog/schema", schema=table.schema).found:
            raise TableMissing(
                f"database {session.name} has no schema {table.schema!r}. Fix: correct 'table' in the policy file "
                "(names are taken exactly as written, capitals too)"
            )
        raise TableMissing(
            f"schema {table.schema!r} of database {session.name} has no table {table.name!r}. Fix: correct 'table' in "
            "the policy file (names are taken exactly as written, capitals too)"
        )
    if found.kind not in {_ORDINARY, _PARTITIONED}:
        raise TableRefused(
            f"{table} in database {session.name} is {_OTHER_KINDS.get(found.kind, 'no table')}. Fix: name the table "
            "that holds the rows"
        )
    return found


def _find_or_refuse(session: Session, table: TableName, to_delete: bool) -> Row:
    found = require_table(session, table)
    for right, granted in (("SELECT", found.may_select), ("DELETE", found.may_delete or not to_delete)):
        if not (found.may_use and granted):
            raise TableRefused(
                f"the role of the Airflow connection may not {right} from {table} in database {session.name}. Fix: "
                "grant USAGE on the schema, and SELECT and DELETE on the table"
            )
    if to_delete and not found.may_make_temporary:
        raise TableRefused(
            f"the role of the Airflow connection may not make temporary tables in database {session.name}, and the "
            "delete needs one. Fix: grant TEMPORARY on the database"
        )
    if found.hides_rows:
        raise TableRefused(
            f"row-level security hides rows of {table} in database {session.name} from this role, so they would be "
            "missing from the archive. Fix: give the role BYPASSRLS, or use the table's owner"
        )
    return found


def _timestamp_kind(columns: Sequence[Row], table: TableName, timestamp_column: str) -> TimestampKind:
    types = {column.name: column.base_type for column in columns}
    if timestamp_column not in types:
        raise TableMissing(
            f"{table} has no column {timestamp_column!r}. Fix: correct 'timestamp_column' in the policy file (its "
            f"columns: {', '.join(sorted(types)[:20])})"
        )
    try:
        return TimestampKind(types[timestamp_column])
    except ValueError:
        raise TableRefused(
            f"column {timestamp_column!r} of {table} is of type {types[timestamp_column]}. Fix: 'timestamp_column' "
            f"must name a column of type {', '.join(TimestampKind)}"
        ) from None


def _refuse_rules_and_odd_parts(table: TableName, look: Look) -> None:
    if rules := look.delete_rules:
        raise TableRefused(
            f"rules change what becomes of rows deleted in {table}: {', '.join(rule.name for rule in rules)}. Fix: "
            "drop or disable them (a trigger can do the same and is allowed)"
        )
    if parts := look.parts_not_heap:
        raise TableRefused(
            f"parts of {table} use another table access method than heap, for which a row's version and place may "
            f"mean nothing: {', '.join(f'{part.part} ({part.method})' for part in parts)}. Nothing was archived. Fix: "
            "move them with ALTER TABLE ... SET ACCESS METHOD heap, or detach them"
        )
    if parts := look.foreign_parts:
        raise TableRefused(
            f"parts of {table} are foreign tables, whose row versions cannot be checked: "
            f"{', '.join(part.name for part in parts)}. Fix: detach them, and archive them where they are"
        )


def _refuse_what_a_delete_would_meet(table: TableName, look: Look) -> None:
    if own := look.columns_of_children:
        raise TableRefused(
            f"children of {table} have columns that it does not have, whose values would be in no object: "
            f"{', '.join(column.name for column in own)}. Fix: detach such children with NO INHERIT and archive them "
            "by themselves"
        )
    if parts := look.parts_without_identity:
        named = ", ".join(f"{part.part} (published by {part.publications})" for part in parts)
        raise TableRefused(
            f"parts of {table} publish deletes without a replica identity, so the server lets nobody delete there: "
            f"{named}. Fix: give each a primary key or ALTER TABLE ... REPLICA IDENTITY FULL, or publish no deletes"
        )


def find_identity(session: Session, oid: int) -> tuple[RowIdentity, tuple[str, ...]]:
    """Return how a row of this table is distinguished from every other one, and the columns of its key."""
    return _identity_of(session.fetch_all("postgres/catalog/identity", oid=oid))


def _identity_of(rows: Sequence[Row]) -> tuple[RowIdentity, tuple[str, ...]]:
    if not rows:
        return RowIdentity.PLACE, ()
    identity = RowIdentity.PRIMARY_KEY if rows[0].is_primary else RowIdentity.UNIQUE_INDEX
    return identity, tuple(rows[0].columns)


def _notes(session: Session, oid: int, look: Look) -> tuple[str, ...]:
    """Return what an operator should know before rows are deleted."""
    notes = []
    if triggers := tell_triggers(look.delete_triggers):
        notes.append(f"delete triggers fire: {', '.join(triggers)}")
    return (*notes, *note_subscribers(session, oid))


def _note_on_index(session: Session, oid: int, timestamp_column: str) -> str:
    if brin := session.fetch_all("maintenance/index/brin_of_column", oid=oid, column=timestamp_column):
        return (
            f"no valid b-tree begins with {timestamp_column}: by the BRIN index {brin[0].name} a window's rows are "
            "found, but not which hours there are, so every plan reads the whole table. If that takes too long, "
            "CREATE INDEX CONCURRENTLY on it"
        )
    return (
        f"no valid index begins with {timestamp_column}: every window reads the whole table. Run the DAG maintenance, "
        "or CREATE INDEX CONCURRENTLY on it"
    )


def _notes_on_identity(identity: RowIdentity, columns: Sequence[str]) -> tuple[str, ...]:
    if identity is not RowIdentity.UNIQUE_INDEX:
        return ()
    return (
        f"there is no primary key, so rows are distinguished by the unique index over {', '.join(columns)}: where one "
        "of its values is used again, a restore takes the earlier row for an older version of the later one, and "
        "brings back only the later one",
    )


def find_delete_triggers(session: Session, oid: int) -> list[str]:
    """Return the user-defined triggers that fire on DELETE, each with the partition or child if only that has it."""
    return tell_triggers(session.fetch_all("postgres/catalog/delete_triggers", oid=oid))


def tell_triggers(rows: Sequence[Row]) -> list[str]:
    """Return the triggers of these rows of the catalog, human-readable."""
    return [
        row.name if row.own else f"{row.name} of {row.first}{f' and {row.tables - 1} more' if row.tables > 1 else ''}"
        for row in rows
    ]


def list_columns(session: Session, oid: int) -> tuple[Column, ...]:
    """Return the columns that the table with this oid has now, in their order."""
    return tuple(map(column_of, session.fetch_all("postgres/catalog/columns", oid=oid)))


def list_parts(session: Session, oid: int, timestamp_column: str, window: Window) -> dict[str, Member]:
    """Return the table with this oid, and each of its partitions and children that may hold rows of the window, by oid.

    A row's place means something only as long as the files stay the same: a rewrite puts rows on others' places.
    """
    values: dict[str, object] = {"oid": oid, "column": timestamp_column, **spans_of([window])}
    (parts,) = members_of(session.fetch_all("postgres/catalog/parts", **values), 1)
    return parts


def identity_columns(shape: TableShape) -> list[str]:
    """Return the columns that tell one version of one row from every other: its version, its place and its key."""
    return ["xmin", "tableoid", "ctid", *shape.identity_columns]
