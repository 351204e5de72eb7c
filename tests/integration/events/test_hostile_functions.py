"""A function may do what it likes: it fails by it, and neither its neighbours in the batch nor the worker do."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pg_archiver.events.calling import Ending
from pg_archiver.events.watchdog import Watchdog
from tests.support.event_place import AT_ONCE, LONG_BATCH_SECONDS, WRITES, EventPlace

SECRET = "secretjohndoe4711"
# What a function does, what its log says of it, and what is told of it elsewhere.
BAD = {
    "sys.exit": ("sys.exit(3)", "SystemExit: 3", "SystemExit in bad.py, line "),
    "swallowed": (
        "try:\n    db.execute('SELECT 1 / 0')\nexcept psycopg.Error:\n    pass",
        "the function went on after an error of the database",
        "the function went on after an error of the database",
    ),
    "commit": ("db.commit()", "ProgrammingError: Explicit commit() forbidden", "commit() or rollback(), though"),
    "rollback": ("db.rollback()", "ProgrammingError: Explicit rollback() forbidden", "commit() or rollback(), though"),
    "COMMIT": ("db.execute('COMMIT')", "the function ended the transaction", "the function ended the transaction"),
    "COMMIT AND CHAIN": (
        "db.execute('COMMIT AND CHAIN')",
        "the function ended the transaction",
        "the function ended the transaction",
    ),
    "COMMIT, BEGIN": (
        "db.execute('COMMIT')\ndb.execute('BEGIN')",
        "the function ended the transaction",
        "the function ended the transaction",
    ),
    "ROLLBACK": ("db.execute('ROLLBACK')", "the function ended the transaction", "the function ended the transaction"),
    "COMMIT and an error": ("db.execute('COMMIT')\nraise KeyError", "KeyError", "KeyError in bad.py, line "),
    "RELEASE": (
        "db.execute('RELEASE SAVEPOINT archiver_event')",
        "the function ended the transaction",
        "the function ended the transaction",
    ),
    "CALL that commits": (
        "db.execute('CREATE OR REPLACE PROCEDURE committing() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$')\n"
        "db.execute('CALL committing()')",
        "InvalidTransactionTermination: ",
        "2D000 invalid_transaction_termination in committing(), in line 1 in bad.py, line ",
    ),
    "autocommit": ("db.autocommit = False", "ProgrammingError: ", "psycopg's ProgrammingError in bad.py, line "),
    "close": ("db.close()", "the function ended the transaction", "the function ended the transaction"),
    "an open transaction of the driver": (
        "global kept\nkept = db.transaction()\nkept.__enter__()",
        "transaction commit at the wrong nesting level",
        "psycopg's OutOfOrderTransactionNesting",
    ),
    "COPY left open": (
        "global kept\nkept = db.cursor().copy('COPY sink (data) FROM STDIN')\nkept.__enter__()",
        "the function ended the transaction",
        "the function ended the transaction",
    ),
    "a pipeline left open": (
        "global kept\nkept = db.pipeline()\nkept.__enter__()",
        "the function ended the transaction",
        "the function ended the transaction",
    ),
    "an error in a pipeline left open": (
        "global kept\nkept = db.pipeline()\nkept.__enter__()\n"
        "try:\n    db.execute('SELECT 1 / 0').fetchone()\nexcept psycopg.Error:\n    pass",
        "the function ended the transaction",
        "the function ended the transaction",
    ),
    "the lock of the driver": (
        "db.lock.acquire()",
        "the function ended the transaction",
        "the function ended the transaction",
    ),
    "a generator": (
        "return (n for n in [1])",
        "the function returned a generator",
        "the function returned a generator",
    ),
    "a coroutine": (
        "async def later(): ...\nreturn later()",
        "the function returned a coroutine",
        "the function returned a coroutine",
    ),
    "endless recursion": ("def again(): again()\nagain()", "RecursionError: ", "RecursionError in bad.py, line "),
    "an error without words": (
        "class Odd(Exception):\n    def __str__(self): raise RuntimeError\nraise Odd",
        "bad.bad.<locals>.Odd: <exception str() failed>",
        "Odd in bad.py, line ",
    ),
    "out of memory": ("raise MemoryError", "MemoryError", "MemoryError in bad.py, line "),
    "an exception of asyncio": (
        "import asyncio\nraise asyncio.CancelledError",
        "CancelledError",
        "CancelledError in bad.py, line ",
    ),
    "a snooze for ever": ("raise Snooze(float('inf'))", "ValueError: Snooze takes a number of seconds", "ValueError"),
    "a constraint": (
        "db.execute('CREATE TABLE IF NOT EXISTS one (id int PRIMARY KEY)')\n"
        f"db.execute('ALTER TABLE one ADD COLUMN IF NOT EXISTS {SECRET} int')\n"
        "db.execute('INSERT INTO one VALUES (1), (1)')",
        "UniqueViolation: ",
        "23505 unique_violation in bad.py, line ",
    ),
    "a deferred constraint": (
        "db.execute('CREATE TABLE IF NOT EXISTS late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)')\n"
        "db.execute('INSERT INTO late VALUES (1), (1)')",
        "duplicate key value violates unique constraint",
        "23505 unique_violation",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_function_fails_alone_and_its_neighbours_run_once(
    events: EventPlace, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    body, message, told = BAD[what]
    events.define("bad", f"{WRITES}\n{body}")
    before = [events.put(topic=f"before {number}") for number in range(5)]
    bad = events.put("bad", topic="bad")
    held = events.put("writes", topic="bad")
    after = [events.put(topic=f"after {number}") for number in range(5)]
    events.work(commit_seconds=LONG_BATCH_SECONDS, max_seconds=LONGEST_SECONDS)
    expected = sorted([*before, *after])
    # What it committed itself stays.
    assert sorted(number for number in events.sink if number != bad) == expected
    assert events.waiting("id, attempts") == [(bad, 1), (held, 0)]
    ((error,),) = events.sql("SELECT last_error FROM archiver.events WHERE id = %s", bad)
    assert message in error
    assert told in caplog.text
    assert SECRET not in caplog.text


# As good as endless: longer than any limit of these tests, and no longer than a broken one may take.
ENDLESS_SECONDS = 20
LONGEST_SECONDS = 60.0
FORKS = """
child = os.fork()
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_what_a_function_forks_never_comes_back(events: EventPlace, capfd: pytest.CaptureFixture[str]) -> None:
    events.define(
        "forks",
        f"{WRITES}\nchild = os.fork()\nif child:\n    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
    )
    forked, following = events.put("forks"), events.put("writes")
    events.work()
    assert events.sink == [forked, following]
    assert events.log("event_id, output") == [(forked, "70\n"), (following, None)]


