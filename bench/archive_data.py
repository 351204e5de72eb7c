"""The table that every peer archives: loaded once, copied afresh for each run.

Rows are spread evenly over whole hours, the last of which ends two days before today's UTC midnight, so all of them
are due with `KEEP_DAYS`. One more row is of today: whoever deletes it deletes too much, and some programs leave the
hour of the newest row alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from bench.peers.cutoff import cutoff
from dev.postgres import PostgresServer
from dev.processes import ProcessError

KEEP_DAYS = 2
DATABASE = "bench"
TABLE = """
    CREATE SCHEMA analytics;
    CREATE TABLE analytics.events (id bigint PRIMARY KEY, triggered_at timestamp NOT NULL, name text, data jsonb);
    CREATE INDEX events_triggered_at ON analytics.events (triggered_at)
"""
# 29 md5s a row, 1.47 KB as CSV: half of their characters carry no information, as in real identifiers and names.
FILL = """
    INSERT INTO analytics.events
    SELECT row, %(first)s + (row - 1) * %(step)s, 'page viewed by a visitor',
        (SELECT jsonb_object_agg('key' || part, md5((row * 100 + part)::text)) FROM generate_series(1, 29) AS part)
    FROM generate_series(1, %(rows)s) AS row
"""
FILL_NARROW = """
    INSERT INTO analytics.events
    SELECT row, %(first)s + (row - 1) * %(step)s, 'event', '{}' FROM generate_series(1, %(rows)s) AS row
"""
KEPT = "INSERT INTO analytics.events VALUES (0, now() AT TIME ZONE 'UTC', 'event', '{}')"


@dataclass(frozen=True)
class Load:
    """So many rows over so many hours, made by the statement `fill`; narrow rows serve to measure plans."""

    name: str
    rows: int
    hours: int
    fill: str = FILL


@dataclass(frozen=True)
class Loaded:
    """A load in its template database, and what all of it makes as CSV."""

    load: Load
    csv_bytes: int


def load_template(server: PostgresServer, load: Load) -> Loaded:
    """Creates the template database; the same name again is an error."""
    server.create_database(load.name)
    last = cutoff(KEEP_DAYS)
    with server.connect(load.name) as connection:
        connection.execute(TABLE.encode())
        values = {
            "first": last - timedelta(hours=load.hours),
            "step": timedelta(hours=load.hours) / load.rows,
            "rows": load.rows,
        }
        connection.execute(load.fill.encode(), values)
        connection.execute(KEPT)
        connection.execute("VACUUM (ANALYZE) analytics.events")
        size = 0
        if load.fill != FILL_NARROW:
            with connection.cursor().copy("COPY analytics.events TO STDOUT (FORMAT csv)") as copy:
                size = sum(len(part) for part in copy)
    return Loaded(load, size)


def fresh_copy(server: PostgresServer, loaded: Loaded) -> None:
    """Puts a copy of the template where the peers look, with everything flushed."""
    drop(server, DATABASE)
    with server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(DATABASE), sql.Identifier(loaded.load.name)
            )
        )
        connection.execute("CHECKPOINT")
    with server.connect(DATABASE) as connection:  # in the cache, as what was written of late is
        connection.execute("SELECT count(data) FROM analytics.events")


def refuse_other_rows(server: PostgresServer, peer: str) -> None:
    """Makes sure that just the row of today is left.

    Raises:
        ProcessError: the peer left rows that were due, or deleted the one that was not.
    """
    with server.connect(DATABASE) as connection:
        found = connection.execute("SELECT count(*), count(*) FILTER (WHERE id = 0) FROM analytics.events").fetchone()
    if found != (1, 1):
        raise ProcessError(f"{peer} left other rows than the one of today (rows, and those of today): {found}")


def wal_bytes(server: PostgresServer) -> int:
    """How much WAL the server has ever written."""
    with server.connect() as connection:
        found = connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    assert found
    return int(found[0])


def drop(server: PostgresServer, name: str) -> None:
    """Drops a database, whoever is connected to it."""
    with server.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
