"""A worker whose session ends before any statement of a batch of events: what went is counted, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from dev.postgres import PostgresServer
from pg_archiver.errors import ArchiverError
from pg_archiver.jobs.event_versions import EventVersions
from tests.support.broken_session import BrokenSession
from tests.support.event_versions import KEEP, EventDocs

pytestmark = pytest.mark.more

KEYS, POINTS = 3, 20
END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"


@pytest.fixture
def docs(server: PostgresServer) -> Iterator[EventDocs]:
    with EventDocs.made(server, "versions_broken_off") as made:
        yield made.ready()


def run(docs: EventDocs, ends_before: int | None = None) -> list[str]:
    """Works off one batch, and returns the statements that were sent."""
    docs.ripen()

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**{**docs.place.server.dsn(docs.database), "user": docs.place.archive})

    connections = replace(
        docs.place.connections, open_archiver=lambda name: BrokenSession.connect(connect, name, "test")
    )
    with EventVersions.opened(docs.place.source, connections) as own:
        session = own.session
        assert isinstance(session, BrokenSession)
        session.begin(lambda: docs.sql(END, docs.place.archive), ends_before)
        own.run_batch()
        # Of the way out nothing is noted.
        session.end = None
        return session.sent


def put(docs: EventDocs, version: int) -> None:
    """Adds a version of each document, so that one of each is superseded, and takes the events in."""
    docs.put(KEYS, 1, first=version)
    with docs.opened() as own:
        docs.take_in(own)


def test_a_session_that_ends_before_any_statement(docs: EventDocs) -> None:
    for version in range(1, KEEP + 2):
        put(docs, version)
    statements = run(docs)
    assert sum(name.startswith("purge/versions/delete") for name in statements) == 1
    broken, version = 0, KEEP + 1
    for number in range(0, len(statements), max(1, len(statements) // POINTS)):
        version += 1
        put(docs, version)
        try:
            run(docs, number)
        except ArchiverError:
            broken += 1
        ((rows,),) = docs.sql("SELECT count(*) FROM app.docs")
        # What is gone was counted, and its events are gone with it.
        assert docs.counted()[1] == KEYS * version - rows
        assert (docs.waiting() == 0) is (rows == KEYS * KEEP)
        run(docs)
        assert docs.all_left() == {key: [version - 2, version - 1, version] for key in range(1, KEYS + 1)}
        assert docs.counted()[1] == KEYS * (version - KEEP)
    assert broken >= POINTS * 3 // 4
