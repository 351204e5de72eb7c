"""The floor: COPY of every hour into nothing, then DELETE by its range. No program that moves rows is faster."""

from __future__ import annotations

from typing import Any

import psycopg

from bench.peers.hours import hours_before_cutoff
from bench.peers.protocol import serve

READ = """
    COPY (SELECT * FROM analytics.events WHERE triggered_at >= {start} AND triggered_at < {end})
    TO STDOUT (FORMAT csv, HEADER)
"""
DELETE = "DELETE FROM analytics.events WHERE triggered_at >= %s AND triggered_at < %s"


def work(task: dict[str, Any]) -> None:
    """One connection, a transaction an hour."""
    with psycopg.connect(**task["postgres"]) as connection:
        for start, end in hours_before_cutoff(connection, task["keep_days"]):
            read = psycopg.sql.SQL(READ).format(start=psycopg.sql.Literal(start), end=psycopg.sql.Literal(end))
            with connection.cursor().copy(read) as copy:
                for _ in copy:
                    pass
            connection.execute(DELETE, [start, end])
            connection.commit()


if __name__ == "__main__":
    serve(work)
