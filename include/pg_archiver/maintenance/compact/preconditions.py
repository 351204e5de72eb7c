"""Whether rows of a table may be moved within it, part by part, and how."""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import DatabaseRefused, TableRefused
from pg_archiver.postgres.catalog import require_table
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.subscribers import find_subscribers

_ORDINARY, _FOREIGN = "r", "f"
_TEMPORARY = "t"
_OTHERWISE = "choose another strategy for this table, such as vacuum_full"


@dataclass(frozen=True)
class Heap:
    """One heap: a table, or a partition or child of it.

    `column` is set to itself to move a row; `as_replica` says that triggers are kept from firing meanwhile.
    """

    oid: int
    name: TableName
    column: str
    as_replica: bool
    notes: tuple[str, ...]


def find_heaps(session: Session, table: TableName) -> list[Heap]:
    """Return the heaps that hold the table's rows, if rows may be moved in every one of them.

    Raises:
        TableRefused: the table is missing, a privilege is missing, or moving would trigger more than a move.
    """
    found = require_table(session, table)
    muted = _may_mute(session)
    return [_part(session, table, row, muted) for row in session.fetch_all("maintenance/compact/parts", oid=found.oid)]


def _may_mute(session: Session) -> bool:
    """Return whether this role may keep triggers from firing; tried, since servers differ in how they grant that."""
    try:
        with session.rehearsal():
            session.fetch_all("maintenance/compact/fire_no_triggers")
    except DatabaseRefused:
        return False
    return True


def _part(session: Session, table: TableName, row: Row, muted: bool) -> Heap:
    name = TableName(row.schema, row.name)
    _refuse_kind(name, row)
    _refuse_rights(session, name, row)
    _refuse_hooks(session, name, row.oid, muted)
    _refuse_computed_anew(session, name, row.oid)
    published = sorted(
        {
            found.name
            for relation in {table, name}
            for found in session.fetch_all(
                "maintenance/compact/publications", schema=relation.schema, table=relation.name
            )
        }
    )
    if published and not row.is_identified:
        raise TableRefused(
            f"{name} is published by {', '.join(published)} but has no replica identity, so the server refuses every "
            "UPDATE of it. Fix: give it a primary key or ALTER TABLE ... REPLICA IDENTITY"
        )
    columns = session.fetch_all("maintenance/compact/column_to_touch", oid=row.oid)
    if not columns:
        raise TableRefused(
            f"{name} has no column that can be set to itself: all are generated, inputs of generated columns, or "
            "privileges of this role are missing. Fix: grant SELECT on the table and UPDATE on one plain column of "
            f"it, or {_OTHERWISE}"
        )
    others = find_subscribers(session, row.oid)
    told = [*published, *others.names]
    notes = (f"subscribers of {', '.join(told)} get every move as an update",) if told else ()
    return Heap(row.oid, name, columns[0].name, muted, notes)


def _refuse_kind(name: TableName, row: Row) -> None:
    if row.kind == _FOREIGN:
        raise TableRefused(f"{name} is a foreign table. Fix: compact it where it is, or detach it")
    if row.kind != _ORDINARY or row.persistence == _TEMPORARY or row.access_method != "heap":
        raise TableRefused(f"{name} is not an ordinary heap table. Fix: {_OTHERWISE}")


def _refuse_rights(session: Session, name: TableName, row: Row) -> None:
    if not (row.may_use and row.may_maintain):
        raise TableRefused(
            f"the role of the Airflow connection may not VACUUM {name} in database {session.name}. Fix: make it the "
            "owner of the table or a member of the owner's role (from Postgres 17 on GRANT MAINTAIN will do), and "
            "grant USAGE on the schema"
        )
    if row.hides_rows:
        raise TableRefused(
            f"row-level security hides rows of {name} in database {session.name} from this role, so they could not be "
            "moved. Fix: give the role BYPASSRLS, or use the table's owner"
        )


def _refuse_hooks(session: Session, name: TableName, oid: int, muted: bool) -> None:
    hooks = session.fetch_all("maintenance/compact/update_hooks", oid=oid)
    firing = [hook.name for hook in hooks if (hook.on_replica if muted else hook.on_origin)]
    if not firing:
        return
    if muted:
        raise TableRefused(
            f"triggers or rules of {name} are enabled ALWAYS or for REPLICA, so they would act on every move: "
            f"{', '.join(firing)}. Fix: disable them for the time being, or {_OTHERWISE}"
        )
    raise TableRefused(
        f"triggers or rules of {name} would act on every move: {', '.join(firing)}. Fix: let the role of the Airflow "
        "connection keep them from it (from Postgres 15 on GRANT SET ON PARAMETER session_replication_role, on RDS "
        f"the role rds_superuser), or {_OTHERWISE}"
    )


def _refuse_computed_anew(session: Session, name: TableName, oid: int) -> None:
    found = session.fetch_one("maintenance/compact/recomputed_columns", oid=oid)
    if found.columns and found.triggers:
        raise TableRefused(
            f"the stored generated columns of {name} ({', '.join(found.columns)}) would be computed anew with every "
            f"move, because there are row triggers BEFORE UPDATE ({', '.join(found.triggers)}), whether enabled or "
            "not. If a function or a collation has changed since, values would change. Fix: drop those triggers for "
            f"the time being, or {_OTHERWISE}"
        )
