"""A server that has pg_repack, its client, and limits that a test can wait for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.repack_server import RepackServer, repack_server
from dev.s3 import S3Server
from pg_archiver.maintenance import pg_repack
from pg_archiver.maintenance.pg_repack import Repacker
from pg_archiver.postgres import activity, session
from pg_archiver.postgres.base_session import ALIVE
from tests.support.place import Place
from tests.support.server_folder import server_folder


@pytest.fixture(scope="package")
def repacking() -> Iterator[RepackServer]:
    with server_folder() as folder, repack_server(folder) as found:
        yield found


@pytest.fixture
def place(repacking: RepackServer, rclone: S3Server, request: pytest.FixtureRequest) -> Iterator[Place]:
    """An empty database with the extension."""
    number = 100_000 + request.node.parent.session.items.index(request.node)
    with Place.made(repacking.server, rclone, number) as place:
        place.sql("CREATE EXTENSION pg_repack")
        yield place


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, repacking: RepackServer) -> None:
    monkeypatch.setattr(activity, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(pg_repack, "POLL_SECONDS", 0.05)
    monkeypatch.setitem(ALIVE, "client_connection_check_interval", "100ms")
    monkeypatch.setattr(session, "LOCK_WAIT_SECONDS", 0.3)
    if repacking.libraries:
        monkeypatch.setenv("LD_LIBRARY_PATH", str(repacking.libraries))


@pytest.fixture
def client(repacking: RepackServer) -> Repacker:
    return Repacker(str(repacking.program))
