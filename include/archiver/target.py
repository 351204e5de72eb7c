"""The table that a restore fills: the one the rows came from, or a new one made for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.archiver.database import Database
from include.archiver.errors import CheckFailed, TableRefused
from include.archiver.manifest import ColumnDescription, Manifest
from include.archiver.models import Column, OnConflict, RestoreOrder, RowIdentity, TableName
from include.archiver.restores import Restores
from include.archiver.statements import StatementError, TypeName
from include.archiver.table import column_of, identity_of

_FILLABLE = {"r", "p"}


@dataclass(frozen=True)
class Target:
    """What the catalog says of the table that gets the rows."""

    oid: int
    table: TableName
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def types(self) -> dict[str, str]:
        """Each column's type by its name."""
        return {column.name: column.type for column in self.columns}


def describe_target(database: Database, table: TableName) -> Target | None:
    """The table's columns and key; None if there is no such table.

    Raises:
        TableRefused: it is a view or another thing that rows cannot be put into.
    """
    with database.transaction():
        found = database.all("table/find", schema=table.schema, table=table.name)
        if not found:
            return None
        if found[0].kind not in _FILLABLE:
            raise TableRefused(f"{table} in database {database.name} is no table; rows cannot be restored into it")
        columns = tuple(map(column_of, database.all("table/columns", oid=found[0].oid)))
        identity, key = identity_of(database, found[0].oid)
        return Target(found[0].oid, table, columns, () if identity is RowIdentity.PLACE else key)


def ready_target(database: Database, restores: Restores, order: RestoreOrder, manifests: Sequence[Manifest]) -> Target:
    """The target, made if it is to be a new table, with room for all that the objects hold.

    Args:
        database: the client database.
        restores: knows which tables were made by restores.
        order: the restore.
        manifests: of the objects, newest first.

    Raises:
        TableRefused: it is missing, is somebody else's, lacks columns that the objects hold, or the role's rights on
            it do not do.
    """
    target = describe_target(database, order.target)
    if target is None:
        if order.into_itself:
            raise TableRefused(
                f"database {database.name} has no table {order.target} any more; restore into a new table with 'into'"
            )
        target = _made(database, restores, order, manifests)
    elif not order.into_itself and not restores.made(order.target, target.oid):
        raise TableRefused(
            f"{order.target} in database {database.name} exists and was not made by a restore of {order.work.table}; "
            f"name another table in 'into'"
        )
    _refuse_missing_rights(database, target, order)
    _refuse_missing_columns(target, order, manifests)
    if order.on_conflict is OnConflict.NEWEST:
        _refuse_newest(target, {manifest.timestamp_column for manifest in manifests})
    return target


def _made(database: Database, restores: Restores, order: RestoreOrder, manifests: Sequence[Manifest]) -> Target:
    """Makes the table like the source, or from the newest manifest; with the columns dropped since, unless ignored."""
    source = describe_target(database, order.work.table)
    _refuse_schema(database, order.target)
    with database.transaction():
        if source:
            database.change("restore/create_like", {"target": order.target, "table": source.table})
        else:
            database.change("restore/create_empty", {"target": order.target})
        there = set(source.types) if source else set()
        for column in _columns(manifests if not (source and order.ignore_missing_columns) else ()):
            if column.name not in there:
                _add_column(database, order.target, column)
                there.add(column.name)
        if not source and (key := manifests[0].identity_columns):
            database.change("restore/add_key", {"target": order.target, "key": key})
        target = describe_target(database, order.target)
        if target is None:
            raise TableRefused(f"{order.target} was dropped while it was being made")
        restores.note_target(order.target, target.oid)
    return target


def _refuse_schema(database: Database, table: TableName) -> None:
    """The new table's schema must be there, and the role be allowed to make tables in it."""
    found = database.all("table/schema_rights", schema=table.schema)
    if not found:
        raise TableRefused(
            f"database {database.name} has no schema {table.schema!r} for the new table; create it, or name another "
            f"table in 'into'"
        )
    if not (found[0].may_use and found[0].may_create):
        raise TableRefused(
            f"the role of the Airflow connection may not make a table in schema {table.schema!r} of database "
            f"{database.name}; grant USAGE and CREATE on that schema, or name another table in 'into'"
        )


def _columns(manifests: Sequence[Manifest]) -> list[ColumnDescription]:
    return [column for manifest in manifests for column in manifest.columns]


def _add_column(database: Database, table: TableName, column: ColumnDescription) -> None:
    try:
        kind = TypeName(column.type)
    except StatementError as error:
        raise CheckFailed(f"a manifest is damaged: {error}") from None
    database.change("restore/add_column", {"target": table, "column": column.name, "type": kind})


def _refuse_missing_rights(database: Database, target: Target, order: RestoreOrder) -> None:
    rights = database.one("restore/may_insert", oid=target.oid)
    needed = {"INSERT": rights.may_insert}
    if order.on_conflict is OnConflict.NEWEST:
        needed["UPDATE"] = rights.may_update
    missing = [right for right, granted in needed.items() if not granted]
    if missing:
        raise TableRefused(
            f"the role of the Airflow connection may not {' and '.join(missing)} on {target.table} in database "
            f"{database.name}; grant that for as long as the restore takes"
        )


def _refuse_missing_columns(target: Target, order: RestoreOrder, manifests: Sequence[Manifest]) -> None:
    names = {column.name for column in _columns(manifests)}
    missing = sorted(names - set(target.types))
    if missing and not order.ignore_missing_columns:
        raise TableRefused(
            f"{target.table} has no column {', '.join(map(repr, missing))} any more, but the archive has; add it, "
            f"restore into a new table, or set ignore_missing_columns to leave its values in the archive"
        )
    if not names & set(target.types):
        raise TableRefused(f"{target.table} has none of the archive's columns; restore into a new table")


def _refuse_newest(target: Target, timestamp_columns: set[str]) -> None:
    """Which row is newer must be told by the column, and an UPDATE must be able to put a row in whole."""
    gone = sorted(timestamp_columns - set(target.types))
    if gone:
        raise TableRefused(
            f"on_conflict 'newest' compares column {gone[0]!r}, which {target.table} has no more; use 'skip' or 'fail'"
        )
    fixed = [column.name for column in target.columns if column.is_always_identity and column.name not in target.key]
    if fixed:
        raise TableRefused(
            f"on_conflict 'newest' cannot write column {fixed[0]!r} of {target.table}, which is GENERATED ALWAYS AS "
            f"IDENTITY and not part of the key; use 'skip', or restore into a new table"
        )
