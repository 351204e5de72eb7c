"""Databases of small clients: a table that gets 50 rows an hour, archived a day at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from psycopg import sql

from bench.archive_data import KEEP_DAYS, KEPT, TABLE, drop
from bench.peers.cutoff import cutoff
from dev.postgres import PostgresServer
from dev.processes import ProcessError

HOURS, ROWS_AN_HOUR = 24, 50
ROWS_A_DAY = HOURS * ROWS_AN_HOUR
TEMPLATE = "small_client"
# Rows as those of the reference load.
_FILL = """
    INSERT INTO analytics.events
    SELECT %(before)s + row, %(first)s + (row - 1) * %(step)s, 'page viewed by a visitor',
        (SELECT jsonb_object_agg('key' || part, md5((row * 100 + part)::text)) FROM generate_series(1, 29) AS part)
    FROM generate_series(1, %(rows)s) AS row
"""


class SmallClients:
    """Some such databases on one server, each with one row of today besides."""

    def __init__(self, server: PostgresServer, names: Sequence[str], days: int) -> None:
        """Creates them, without any row that is due; `days` is how many they will get, one after the other."""
        self.names = names
        self._server = server
        self._days = days
        self._added = 0
        if not server.has_database(TEMPLATE):
            server.create_database(TEMPLATE)
            with server.connect(TEMPLATE) as connection:
                connection.execute(TABLE.encode())
                connection.execute(KEPT)
        with server.connect() as connection:
            for name in names:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
                )

    def add_day(self, hours: int = HOURS) -> None:
        """Puts the next day's rows, or those of its first hours, into each, oldest day first; all of them are due."""
        values = {
            "before": self._added * ROWS_A_DAY,
            "first": cutoff(KEEP_DAYS) - timedelta(days=self._days - self._added),
            "step": timedelta(hours=HOURS) / ROWS_A_DAY,
            "rows": hours * ROWS_AN_HOUR,
        }
        self._added += 1
        for name in self.names:
            with self._server.connect(name) as connection:
                connection.execute(_FILL.encode(), values)
                connection.execute("VACUUM (ANALYZE) analytics.events")
        with self._server.connect() as connection:
            connection.execute("CHECKPOINT")

    def refuse_leftovers(self, who: str) -> None:
        """Makes sure that all rows that were due are gone, and that the one of today is not.

        Raises:
            ProcessError: it is otherwise.
        """
        for name in self.names:
            with self._server.connect(name) as connection:
                found = connection.execute(
                    "SELECT count(*) FILTER (WHERE id > 0), count(*) FILTER (WHERE id = 0) FROM analytics.events"
                ).fetchone()
            if found != (0, 1):
                raise ProcessError(f"{who} left other rows in {name} than the one of today (due, of today): {found}")

    def drop(self) -> None:
        """Drops them."""
        for name in self.names:
            drop(self._server, name)
