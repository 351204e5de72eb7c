"""Notes of the ledger are committed as users want it, but for those that a step waits for at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pg_archiver.ledger.lazy_notes import flush, noting_lazily
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Session
from tests.support.place import EVENTS, Place, hours_ago

LOCAL = "ALTER DATABASE {} SET synchronous_commit = 'local'"


@pytest.fixture
def stored(place: Place) -> Place:
    """A place whose users want their commits kept on this server alone, with a window whose rows may go."""
    place.sql(EVENTS)
    place.events(hours_ago(60))
    place.sql(LOCAL.format(place.database))
    place.stored_window()
    return place


def how(session: Session, connection: psycopg.Connection[Any], note: Callable[[], object]) -> str:
    """How a transaction with this note is to be committed."""
    with session.transaction():
        note()
        found = connection.execute("SHOW synchronous_commit").fetchone()
    assert found
    return str(found[0])


def test_what_others_build_on_and_the_end_of_a_step_are_kept_as_users_want_it(stored: Place) -> None:
    window = stored.windows()[0]
    with stored.session_and_connection() as (session, connection):
        ledger = WindowLedger(session, stored.order)
        row = ledger.find_latest(window.cell)
        assert row
        # As a trigger may have left it behind.
        connection.execute("SET synchronous_commit = off")
        assert how(session, connection, lambda: ledger.begin(window, 2)) == "local"
        begun = ledger.find_latest(window.cell)
        assert begun
        assert begun.id != row.id
        exporting = stored.manifests()[0]
        assert how(session, connection, lambda: ledger.mark_exported(begun, exporting)) == "local"
        assert how(session, connection, lambda: flush(session)) == "local"
        assert how(session, connection, lambda: ledger.mark_deleted(row, None)) == "local"


def test_what_a_step_waits_for_at_its_end_is_not_waited_for_before(stored: Place) -> None:
    window = stored.windows()[0]
    with stored.session_and_connection() as (session, connection):
        ledger = WindowLedger(session, stored.order)
        row = ledger.find_latest(window.cell)
        assert row
        with noting_lazily(session):
            assert how(session, connection, lambda: ledger.mark_deleted(row, None)) == "off"
            assert how(session, connection, lambda: flush(session)) == "local"
        assert session.commit == "local"
        assert how(session, connection, lambda: None) == "local"


def test_a_ledger_without_a_line_has_nothing_to_be_kept(place: Place) -> None:
    with place.session() as session:
        WindowLedger(session, place.order).migrate()
        flush(session)
