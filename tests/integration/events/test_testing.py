"""The helper for tests of users: a function runs as in a worker, on any connection, and what is wrong is raised."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel

from pg_archiver.errors import FunctionRefused
from pg_archiver.events import Discard, Event, Snooze, event_function
from pg_archiver.events.testing import Ending, FunctionFailedError, run_event
from tests.support.place import Place

Connection = psycopg.Connection[Any]
SINK = "CREATE TABLE sink (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
INSERT = "INSERT INTO sink VALUES (%s)"


class Key(BaseModel):
    id: int


@event_function("writes", model=Key)
def writes(event: Event[Key], db: Connection) -> None:
    db.execute(INSERT, [event.key.id])


@event_function("writes_all", batch=True)
def writes_all(events: list[Event], db: Connection) -> None:
    for event in events:
        db.execute(INSERT, [event.key["id"]])


@pytest.fixture
def db(place: Place) -> Iterator[Connection]:
    """A connection as a test of users has it: one transaction, rolled back at the end."""
    with place.connect() as connection:
        connection.execute(SINK)
        yield connection
        connection.rollback()


def sink(db: Connection) -> list[int]:
    return [row[0] for row in db.execute("SELECT id FROM sink ORDER BY id")]


def body(work: Callable[[Event, Connection], object]) -> Callable[[Event, Connection], None]:
    """A function that writes first."""

    @event_function("body")
    def function(event: Event, db: Connection) -> None:
        db.execute(INSERT, [7])
        return work(event, db)  # type: ignore[return-value]

    return function


def test_what_a_function_does_is_in_the_transaction_of_the_test(db: Connection) -> None:
    run = run_event(writes, Event(key=Key(id=7)), db)
    assert (run.ending, run.output, run.reason) == (Ending.DONE, "", "")
    assert run_event(writes, Event(key={"id": "8"}), db).ending is Ending.DONE
    assert sink(db) == [7, 8]


def test_a_function_that_takes_lists_gets_one(db: Connection) -> None:
    run_event(writes_all, [Event(key={"id": number}) for number in range(3)], db)
    run_event(writes_all, Event(key={"id": 3}), db)
    assert sink(db) == [0, 1, 2, 3]
    with pytest.raises(FunctionFailedError, match=r"2 events for function 'writes'\. Fix: give it one"):
        run_event(writes, [Event(), Event()], db)


def test_what_is_printed_is_told(db: Connection) -> None:
    say = print
    assert run_event(body(lambda event, _db: say(event.topic)), Event(topic="7"), db).output == "7\n"


def test_a_snooze_and_a_discard_leave_nothing(db: Connection) -> None:
    def snooze(_event: Event, _db: Connection) -> None:
        raise Snooze(60)

    def discard(_event: Event, _db: Connection) -> None:
        raise Discard("not ours")

    later, never = run_event(body(snooze), Event(), db), run_event(body(discard), Event(), db)
    assert (later.ending, later.wait_seconds) == (Ending.SNOOZED, 60)
    assert (never.ending, never.reason) == (Ending.DISCARDED, "not ours")
    assert sink(db) == []


def test_an_error_of_the_function_is_raised_as_it_is_and_leaves_nothing(db: Connection) -> None:
    def fail(_event: Event, db: Connection) -> None:
        db.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        run_event(body(fail), Event(), db)
    assert sink(db) == []


def swallow(_event: Event, db: Connection) -> None:
    try:
        db.execute("SELECT 1 / 0")
    except psycopg.Error:
        return


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (swallow, "went on after an error of the database"),
        (lambda _event, db: db.execute("COMMIT"), "ended the transaction that it runs in"),
        (lambda _event, _db: (n for n in [1]), "returned a generator"),
        (lambda _event, _db: sys.exit(3), "SystemExit: 3"),
    ],
)
def test_what_would_fail_in_a_worker_fails_here(db: Connection, work: Any, said: str) -> None:
    with pytest.raises(FunctionFailedError, match=said):
        run_event(body(work), Event(), db)


def test_a_commit_by_the_driver_is_refused_here_too(db: Connection) -> None:
    with pytest.raises(psycopg.ProgrammingError, match="commit"):
        run_event(body(lambda _event, db: db.commit()), Event(), db)


def test_a_key_that_does_not_fit_its_model_is_told(db: Connection) -> None:
    with pytest.raises(FunctionFailedError, match="the key does not fit Key, the model of 'writes'"):
        run_event(writes, Event(key={"id": "seven"}), db)


def test_what_a_commit_would_find_is_found(db: Connection) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        run_event(writes_all, [Event(key={"id": 7}), Event(key={"id": 7})], db)
    assert sink(db) == []


def test_on_a_connection_in_autocommit_it_commits(place: Place) -> None:
    place.sql(SINK)
    with place.connect() as connection:
        connection.autocommit = True
        run_event(writes, Event(key={"id": 7}), connection)
        assert place.sql("SELECT id FROM sink") == [(7,)]


def test_a_function_of_own_transactions_needs_autocommit_and_ends_what_it_begins(place: Place, db: Connection) -> None:
    place.sql(SINK.replace("sink", "own"))

    def commit(_event: Event, db: Connection) -> None:
        db.execute("INSERT INTO own VALUES (8)")
        db.commit()

    with pytest.raises(FunctionFailedError, match="not in autocommit"):
        run_event(body(commit), Event(), db, transaction="own")
    db.rollback()
    place.sql(SINK)
    with place.connect() as connection:
        connection.autocommit = True
        assert run_event(body(commit), Event(), connection, transaction="own").ending is Ending.DONE
        assert place.sql("SELECT (SELECT count(*) FROM own), (SELECT count(*) FROM sink)") == [(1, 1)]
        place.sql("TRUNCATE sink")
        with pytest.raises(FunctionFailedError, match="left a transaction open"):
            run_event(body(lambda _event, db: db.execute("BEGIN")), Event(), connection, transaction="own")


def test_a_function_that_is_not_registered_is_refused(db: Connection) -> None:
    with pytest.raises(FunctionRefused, match="is not registered, so no event can run it"):
        run_event(sink, Event(), db)
