"""How much memory a restore holds, by the number of windows that it brings back: a few, and up to years of them.

`make bench-memory` runs it after that of the archive's steps. Each restore runs in a process of its own that has
imported what an Airflow task imports. `SCALE=small` takes a tenth of the windows and writes nothing.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import psycopg

import pg_archiver.airflow.restore  # noqa: F401 (what a task imports counts as a task's memory)
from bench.many_windows import FIRST, HOUR, ROWS_A_WINDOW, ManyWindows
from bench.place import S3_ARGUMENTS
from dev.peak_memory import read_peak_mb
from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import RestoreOrder, WorkOrder
from pg_archiver.errors import ArchiverError
from pg_archiver.postgres.session import Session
from pg_archiver.restore.restore import restore
from pg_archiver.s3.bucket import CLIENT, Bucket

RESULTS = Path(__file__).parent / "results" / "memory.json"
BUCKET = "bench"
FEW = 20
# The peak at ten years of hours is reckoned from the other two, since the restore of so many takes most of an hour.
TEN_YEARS = 87_600
ORDER = WorkOrder(
    client="bench",
    table=TableName("analytics", "events"),
    timestamp_column="triggered_at",
    timezone="UTC",
    run_id="bench",
    dry_run=False,
    batch_size=10_000,
    bucket=BUCKET,
    prefix="",
    compression="gzip",
)
SCALES = {"full": (1_000, 10_000), "small": (100, 1_000)}
TABLE = """
    CREATE SCHEMA analytics;
    CREATE TABLE analytics.events (id bigint PRIMARY KEY, triggered_at timestamp NOT NULL, name text, data jsonb);
    CREATE INDEX ON analytics.events (triggered_at)
"""


def main() -> int:
    """Makes one archive of the largest size, restores parts of it, and prints and keeps the peaks."""
    name = os.environ.get("SCALE") or "full"
    if name not in SCALES:
        print(f"SCALE is {name!r}; set it to one of {', '.join(SCALES)}, or leave it out for full", file=sys.stderr)
        return 2
    sizes = (FEW, *SCALES[name])
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgresServer(Path(folder) / "postgres") as server,
        RcloneS3(Path(folder) / "s3", arguments=S3_ARGUMENTS) as s3,
    ):
        s3.create_bucket(BUCKET)
        server.create_database("bench")
        with server.connect("bench") as connection:
            connection.execute(TABLE.encode())
        task = {
            "postgres": server.dsn("bench"),
            "bucket": BUCKET,
            "s3": {
                "endpoint_url": s3.endpoint_url,
                "aws_access_key_id": s3.access_key,
                "aws_secret_access_key": s3.secret_key,
                "region_name": s3.region,
            },
        }
        started = time.monotonic()
        with Session.connect(lambda: server.connect("bench"), "bench", "bench") as session:
            ManyWindows(ORDER, sizes[-1]).make(session, s3.bucket_folder(BUCKET))
        print(f"{sizes[-1]:,} windows made in {time.monotonic() - started:.0f} s", flush=True)
        runs = [_in_process(task | {"windows": size, "dry_run": dry}) for dry in (True, False) for size in sizes]
    result = _figures(runs)
    print(json.dumps({key: value for key, value in result.items() if key != "runs"}, indent=2))
    if name == "full":
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def _in_process(task: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.restore_memory", "one"],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(found, flush=True)
    return found


def _figures(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The peaks by name; one that broke off has none."""
    figures: dict[str, Any] = {}
    for name, dry in (("restore", False), ("restore_dry_run", True)):
        done = [run for run in runs if run["dry_run"] is dry and "error" not in run]
        few, *more = done
        figures[f"{name}_few_windows_peak_mb"] = few["peak_mb"]
        if len(done) == len(runs) // 2:
            figures[f"{name}_peak_mb"] = more[-1]["peak_mb"]
            figures[f"{name}_ten_years_peak_mb"] = _reckoned(more)
    return {
        **figures,
        "windows": max(run["windows"] for run in runs),
        "windows_few": FEW,
        "windows_ten_years": TEN_YEARS,
        "runs": runs,
    }


def _reckoned(runs: list[dict[str, Any]]) -> float:
    """The peak at ten years of hours, if it goes on growing as it does between these two."""
    less, more = runs
    growth = (more["peak_mb"] - less["peak_mb"]) / (more["windows"] - less["windows"])
    return float(round(more["peak_mb"] + growth * (TEN_YEARS - more["windows"]), 1))


def restored_here(task: Mapping[str, Any]) -> dict[str, Any]:
    """Restores the first so many windows into a new table; the peak of this process."""
    bucket = Bucket(boto3.client("s3", **task["s3"], config=CLIENT), task["bucket"])
    windows, dry = task["windows"], task["dry_run"]
    into = TableName("analytics", f"back_{windows}")
    order = RestoreOrder(replace(ORDER, bucket=bucket.name, dry_run=dry), FIRST, FIRST + windows * HOUR, into)

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**task["postgres"])

    figures = {"windows": windows, "dry_run": dry, "before_mb": read_peak_mb()}
    started = time.monotonic()
    try:
        with Session.connect(connect, "bench", "bench") as session:
            result = restore(session, bucket, order)
        assert not result.failures, result.failures
        assert result.restored == windows * ROWS_A_WINDOW, result.lines()
    except ArchiverError as error:
        figures["error"] = str(error)
    return {**figures, "peak_mb": read_peak_mb(), "seconds": round(time.monotonic() - started, 1)}


if __name__ == "__main__":
    if sys.argv[1:] == ["one"]:
        logging.disable(logging.WARNING)
        print(json.dumps(restored_here(json.loads(sys.stdin.read()))))
    else:
        sys.exit(main())
