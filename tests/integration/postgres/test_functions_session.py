"""The session in which functions of events run has its own settings again after each batch, whatever ran in it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

import psycopg
import pytest

from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.postgres.base_session import ALIVE
from pg_archiver.postgres.functions_session import FunctionsSession, TransactionEndedError, limit_functions
from tests.support.place import Place

LONGEST = timedelta(minutes=5)
LIMITS = {
    "application_name": "archiver functions",
    "client_connection_check_interval": "5s",
    "idle_in_transaction_session_timeout": "310s",
    "lock_timeout": "10s",
    "statement_timeout": "5min",
}


def opened(place: Place) -> AbstractContextManager[FunctionsSession]:
    return FunctionsSession.connect(
        lambda: psycopg.connect(**place.server.dsn(place.database)),
        place.database,
        "archiver functions",
        limits=limit_functions(LONGEST),
    )


def settings(session: FunctionsSession, names: list[str]) -> dict[str, str]:
    found = session.connection.execute(
        "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS asked (name)", [names]
    )
    return dict(found.fetchall())


@pytest.mark.parametrize("undone", [False, True], ids=["kept", "undone"])
def test_limits_hold_for_each_function_and_all_is_as_it_was_after_the_batch(place: Place, undone: bool) -> None:
    with opened(place) as session:
        with session.batch():
            session.begin_event(LONGEST)
            for _ in range(2):
                session.connection.execute(
                    "SET statement_timeout = 0; SET application_name = 'x'; SET lock_timeout = 0"
                )
                session.connection.execute("SET tcp_keepalives_idle = 1; SET client_connection_check_interval = 0")
                session.check_event()
                session.keep_event(LONGEST)
                assert settings(session, list(LIMITS)) == LIMITS
            session.connection.execute("SET tcp_keepalives_idle = 1")
            if undone:
                session.undo_event()
            else:
                session.check_event()
                session.keep_event()
        found = settings(session, list(ALIVE))
    # With the units that the server writes.
    assert {name: value.rstrip("s") for name, value in found.items()} == {
        name: value.rstrip("s") for name, value in ALIVE.items()
    }


def test_a_savepoint_that_is_gone_is_told_from_a_connection_that_is(place: Place) -> None:
    def end(session: FunctionsSession, statement: str) -> None:
        with session.batch():
            session.begin_event(LONGEST)
            session.connection.execute(statement.encode())
            session.keep_event(LONGEST)

    def cut(session: FunctionsSession) -> None:
        with session.batch():
            session.begin_event(LONGEST)
            place.sql("SELECT pg_terminate_backend(%s, 10000)", session.connection.info.backend_pid)
            session.keep_event(LONGEST)

    with opened(place) as session:
        with pytest.raises(TransactionEndedError):
            end(session, "RELEASE SAVEPOINT archiver_event")
        end(session, "SELECT")
        with pytest.raises(DatabaseInterrupted):
            cut(session)
