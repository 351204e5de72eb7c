"""A real Postgres, a real S3 server and a warmed-up worker for the session; one database and bucket for all.

Tests tell their tables apart by name.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.postgres import session
from tests.faults.kills import Worker
from tests.faults.place import Place
from tests.faults.recorder import opened
from tests.faults.worker import LOCK_POLL_SECONDS
from tests.support.server_folder import server_folder

# Deadlocks are part of the game and a second is long.
SETTINGS = {"deadlock_timeout": "50ms", "max_prepared_transactions": "10"}


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with server_folder() as folder, PostgresServer(folder, SETTINGS) as server:
        yield server


@pytest.fixture(scope="session")
def rclone() -> Iterator[RcloneS3]:
    with server_folder() as folder, RcloneS3(folder) as s3:
        yield s3


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    with Worker.started() as worker:
        yield worker


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that wait for each other's windows look again sooner."""
    monkeypatch.setattr(session, "LOCK_POLL_SECONDS", LOCK_POLL_SECONDS)


@pytest.fixture(scope="session")
def place(server: PostgresServer, rclone: RcloneS3) -> Iterator[Place]:
    """A database with an account, and a bucket."""
    with Place.made(server, rclone, "faults") as place:
        yield opened(place)
