"""Who points to an archived table, and what that means for its rows.

A delete must reach no row of another table that nobody archived. So a table that others reference through CASCADE,
SET NULL or SET DEFAULT is archived only if the policy lists these as its children: then they come first, and a row
leaves only when nothing points to it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from pg_archiver.domain.tables import ForeignKey, KeyPair, TableName
from pg_archiver.errors import ReferenceRefused, TableRefused
from pg_archiver.postgres.session import Row, Session

_REACHING = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def find_keys_to_wait_for(
    session: Session, table: TableName, oid: int, children: Sequence[TableName]
) -> tuple[ForeignKey, ...]:
    """Return the foreign keys that may point to no row that leaves: every one, whatever it does on delete.

    None if the policy lists no children: then none may reach further than this table, and the server itself refuses
    to delete a row to which another one points.

    Raises:
        TableRefused: one would carry the delete on to a table that the policy does not list, or may not be read.
    """
    rows = session.fetch_all("postgres/catalog/references", oid=oid)
    return choose_keys_to_wait_for(session, table, rows, children)


def choose_keys_to_wait_for(
    session: Session, table: TableName, rows: Sequence[Row], children: Sequence[TableName]
) -> tuple[ForeignKey, ...]:
    """Return the same of rows of the catalog that were read already."""
    keys = tuple(map(_foreign_key, rows))
    _refuse_unlisted(table, keys, children)
    if not children:
        return ()
    hidden = sorted({str(key.child) for key in keys if not key.may_read})
    if hidden:
        raise TableRefused(
            f"whether rows point to {table} cannot be seen: the role of the Airflow connection may not read all of "
            f"{', '.join(hidden)} in database {session.name}. Fix: grant USAGE on the schema and SELECT on the table, "
            "and BYPASSRLS if row-level security hides rows"
        )
    return keys


@contextmanager
def rows_that_are_pointed_to(table: TableName) -> Generator[None]:
    """Wrap a delete: say what to do if the server refuses it because other rows still point to these.

    Raises:
        TableRefused: it does; it may say so at the commit only.
    """
    try:
        yield
    except ReferenceRefused as refusal:
        raise TableRefused(
            f"{refusal}: rows of {refusal.table} point to rows of {table} that are due. Nothing of this batch was "
            f"deleted. Fix: list {refusal.table} under 'children' of {table} in the policy file, so that it is "
            "archived first and such rows wait (it needs a date or timestamp column of its own for that)"
        ) from None


def describe_children(keys: Sequence[ForeignKey], children: Sequence[TableName]) -> list[str]:
    """Return what an operator should know of a table's children before its rows go."""
    notes = [
        f"no index of {key.child} begins with a column of its foreign key {key.name}: every row deleted here costs a "
        "read of that whole table. Run CREATE INDEX CONCURRENTLY on it"
        for key in keys
        if not key.indexed
    ]
    pointing = {table for key in keys for table in key.tables}
    idle = [str(child) for child in children if child not in pointing]
    if idle:
        notes.append(f"'children' lists {', '.join(idle)}, of which no foreign key points here")
    return notes


def _refuse_unlisted(table: TableName, keys: Sequence[ForeignKey], children: Sequence[TableName]) -> None:
    unlisted = [key for key in keys if key.reaches and not set(key.tables) & set(children)]
    if unlisted:
        named = ", ".join(dict.fromkeys(f"{key.child} (ON DELETE {key.reaches})" for key in unlisted))
        raise TableRefused(
            f"deleting from {table} would reach rows that nobody archived: {named}. Fix: list these tables under "
            f"'children' of {table} in the policy file, so that they are archived first, or change these foreign keys "
            f"to NO ACTION{_without_time(unlisted)}"
        )


def _without_time(keys: Sequence[ForeignKey]) -> str:
    """Return a sentence on the tables that cannot be listed, so that nobody follows advice that cannot work."""
    untimed = sorted({str(key.child) for key in keys if not key.timed})
    if not untimed:
        return ""
    return (
        f". {', '.join(untimed)} cannot be listed: it has no column of type date or timestamp to be archived by. Until "
        f"it has one, no row that it points to can leave"
    )


def _foreign_key(row: Row) -> ForeignKey:
    pairs = tuple(
        KeyPair(own, other, tuple(operator), tuple(collation) if collation else None)
        for own, other, operator, collation in zip(
            row.own_columns, row.columns, row.operators, row.collations, strict=True
        )
    )
    return ForeignKey(
        name=row.name,
        child=TableName(row.schema, row.table),
        tables=tuple(TableName(*name) for name in row.tables),
        reaches=_REACHING.get(row.action),
        pairs=pairs,
        indexed=row.indexed,
        may_read=row.may_read,
        timed=row.timed,
    )
