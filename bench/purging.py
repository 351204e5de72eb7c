"""How fast rows go that nobody archives: ours, a bare loop of the same DELETE, and a worker that takes its time.

The three take the same old rows of fresh copies of one table. The worker deletes a batch every ten seconds, so its pace
is reckoned and not waited for.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from bench.place import Place
from pg_archiver.domain.tables import TableName
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


def measure(place: Place, rows: int, repeats: int) -> dict[str, Any]:
    """Returns rows a second of ours and of the loop, medians, and how these compare."""
    place.postgres.create_database(TEMPLATE)
    with place.postgres.connect(TEMPLATE) as connection:
        for statement in _TABLE.format(rows=rows, days=KEEP_DAYS).split(";"):
            connection.execute(statement.encode())
    found: dict[str, list[float]] = {"purge": [], "loop": []}
    for _ in range(repeats):
        for name, work in (("loop", _loop), ("purge", _purge)):
            found[name].append(_rows_a_second(place, work))
            print(f"{name}: {found[name][-1]:,.0f} rows/s", flush=True)
    ours, loop = (statistics.median(found[name]) for name in ("purge", "loop"))
    return {
        "purge_rows_s": round(ours),
        "loop_rows_s": round(loop),
        "purge_x_loop": round(ours / loop, 2),
        "purge_x_seed": round(ours / SEEDS_ROWS_A_SECOND),
        "purged_rows": rows // 2,
    }


def _rows_a_second(place: Place, work: Callable[[Place], None]) -> float:
    with place.postgres.connect() as connection:
        names = {"name": sql.Identifier(DATABASE), "template": sql.Identifier(TEMPLATE)}
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {name}").format(**names))
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
        connection.execute("CHECKPOINT")
    before = _count(place)
    began = time.monotonic()
    work(place)
    seconds = time.monotonic() - began
    return (before - _count(place)) / seconds


def _count(place: Place) -> int:
    with place.postgres.connect(DATABASE) as connection:
        return int((connection.execute("SELECT count(*) FROM products").fetchone() or (0,))[0])


def _loop(place: Place) -> None:
    with place.postgres.connect(DATABASE) as connection:
        row = connection.execute("SELECT now() - %s", [timedelta(days=KEEP_DAYS)]).fetchone() or (None,)
        while connection.execute(_DELETE, [row[0], BATCH_SIZE]).rowcount:
            pass


def _purge(place: Place) -> None:
    dsn = place.postgres.dsn(DATABASE)
    order = PurgeOrder(
        client="bench",
        table=TableName("public", "products"),
        timestamp_column="inserted_at",
        timezone="UTC",
        batch_size=BATCH_SIZE,
        keep=KeepDays(KEEP_DAYS, "the benchmark"),
        run_id="bench",
    )
    with Session.connect(lambda: psycopg.connect(**dsn), DATABASE, "archiver bench") as session:
        purge(session, order, lambda: None, lambda _: None)
