"""The way home for rows of a detached partition that can never be attached again, as when its place was taken.

They are inserted into the table, each compared with what it was, or none of them is.
"""

from __future__ import annotations

from include.archiver.database import Database
from include.archiver.errors import DatabaseRefused, TableRefused
from include.archiver.models import TableName, TableShape
from include.archiver.removal import KeyList
from include.archiver.statements import Names
from include.archiver.table import columns_of


def put_back(database: Database, shape: TableShape, partition: TableName, oid: int, keys: KeyList | None) -> int:
    """Inserts the partition's rows into the table, but for those on the lists if there are any; returns how many.

    Runs in a transaction that holds the partition under ACCESS EXCLUSIVE. Nothing of the users' making may act on the
    rows on their way.

    Raises:
        TableRefused: the rows would not be there as they were, or the server refuses them; the message says what of.
    """
    triggers = [
        f"trigger {row.name} of {row.tables}"
        for row in database.all("restore/triggers", oid=shape.oid)
        if row.on_insert
    ]
    rules = [f"rule {row.name} of {shape.table}" for row in database.all("restore/insert_rules", oid=shape.oid)]
    if triggers or rules:
        raise TableRefused(f"{', '.join(triggers + rules)} would act on rows that are put back into {shape.table}")
    columns = {(column.name, column.type, column.is_generated) for column in shape.columns}
    own = columns_of(database, oid)
    if {(column.name, column.type, column.is_generated) for column in own} != columns:
        raise TableRefused(f"{partition} has other columns than {shape.table} by now")
    names: Names = {
        "table": shape.table,
        "partition": partition,
        "columns": [column.name for column in own if not column.is_generated],
        "every": [column.name for column in own],
    }
    try:
        database.users_path(ours_first=False)
        if keys:
            found = database.one("partition/move", {**names, **keys.matching})
        else:
            found = database.one("partition/move_all", names)
        database.own_path()
    except DatabaseRefused as refusal:
        raise TableRefused(f"{refusal}; so rows of {partition} cannot be put back into {shape.table}") from None
    if found.different or found.moved != found.rows:
        raise TableRefused(f"rows of {partition} would not be in {shape.table} just as they were")
    return int(found.rows)
