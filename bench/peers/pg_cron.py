"""pg_cron on a server of its own, out of Debian's packages: how late it starts a job that is due at a full minute."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench.job_databases import NOTE_START, PROCEDURES, START_DELAYS
from dev.debian import Package, unpack
from dev.postgres import PostgresServer
from dev.processes import ProcessError
from dev.repack_server import LIBPQ_5, POSTGRES_15

PACKAGES = (
    POSTGRES_15,
    Package(
        "postgresql-15-cron",
        "1.4.2-2+b1",
        {"amd64": "517a508b75775758a53d568aa2f0658fa9c5661cb9815e525f69b4dd0d13d59d"},
    ),
    LIBPQ_5,
)
NAME = "pg_cron 1.4.2"
# Jobs in background workers: the other way, a connection to the server itself, wants a password and takes longer.
SETTINGS = {
    "fsync": "on",
    "jit": "off",
    "shared_preload_libraries": "pg_cron",
    "cron.database_name": "postgres",
    "cron.use_background_workers": "on",
}
# Its smallest step.
SCHEDULE = "* * * * *"
STEP_SECONDS = 60
RUNS = "SELECT status FROM cron.job_run_details WHERE end_time IS NOT NULL ORDER BY start_time"


def start_delays(folder: Path, cache: Path, fires: int) -> list[float]:
    """Return the seconds from each of so many full minutes to the start of the one job that is due at it.

    Args:
        folder: takes the server's data.
        cache: keeps the files of the packages for the next time.
        fires: how many minutes to wait for.

    Raises:
        ProcessError: the packages cannot be had, the server did not start, or a run failed or never came.
    """
    with _server(folder, cache) as server, server.connect() as connection:
        connection.execute(f"CREATE EXTENSION pg_cron; {PROCEDURES}".encode())
        connection.execute("SELECT cron.schedule('lone', %s, %s)", [SCHEDULE, f"CALL app.{NOTE_START}(1, '{{}}')"])
        deadline = time.monotonic() + (fires + 2) * STEP_SECONDS
        while len(ended := _column(connection, RUNS)) < fires:
            if time.monotonic() > deadline:
                raise ProcessError(f"{NAME} ended {len(ended)} jobs in {fires + 2} minutes, not {fires}")
            time.sleep(1)
        if failed := [status for status in ended if status != "succeeded"]:
            raise ProcessError(f"{NAME}: {len(failed)} of {len(ended)} runs are {failed[0]}")
        return [round(delay, 3) for delay in _column(connection, START_DELAYS)[:fires]]


def _column(connection: psycopg.Connection[Any], statement: str) -> list[Any]:
    return [value for (value,) in connection.execute(statement.encode())]


@contextmanager
def _server(folder: Path, cache: Path) -> Iterator[PostgresServer]:
    # Not below the bench's folder, which the server's account may not be able to enter.
    unpacked = Path(tempfile.mkdtemp(prefix="postgres-cron-"))
    try:
        unpack(PACKAGES, cache, unpacked)
        unpacked.chmod(0o755)
        (libraries,) = (unpacked / "usr" / "lib").glob("*-linux-gnu*")
        binaries = unpacked / "usr" / "lib" / "postgresql" / "15" / "bin"
        with PostgresServer(folder, SETTINGS, binaries, libraries) as server:
            yield server
    finally:
        shutil.rmtree(unpacked)
