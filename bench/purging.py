"""How fast rows go that nobody archives: ours, a bare loop of the same DELETE, and a worker that takes its time.

The three take the same old rows of fresh copies of one table. Ours counts each batch in the record of its run, as a job
does. The worker deletes a batch every ten seconds, so its pace is reckoned and not waited for.

`python -m bench.purging` tries it with 200,000 rows.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql

from bench.place import SETTINGS
from dev.entry import exit_status
from dev.postgres import PostgresServer
from pg_archiver.domain.tables import TableName
from pg_archiver.ledger.job_runs import JobRunLog, RunStart
from pg_archiver.ledger.migrations import LedgerTables
from pg_archiver.policies.retention import KeepDays
from pg_archiver.postgres.session import Session
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.purge import purge

DATABASE, TEMPLATE = "purged", "purged_template"
BATCH_SIZE, KEEP_DAYS = 1000, 30
SEEDS_ROWS_A_SECOND = BATCH_SIZE / 10
# Half of the rows are old enough.
_TABLE = """
    CREATE TABLE products (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, inserted_at timestamptz NOT NULL, name text
    );
    INSERT INTO products (inserted_at, name)
    SELECT now() - 2 * interval '{days} days' * (number::float8 / {rows}), repeat('x', 100)
    FROM generate_series(1, {rows}) AS number;
    CREATE INDEX ON products (inserted_at);
    VACUUM ANALYZE products
"""
_DELETE = """
    DELETE FROM products WHERE (tableoid, ctid) IN (
        SELECT tableoid, ctid FROM products WHERE inserted_at < %s ORDER BY inserted_at LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""


def measure(server: PostgresServer, rows: int, repeats: int) -> dict[str, Any]:
    """Returns rows a second of ours and of the loop, medians, and how these compare."""
    server.create_database(TEMPLATE)
    with server.connect(TEMPLATE) as connection:
        for statement in _TABLE.format(rows=rows, days=KEEP_DAYS).split(";"):
            connection.execute(statement.encode())
    # A job has one before its first batch.
    with _session(server, TEMPLATE) as session:
        LedgerTables(session).migrate()
    found: dict[str, list[float]] = {"purge": [], "loop": []}
    for _ in range(repeats):
        for name, work in (("loop", _loop), ("purge", _purge)):
            found[name].append(_rows_a_second(server, work))
            print(f"{name}: {found[name][-1]:,.0f} rows/s", flush=True)
    ours, loop = (statistics.median(found[name]) for name in ("purge", "loop"))
    return {
        "purge_rows_s": round(ours),
        "loop_rows_s": round(loop),
        "purge_x_loop": round(ours / loop, 2),
        "purge_x_seed": round(ours / SEEDS_ROWS_A_SECOND),
        "purged_rows": rows // 2,
    }


def _rows_a_second(server: PostgresServer, work: Callable[[PostgresServer], None]) -> float:
    with server.connect() as connection:
        names = {"name": sql.Identifier(DATABASE), "template": sql.Identifier(TEMPLATE)}
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {name}").format(**names))
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
        connection.execute("CHECKPOINT")
    before = _count(server)
    began = time.monotonic()
    work(server)
    seconds = time.monotonic() - began
    return (before - _count(server)) / seconds


def _count(server: PostgresServer) -> int:
    with server.connect(DATABASE) as connection:
        return int((connection.execute("SELECT count(*) FROM products").fetchone() or (0,))[0])


def _loop(server: PostgresServer) -> None:
    with server.connect(DATABASE) as connection:
        row = connection.execute("SELECT now() - %s", [timedelta(days=KEEP_DAYS)]).fetchone() or (None,)
        while connection.execute(_DELETE, [row[0], BATCH_SIZE]).rowcount:
            pass


def _purge(server: PostgresServer) -> None:
    order = PurgeOrder(
        client="bench",
        table=TableName("public", "products"),
        timestamp_column="inserted_at",
        timezone="UTC",
        batch_size=BATCH_SIZE,
        keep=KeepDays(KEEP_DAYS, "the benchmark"),
        run_id="bench",
    )
    with _session(server, DATABASE) as session:
        runs = JobRunLog(session)
        start = RunStart("bench", "table", "delete", "manual", DATABASE, job_id=1, source_database=DATABASE)
        run = runs.begin(start)
        purge(session, order, lambda: None, partial(runs.add_rows, run))


def _session(server: PostgresServer, database: str) -> AbstractContextManager[Session]:
    dsn = server.dsn(database)
    return Session.connect(lambda: psycopg.connect(**dsn), database, "archiver bench")


def main() -> int:
    """Tries it, on a server of its own."""
    with TemporaryDirectory() as folder, PostgresServer(Path(folder), SETTINGS) as server:
        print(json.dumps(measure(server, 200_000, 3), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main))
