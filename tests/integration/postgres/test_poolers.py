"""A real PgBouncer in between: refused before anything is written or set, in either mode of its pools."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import psycopg
import pytest

from dev.pgbouncer import PgBouncer
from dev.postgres import PostgresServer
from pg_archiver.archive.delete import delete
from pg_archiver.errors import DatabaseRefused
from pg_archiver.postgres import poolers
from pg_archiver.postgres.session import Session
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.refusals import refused

pytestmark = pytest.mark.more

SETTINGS = "SELECT name, setting FROM pg_settings WHERE name <> 'application_name' ORDER BY name"
LOGINS = 20
MODES: tuple[Literal["session", "transaction"], ...] = ("transaction", "session")


@dataclass(frozen=True)
class PooledPlace(Place):
    """A place whose steps reach their database through a pooler."""

    pooler: PgBouncer | None = None
    acknowledged: bool = False

    def connect(self) -> psycopg.Connection[Any]:
        assert self.pooler is not None
        return psycopg.connect(**self.pooler.dsn(self.database))

    @contextmanager
    def session(self) -> Generator[Session]:
        with Session.connect(self.connect, self.database, "test", one_session_proxy=self.acknowledged) as session:
            yield session


@pytest.fixture(scope="module", params=MODES)
def pooler(request: pytest.FixtureRequest, server: PostgresServer) -> Iterator[PgBouncer]:
    with PgBouncer(server, request.param) as pooler:
        yield pooler


@pytest.fixture
def direct(place: Place) -> Place:
    """The place itself, with two windows that are due."""
    place.sql(EVENTS)
    place.events(hours_ago(60), hours_ago(61))
    return place


@pytest.fixture
def pooled(direct: Place, pooler: PgBouncer) -> PooledPlace:
    """The same place, seen through the pooler."""
    return PooledPlace(**{field.name: getattr(direct, field.name) for field in fields(direct)}, pooler=pooler)


def test_a_run_through_a_pooler_is_refused_and_writes_nothing(pooled: PooledPlace) -> None:
    before = pooled.live()
    refused(pooled, DatabaseRefused, "connection pooler", "at the Postgres server itself")
    assert pooled.live() == before


def test_a_delete_that_meets_a_pooler_deletes_nothing(direct: Place, pooled: PooledPlace) -> None:
    windows = direct.windows()
    for window in windows:
        direct.export(window)
        direct.check(window)
    with pytest.raises(DatabaseRefused, match="connection pooler"), pooled.session() as session:
        delete(session, pooled.store, pooled.order, windows[0], lambda: False)
    assert len(direct.live()) == len(windows)


def test_no_setting_of_ours_is_left_in_a_session_that_others_get(pooled: PooledPlace) -> None:
    with pooled.connect() as user:
        before = user.execute(SETTINGS).fetchall()
        backend = user.execute("SELECT pg_backend_pid()").fetchall()
    with pytest.raises(DatabaseRefused):
        pooled.plan()
    with pooled.connect() as user:
        assert user.execute("SELECT pg_backend_pid()").fetchall() == backend, "the pool holds one session"
        assert user.execute(SETTINGS).fetchall() == before


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_a_proxy_that_a_person_vouches_for_is_taken_at_his_word_unless_it_lends_out_processes(
    direct: Place, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, mode: Literal["session", "transaction"],
    processes: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(poolers, "SECOND_CLIENT_SECONDS", 1.0)
    before = direct.live()
    with PgBouncer(server, mode, processes) as pooler:
        parts = {field.name: getattr(direct, field.name) for field in fields(direct)}
        pooled = PooledPlace(**parts, pooler=pooler, acknowledged=True)
        refused(replace(pooled, acknowledged=False), DatabaseRefused, "connection pooler", "one_session_proxy: true")
        if mode == "transaction":
            refused(pooled, DatabaseRefused, "lends its server processes to other clients", "one_session_proxy: true")
            assert direct.live() == before
            return
        with pooled.connect() as user:
            told, known = user.info.backend_pid, user.execute("SELECT pg_backend_pid()").fetchall()
            assert known != [(told,)], "the pooler tells a number of its own"
        with pooled.session() as session:
            shown = session.fetch_one("postgres/session/server").process
            assert session.process == shown, "as pg_stat_activity shows it"
        assert sum(one.rows for one in pooled.archive()) == len(before)
        assert not direct.live()


def test_a_pooler_is_known_at_every_login(pooled: PooledPlace) -> None:
    for _ in itertools.repeat(None, LOGINS):
        with (
            pytest.raises(DatabaseRefused, match="connection pooler"),
            Session.connect(pooled.connect, pooled.database, "test", writes=False),
        ):
            pass
