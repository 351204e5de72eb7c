"""How much memory one task holds while it exports, checks and deletes one window, by the window's size.

Each size is worked on by a process of its own that has imported what an Airflow task imports, so that its peak is a
task's peak. `make bench-memory` runs it for 100 MB and 1 GB of CSV.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg

import pg_archiver.airflow.archive  # noqa: F401 (what a task imports counts as a task's memory)
from dev.peak_memory import read_peak_mb
from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.archive.delete import delete
from pg_archiver.archive.export import export
from pg_archiver.archive.store import store
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

HOUR = Window(datetime(2026, 1, 1, 10), datetime(2026, 1, 1, 11))  # noqa: DTZ001 (column time)
ROW_BYTES = 1500
SIZES_MB = (100, 1000)
TABLE = """
    CREATE SCHEMA analytics;
    CREATE TABLE analytics.events (id bigint PRIMARY KEY, triggered_at timestamp NOT NULL, name text, data jsonb);
    CREATE INDEX ON analytics.events (triggered_at)
"""
# 32 md5s a row: half of their characters carry no information, as in real identifiers and names.
FILL = """
    INSERT INTO analytics.events
    SELECT row, timestamp '2026-01-01 10:00' + (row %% 3600) * interval '1 second', 'event',
        (SELECT jsonb_object_agg('key' || part, md5((row * 100 + part)::text)) FROM generate_series(1, 32) AS part)
    FROM generate_series(1, %s) AS row
"""


def main() -> None:
    """Loads a table of each size, works on it in a fresh process, and prints a line for each."""
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgresServer(Path(folder) / "postgres") as server,
        RcloneS3(Path(folder) / "s3") as s3,
    ):
        s3.create_bucket("bench")
        for megabytes in SIZES_MB:
            database = f"bench{megabytes}"
            server.create_database(database)
            with server.connect(database) as connection:
                connection.execute(TABLE.encode())
                connection.execute(FILL.encode(), [megabytes * 1_000_000 // ROW_BYTES])
            work = {
                "postgres": server.dsn(database),
                "s3": [s3.endpoint_url, s3.access_key, s3.secret_key, s3.region],
                "database": database,
            }
            subprocess.run([sys.executable, "-m", "bench.memory", "one"], input=json.dumps(work), text=True, check=True)


def work_on(work: dict[str, Any]) -> None:
    """The three steps on one window, and the peak of this process after each."""
    endpoint, access_key, secret_key, region = work["s3"]
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
    )
    bucket = Bucket(client, "bench")
    order = WorkOrder(
        client=work["database"],
        table=TableName("analytics", "events"),
        timestamp_column="triggered_at",
        timezone="UTC",
        run_id="bench",
        dry_run=False,
        batch_size=10_000,
        bucket="bench",
        prefix="",
        compression="gzip",
    )
    window = DueWindow(HOUR, HOUR)

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**work["postgres"])

    with Session.connect(connect, work["database"], "bench") as session:
        WindowLedger(session, order).migrate()
        before = read_peak_mb()
        exported, seconds = _timed(lambda: export(session, bucket, order, window))
        figures = [f"export {seconds:.1f} s, peak {read_peak_mb():.0f} MB"]
        _, seconds = _timed(lambda: store(session, bucket, order, window))
        figures.append(f"store {seconds:.1f} s, peak {read_peak_mb():.0f} MB")
        _, seconds = _timed(lambda: delete(session, bucket, order, window, lambda: False))
        figures.append(f"delete {seconds:.1f} s, peak {read_peak_mb():.0f} MB")
    print(
        f"{exported.csv_bytes / 1e6:.0f} MB of CSV, {exported.rows} rows; before {before:.0f} MB; {'; '.join(figures)}"
    )


def _timed(step: Callable[[], Any]) -> tuple[Any, float]:
    started = time.monotonic()
    return step(), time.monotonic() - started


if __name__ == "__main__":
    if sys.argv[1:] == ["one"]:
        work_on(json.loads(sys.stdin.read()))
    else:
        main()
