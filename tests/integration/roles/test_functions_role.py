"""The login of functions: it takes and ends events, and has no other right on what this program keeps."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql

from pg_archiver.ledger.migrations import EventTables
from tests.support.place import Place
from tests.support.role_scripts import run_role_script


@pytest.fixture
def login(place: Place) -> Iterator[str]:
    """A plain role."""
    name = f"functions of {place.database}"
    place.sql(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'x'")
    yield name
    place.sql(f'DROP OWNED BY "{name}"')
    place.sql(f'DROP ROLE "{name}"')


def grant(place: Place, login: str) -> None:
    run_role_script(place.server, place.database, "events", role=login, archive=place.server.user)


def test_it_may_take_events_and_touch_no_table(place: Place, login: str) -> None:
    with place.session() as session:
        EventTables(session).migrate()
    grant(place, login)
    grant(place, login)
    dsn = {**place.server.dsn(place.database), "user": login, "password": "x"}
    with psycopg.connect(**dsn, autocommit=True) as connection:
        connection.execute("SELECT archiver.take_in_events(1)")
        claim = "SELECT * FROM archiver.claim_events(0, 1, 1, -32769, 0, '{}', NULL, '{}', '{}')"
        assert connection.execute(claim).fetchall() == []
        for statement in (
            "SELECT FROM archiver.events",
            "DELETE FROM archiver.dead_events",
            "SELECT FROM archiver.jobs",
            "DELETE FROM archiver.windows",
            "SELECT archiver.retry_dead(1)",
            "SELECT archiver.bury_events('{1}', 'x')",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_before_there_is_a_queue_nothing_is_granted_and_it_says_so(place: Place, login: str) -> None:
    with pytest.raises(AssertionError, match="nothing was granted: there is no queue of events in this database yet"):
        grant(place, login)


def test_a_role_that_is_more_than_a_plain_one_is_refused(place: Place, login: str) -> None:
    with place.session() as session:
        EventTables(session).migrate()
    place.sql(sql.SQL("ALTER ROLE {} CREATEROLE").format(sql.Identifier(login)).as_string(None))
    with pytest.raises(AssertionError, match="nothing was granted: the role is more than a plain one"):
        grant(place, login)