def test_what_a_function_forks_never_comes_back_by_an_error_either(events: EventPlace) -> None:
    events.define(
        "forks",
        """
        child = os.fork()
        if not child:
            raise KeyError
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
    )
    events.put("forks")
    events.work()
    assert events.log("succeeded, output") == [(True, "70\n")]


def test_what_is_printed_is_cut_and_goes_nowhere_else(events: EventPlace, capfd: pytest.CaptureFixture[str]) -> None:
    events.define("prints", "for number in range(100_000):\n    print('x' * 10_000)")
    events.put("prints")
    events.work()
    ((length, end),) = events.log("octet_length(output), right(output, 5)")
    assert (length, end) == (8192, "(cut)")
    assert "xxx" not in capfd.readouterr().out


SETTINGS = {
    "search_path": ("SET search_path = pg_temp", "public"),
    "role": ("SET ROLE pg_monitor", "postgres"),
    "session authorization": ("SET SESSION AUTHORIZATION other", "postgres"),
    "time zone": ("SET timezone = 'Asia/Tokyo'", ""),
    "local": ("SET LOCAL search_path = pg_temp", "public"),
    "limits": ("SET statement_timeout = 1", ""),
    "deferred": ("SET CONSTRAINTS ALL DEFERRED", ""),
    "read only": ("SET TRANSACTION READ ONLY", ""),
    "own": ("SELECT set_config('app.tenant', '7', false)", ""),
    "application": ("SET application_name = 'mine'", ""),
    "strings": ("SET standard_conforming_strings = off; SET escape_string_warning = off", ""),
    "dates": ("SET DateStyle = 'German'", ""),
}
TELLS = """
print(*[db.execute("SELECT coalesce(current_setting(%s, true), '')", [name]).fetchone()[0] for name in [
    "search_path", "timezone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
    "app.tenant", "application_name", "transaction_read_only", "DateStyle", "standard_conforming_strings"
]], db.execute("SELECT current_user, session_user").fetchone(), db.row_factory.__name__)
db.execute("INSERT INTO sink (event_id) VALUES (%s)", [event.id])
"""


@pytest.mark.parametrize("raises", [False, True], ids=["returns", "raises"])
@pytest.mark.parametrize("what", SETTINGS)
def test_what_a_function_sets_is_undone_before_the_next(events: EventPlace, what: str, raises: bool) -> None:
    events.sql("DROP ROLE IF EXISTS other")
    events.sql("CREATE ROLE other")
    events.define("tells", TELLS)
    events.define(
        "sets",
        f"""
        db.execute({SETTINGS[what][0]!r})
        from psycopg.rows import dict_row
        db.row_factory = dict_row
        db.cursor_factory = psycopg.ClientCursor
        {"raise KeyError" if raises else ""}
        """,
    )
    numbers = [events.put(name, topic=name) for name in ("tells", "sets", "tells")]
    events.work()
    tells = [row[0] for row in events.log("output") if row[0]]
    assert len(tells) == 2
    assert tells[0] == tells[1]
    assert tells[0].startswith('"$user", public ')
    assert " archiver events 0 " in tells[0]
    assert events.sink == [numbers[0], numbers[2]]
    assert events.waiting() == ([(numbers[1],)] if raises else [])
    events.sql("DROP ROLE other")


def test_limits_hold_while_a_function_runs(events: EventPlace) -> None:
    events.define("tells", TELLS)
    events.put("tells", topic="a")
    events.put("tells", topic="b", own=True)
    events.work()
    events.put("tells", topic="c")
    events.work(longest_in_batch=timedelta(seconds=5))
    found = [tuple(row[0].split()[3:6]) for row in events.log("output")]
    assert found == [("1min", "10s", "70s"), ("4h", "10s", "14410s"), ("5s", "10s", "15s")]


def test_a_call_takes_no_longer_than_its_job_says(events: EventPlace) -> None:
    events.define("tells", TELLS)
    events.put("tells", topic="a")
    events.put("tells", topic="b", own=True)
    events.sql("UPDATE archiver.jobs SET max_runtime = '20 seconds'")
    events.put("writes", topic="c")
    events.define("waits", f"{TELLS}\ndb.execute('SELECT pg_sleep(3600)')")
    events.put("waits", topic="d")
    events.sql("UPDATE archiver.jobs SET max_runtime = '1 second' WHERE function_name = 'waits'")
    last = events.put("tells", topic="e", max_attempts=3)
    result = events.work(commit_seconds=LONG_BATCH_SECONDS)
    found = sorted(tuple(row[0].split()[3:6]) for row in events.log("output") if row[0])
    assert found == [("1min", "10s", "70s"), ("1s", "10s", "11s"), ("20s", "10s", "30s"), ("20s", "10s", "30s")]
    assert result.tally.endings == {Ending.DONE: 4, Ending.FAILED: 1}
    assert last not in [number for (number,) in events.waiting()]


def test_the_stdout_of_the_process_is_as_it_was(events: EventPlace) -> None:
    before: Any = sys.stdout
    events.define("takes", "sys.stdout = open(os.devnull, 'w')")
    events.put("takes")
    events.put("writes")
    events.work()
    after, sys.stdout = sys.stdout, before
    assert after in {before, after}
    assert os.getpid()


def test_a_function_that_never_ends_fails_and_the_next_runs(events: EventPlace) -> None:
    events.define("hangs", f"{WRITES}\ntime.sleep({ENDLESS_SECONDS})")
    looping = f"end = time.monotonic() + {ENDLESS_SECONDS}\nwhile time.monotonic() < end:\n    pass"
    events.define("loops", f"{WRITES}\n{looping}")
    events.define("waits", f"{WRITES}\ndb.execute('SELECT pg_sleep({ENDLESS_SECONDS})')")
    numbers = [events.put(name, topic=name) for name in ("hangs", "loops", "waits")]
    own = events.put("hangs", topic="own", own=True)
    done = events.put("writes", topic="last")
    short = timedelta(seconds=0.5)
    limits = replace(AT_ONCE, longest_in_batch=short, longest_alone=short)
    events.worker(limits, Watchdog(timedelta(seconds=0.2))).run()
    # The one that commits by itself may have come again by now.
    assert {*events.sink} == {own, done}
    waiting = events.waiting("id, attempts > 0, split_part(last_error, ':', 1)")
    assert waiting == [
        (numbers[0], True, "the function took too long"),
        (numbers[1], True, "the function took too long"),
        (numbers[2], True, "psycopg.errors.QueryCanceled"),
        (own, True, "the function took too long"),
    ]
