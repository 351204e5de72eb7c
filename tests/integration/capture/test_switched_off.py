"""Where no events are made: in a session, a transaction or a database that says so, and where this program works."""

from __future__ import annotations

import pytest

from tests.support.bloated_tables import bloated, compacted
from tests.support.events import ORDERS, Events
from tests.support.jobs import run_as
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import restored

OFF = ["off", "false", "no", "0"]


def test_a_session_or_a_transaction_makes_no_events_where_it_says_so(orders: Events) -> None:
    orders.watch(operations=["INSERT", "UPDATE", "DELETE", "TRUNCATE"])
    for number, off in enumerate(OFF):
        with orders.place.connect() as user:
            user.execute(f"SET LOCAL archiver.events = '{off}'".encode())
            user.execute("INSERT INTO app.orders VALUES (%s)", [number])
            user.execute("UPDATE app.orders SET state = 'x'")
            user.execute("DELETE FROM app.orders WHERE id = %s", [number])
            user.execute("TRUNCATE app.orders")
            user.commit()
            assert orders.operations() == []
            user.execute("INSERT INTO app.orders VALUES (%s)", [number])
            user.commit()
        assert orders.operations() == ["I"]
        orders.forget()
    orders.place.sql("INSERT INTO app.orders VALUES (50)")
    orders.forget()
    with orders.place.connect() as user:
        for on in ("on", "", "whatever"):
            user.execute(f"SET archiver.events = '{on}'".encode())
            user.execute("UPDATE app.orders SET state = 'y' WHERE id = 50")
        user.commit()
    assert orders.operations() == ["U", "U", "U"]


def test_the_switch_of_the_database_turns_all_off(orders: Events) -> None:
    orders.watch()
    orders.place.sql("UPDATE archiver.capture SET enabled = false")
    orders.place.sql("INSERT INTO app.orders VALUES (1)")
    assert orders.operations() == []
    orders.place.sql("UPDATE archiver.capture SET enabled = true")
    orders.place.sql("INSERT INTO app.orders VALUES (2)")
    assert orders.operations() == ["I"]
    # A row that somebody has deleted says nothing, and nothing said is no reason to forget a change.
    orders.place.sql("DELETE FROM archiver.capture")
    orders.place.sql("INSERT INTO app.orders VALUES (3)")
    assert orders.operations() == ["I", "I"]


@pytest.mark.parametrize("off", ["enabled = false", "suspended_at = now()", "removed_at = now()"])
def test_a_binding_that_is_disabled_suspended_or_removed_notes_nothing(orders: Events, off: str) -> None:
    binding = orders.watch()
    orders.place.sql(f"UPDATE archiver.bindings SET {off} WHERE binding_id = %s", binding)
    orders.place.sql("INSERT INTO app.orders VALUES (1)")
    assert orders.operations() == []


def test_a_binding_that_is_gone_fails_no_writer(orders: Events) -> None:
    """Somebody may delete its row and leave the triggers."""
    binding = orders.watch()
    orders.place.sql("DELETE FROM archiver.bindings WHERE binding_id = %s", binding)
    orders.place.sql("INSERT INTO app.orders VALUES (1)")
    assert orders.operations() == []


def test_what_the_archive_deletes_and_brings_back_makes_no_events_and_is_told_of_no_trigger(
    events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    place: Place = events.place
    place.sql(EVENTS)
    place.events(hours_ago(60), hours_ago(59.5))
    events.watch("analytics.events")
    assert sum(deleted.rows for deleted in place.archive()) == 2
    done = restored(place)
    assert (done.restored, done.notes) == (2, [])
    assert events.operations() == []
    assert "triggers fire" not in caplog.text
    run_as(place, "DELETE FROM analytics.events")
    assert events.operations() == ["D", "D"]


def test_a_session_of_this_program_says_so_again_after_code_of_users(events: Events) -> None:
    events.place.sql(ORDERS)
    events.watch()
    with events.place.session_and_connection() as (session, connection):
        assert connection.execute("SHOW archiver.events").fetchone() == ("off",)
        with session.transaction():
            session.use_database_search_path(builtins_first=True)
            connection.execute("SET archiver.events = 'on'")
        assert connection.execute("SHOW archiver.events").fetchone() == ("off",)


@pytest.mark.more
def test_rows_that_compact_moves_make_no_events(events: Events) -> None:
    bloated(events.place, "id > 3600", 1500)
    events.watch("analytics.events")
    assert compacted(events.place).rows > 0
    assert events.operations() == []
