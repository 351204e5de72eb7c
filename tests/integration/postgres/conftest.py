"""A database in which every statement file finds what it speaks of."""

from __future__ import annotations

import pytest
from psycopg import sql

from pg_archiver.ledger.migrations import EventTables
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.statement_values import COLUMN, PARENT, PARTITION, TABLE, named


@pytest.fixture
def furnished(place: Place) -> Place:
    """A database in which every statement finds what it speaks of."""
    identifier = named(TABLE)
    place.sql(EVENTS)
    place.sql(f"CREATE SCHEMA {sql.Identifier(TABLE.schema).as_string()}")
    place.sql(
        f"CREATE TABLE {identifier} (id int PRIMARY KEY, {sql.Identifier(COLUMN).as_string()} timestamp, label text)"
    )
    place.sql(f"INSERT INTO {identifier} VALUES (1, '{hours_ago(1.5)}', 'x')")
    parent, partition, apart = (
        sql.Identifier(TABLE.schema, name).as_string() for name in (PARENT.name, PARTITION.name, "apart")
    )
    place.sql(f"CREATE TABLE {parent} (id int, at timestamp) PARTITION BY RANGE (at)")
    place.sql(f"CREATE TABLE {partition} PARTITION OF {parent} FOR VALUES FROM ('2024-01-01') TO ('2024-01-02')")
    place.sql(f"CREATE TABLE {apart} (id int, at timestamp)")
    for extension in ("pgstattuple", "pg_freespacemap", "amcheck"):
        place.sql(f"CREATE EXTENSION {extension}")
    # As far as sets go, of pglogical.
    place.sql(
        "CREATE SCHEMA pglogical;"
        "CREATE TABLE pglogical.replication_set (set_id oid, set_name name, replicate_delete boolean);"
        "CREATE TABLE pglogical.replication_set_table (set_id oid, set_reloid regclass)"
    )
    place.sql(f"CREATE INDEX {sql.Identifier('an index %s').as_string()} ON {identifier} (id)")
    place.sql(f'CREATE INDEX "a part\'s" ON {partition} (at)')
    place.sql(f'CREATE INDEX "old frame" ON ONLY {parent} (at)')
    place.windows()
    with place.session() as session:
        EventTables(session).migrate()
    return place
