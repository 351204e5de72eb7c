"""What a restore is measured by: the same rows as CSV from a file into an equal new table, with one COPY."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from bench.peers.protocol import serve

CREATE = "CREATE TABLE {target} (LIKE analytics.events INCLUDING ALL)"
COPY = "COPY {target} FROM STDIN (FORMAT csv)"
_CHUNK = 1 << 20


def work(task: dict[str, Any]) -> None:
    """One connection, one transaction."""
    names = {"target": psycopg.sql.Identifier(*task["into"])}
    with psycopg.connect(**task["postgres"]) as connection, Path(task["csv"]).open("rb") as rows:
        connection.execute(psycopg.sql.SQL(CREATE).format(**names))
        with connection.cursor().copy(psycopg.sql.SQL(COPY).format(**names)) as copy:
            while chunk := rows.read(_CHUNK):
                copy.write(chunk)


if __name__ == "__main__":
    serve(work)
