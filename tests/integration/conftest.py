"""One real Postgres and two real S3 servers for the session; a fresh database and bucket for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from dev.postgres import PostgresServer
from dev.s3 import MotoS3, RcloneS3, S3Server
from tests.support.job_place import JobPlace
from tests.support.place import Place
from tests.support.server_folder import server_folder

# Folders of tests of what comes after a first run.
LATER_RUNS = {"archive", "restore", "verify"}

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with server_folder() as folder, PostgresServer(folder) as server:
        yield server


@pytest.fixture(scope="session")
def rclone() -> Iterator[S3Server]:
    with server_folder() as folder, RcloneS3(folder) as s3:
        yield s3


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with MotoS3() as s3:
        yield s3


@pytest.fixture(params=["rclone", "moto"])
def s3(request: pytest.FixtureRequest) -> S3Server:
    """Each stand-in in turn: what one lets through the other may catch."""
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> bool:
    """Whether a place has the ledger's tables before the test begins; elsewhere, what is tested makes them."""
    return request.path.parent.name in LATER_RUNS and request.node.get_closest_marker("first_run") is None


@pytest.fixture
def place(server: PostgresServer, rclone: S3Server, *, ledger: bool) -> Iterator[Place]:
    """A database with an empty ledger, and an empty bucket."""
    with Place.made(server, rclone, next(_numbers), ledger=ledger) as place:
        yield place


@pytest.fixture
def preparing_place(rclone: S3Server) -> Iterator[Place]:
    """A place whose server prepares transactions, which others do not by default."""
    settings = {"max_prepared_transactions": "10"}
    with (
        server_folder() as folder,
        PostgresServer(folder, settings) as server,
        Place.made(server, rclone, next(_numbers)) as place,
    ):
        yield place


@pytest.fixture
def place_on_both(server: PostgresServer, s3: S3Server, *, ledger: bool) -> Iterator[Place]:
    """The same, once on each S3 stand-in."""
    with Place.made(server, s3, next(_numbers), ledger=ledger) as place:
        yield place


@pytest.fixture
def moto_place(server: PostgresServer, moto: S3Server, *, ledger: bool) -> Iterator[Place]:
    """The same on the stand-in that knows conditional writes."""
    with Place.made(server, moto, next(_numbers), ledger=ledger) as place:
        yield place


@pytest.fixture
def jobs(server: PostgresServer) -> Iterator[JobPlace]:
    """A control database, and another in which jobs act."""
    with JobPlace.made(server, f"jobs{next(_numbers)}") as place:
        yield place


@pytest.fixture
def by_list(request: pytest.FixtureRequest) -> Iterator[None]:
    """Rows leave by the list of their versions: a transaction that writes has begun before any row came, and goes on.

    So the export cannot tell by a row's age whether its snapshot saw the end of the transaction that made it.
    """
    place: Place = request.getfixturevalue(
        next(name for name in ("place", "place_on_both", "moto_place") if name in request.fixturenames)
    )
    with place.server.connect(place.database, autocommit=False) as user:
        user.execute("SELECT pg_current_xact_id()")
        yield


@pytest.fixture(params=["by range", "by list"])
def both_ways(request: pytest.FixtureRequest) -> None:
    """Rows leave by ranges of time, and once more by the list of their versions."""
    if request.param == "by list":
        request.getfixturevalue("by_list")
