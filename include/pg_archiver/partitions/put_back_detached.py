"""The way home for rows of a detached partition that can never be attached again, as when its place was taken.

They are inserted into the table, each compared with what it was, or none of them is.
"""

from __future__ import annotations

from pg_archiver.domain.tables import TableName, TableShape
from pg_archiver.errors import DatabaseRefused, TableRefused
from pg_archiver.postgres.catalog import list_columns
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names


def put_back(session: Session, shape: TableShape, partition: TableName, oid: int, listed: Names | None) -> int:
    """Insert the partition's rows into the table, but for those that are listed; return how many.

    Listed are the rows of the temporary table `archiver_keys`, and `listed` says how rows are compared with them.

    Runs in a transaction that holds the partition under ACCESS EXCLUSIVE. Nothing of the users' making may act on the
    rows on their way.

    Raises:
        TableRefused: the rows would not be there as they were, or the server refuses them; the message says what of.
    """
    triggers = [
        f"trigger {row.name} of {row.tables}"
        for row in session.fetch_all("restore/triggers", oid=shape.oid)
        if row.on_insert
    ]
    rules = [f"rule {row.name} of {shape.table}" for row in session.fetch_all("restore/insert_rules", oid=shape.oid)]
    if triggers or rules:
        raise TableRefused(f"{', '.join(triggers + rules)} would act on rows that are put back into {shape.table}")
    columns = {(column.name, column.type, column.is_generated) for column in shape.columns}
    own = list_columns(session, oid)
    if {(column.name, column.type, column.is_generated) for column in own} != columns:
        raise TableRefused(f"{partition} now has other columns than {shape.table}")
    names: Names = {
        "table": shape.table,
        "partition": partition,
        "columns": [column.name for column in own if not column.is_generated],
        "every": [column.name for column in own],
    }
    try:
        session.use_database_search_path(builtins_first=False)
        if listed:
            found = session.fetch_one("partitions/move", {**names, **listed})
        else:
            found = session.fetch_one("partitions/move_all", names)
        session.use_builtin_search_path()
    except DatabaseRefused as refusal:
        raise TableRefused(f"{refusal}; so rows of {partition} cannot be put back into {shape.table}") from None
    if found.different or found.moved != found.rows:
        raise TableRefused(f"rows of {partition} would not be in {shape.table} just as they were")
    return int(found.rows)
