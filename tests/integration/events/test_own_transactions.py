"""Functions that commit by themselves: outside of any transaction, held by a lock, at least once."""

from __future__ import annotations

import pytest

from tests.support.event_place import LONG_BATCH_SECONDS, WRITES, EventPlace

CLOSED = "the function closed its connection, or left a statement running in it"
SNAPSHOTS = """
(held,), = db.execute(
    "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
    " AND application_name LIKE 'archiver events%'"
).fetchall()
print(held)
"""
LEFT_OPEN = "the function left a transaction open, which was rolled back"


def test_it_runs_in_autocommit_and_what_it_did_stays_though_it_fails(events: EventPlace) -> None:
    events.define("own", f"{WRITES}\nassert db.autocommit\nraise ValueError")
    number = events.put("own", own=True)
    events.work()
    assert events.sink == [number]
    assert events.waiting("id, attempts") == [(number, 1)]


def test_it_does_so_behind_others_that_are_claimed_with_it(events: EventPlace) -> None:
    events.define("own", f"assert db.info.transaction_status.name == 'IDLE'\n{WRITES}")
    numbers = [events.put(topic="one"), events.put("own", own=True, topic="two"), events.put(topic="three")]
    events.work(commit_seconds=LONG_BATCH_SECONDS)
    assert sorted(events.sink) == numbers


def test_the_functions_of_the_seed_commit_as_they_stand(events: EventPlace) -> None:
    events.sql("CREATE TABLE test_source (id int, input text); CREATE TABLE test_sink (id serial, data text)")
    events.sql("INSERT INTO test_source VALUES (7, 'test input')")
    events.define(
        "copies",
        """
        DB, ID = db, event.key["id"]
        cur = DB.cursor()
        cur.execute("SELECT input FROM test_source where id = %s", ([ID]))
        input = cur.fetchall()
        if len(input) > 0:
            cur.execute("insert into test_sink (data) values (%s)", ( input[0] ))
            DB.commit()
        """,
    )
    events.put("copies", key={"id": 7}, own=True)
    assert str(events.work()).startswith("events: 1 done; ")
    assert events.sql("SELECT data FROM test_sink") == [("test input",)]


def test_its_topic_keeps_its_order_between_functions_of_both_kinds(events: EventPlace) -> None:
    numbers = [events.put(topic="one", own=bool(number % 3)) for number in range(12)]
    events.work()
    assert events.sink == numbers
    assert events.waiting() == []


def test_no_snapshot_is_held_while_it_runs_and_nobody_else_takes_it(events: EventPlace) -> None:
    events.define("looks", f"{SNAPSHOTS}{WRITES}")
    number = events.put("looks", own=True)
    events.work()
    assert events.log("output") == [("0\n",)]
    with events.server.connect(events.database) as other:
        events.put("looks", own=True)
        other.execute("SELECT pg_advisory_lock(hashtextextended('archiver event ' || %s, 0))", [number + 1])
        events.work()
        assert events.sink == [number]
    events.work()
    assert events.sink == [number, number + 1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("db.execute('BEGIN')", LEFT_OPEN),
        ("db.execute('BEGIN')\ntry:\n    db.execute('SELECT 1 / 0')\nexcept psycopg.Error:\n    pass", LEFT_OPEN),
        ("db.autocommit = False\ndb.execute('SELECT 1')", LEFT_OPEN),
        ("db.close()", CLOSED),
        ("global kept\nkept = db.cursor().copy('COPY sink (data) FROM STDIN')\nkept.__enter__()", CLOSED),
        ("global kept\nkept = db.pipeline()\nkept.__enter__()", CLOSED),
        (
            "global kept\nkept = db.pipeline()\nkept.__enter__()\n"
            "try:\n    db.execute('SELECT 1 / 0').fetchone()\nexcept psycopg.Error:\n    pass",
            CLOSED,
        ),
        ("global kept\nkept = db.transaction()\nkept.__enter__()", CLOSED),
        (
            "global kept\nkept = db.notifies(timeout=5)\ndb.execute('LISTEN a')\ndb.execute('NOTIFY a')\nnext(kept)",
            CLOSED,
        ),
    ],
)
def test_what_it_leaves_behind_fails_it_and_nothing_else(events: EventPlace, body: str, said: str) -> None:
    events.define("leaves", f"{WRITES}\n{body}")
    number, other = events.put("leaves", topic="a", own=True), events.put("writes", topic="b", own=True)
    events.work()
    assert events.sink == [number, other]
    ((waiting, attempts, error),) = events.waiting("id, attempts, last_error")
    assert (waiting, attempts) == (number, 1)
    assert error.startswith(said)


def test_what_it_sets_is_undone_before_the_next(events: EventPlace) -> None:
    events.define(
        "sets", "db.execute('SET search_path = pg_temp')\ndb.execute('SET ROLE pg_monitor')\ndb.autocommit = False"
    )
    events.put("sets", topic="a", own=True)
    following = [events.put(topic="b", own=True), events.put(topic="c")]
    events.work()
    assert events.sink == following


def test_after_its_last_attempt_it_is_dead(events: EventPlace) -> None:
    events.define("fails", "raise ValueError")
    number = events.put("fails", own=True, max_attempts=1)
    events.work()
    assert events.dead("id") == [(number,)]
