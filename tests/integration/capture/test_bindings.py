"""What cannot be watched, and settings that cannot be: each is refused, names itself, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from dev.postgres import PostgresServer
from dev.s3 import S3Server
from tests.support.events import Events
from tests.support.place import Place

TABLES = """
    CREATE SCHEMA app;
    CREATE TABLE app.orders (id int PRIMARY KEY, note text);
    CREATE TABLE app.keyless (note text);
    CREATE VIEW app.shown AS SELECT * FROM app.orders;
    CREATE TABLE app.parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE app.part PARTITION OF app.parts FOR VALUES FROM (0) TO (9);
    CREATE TEMPORARY TABLE passing (id int PRIMARY KEY);
    CREATE EXTENSION file_fdw;
    CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE app.elsewhere (id int) SERVER files OPTIONS (filename '/dev/null');
    CREATE SEQUENCE app.numbers
"""
CALLS = """
    INSERT INTO archiver.jobs (job_name, action, proc_schema, proc_name) VALUES ('call it', 'call', 'app', 'none')
"""
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a view": ("app.shown", {}, "is a view, which has no rows of its own"),
    "a foreign table": ("app.elsewhere", {"key_columns": ["id"]}, "is a foreign table"),
    "a temporary table": ("passing", {}, "is a temporary table"),
    "a partition": ("app.part", {}, "is a partition. Nothing was saved. Fix: watch app.parts"),
    "a sequence": ("app.numbers", {"key_columns": ["last_value"]}, "is not a table"),
    "a table of the server": ("pg_catalog.pg_class", {}, "is a table of the server itself"),
    "a table of this program": ("archiver.jobs", {}, "is a table of this program itself"),
    "no key": ("app.keyless", {}, "is not given, and the table has no primary key"),
    "an unknown job": ("app.orders", {"job": "none"}, 'is "none", and database'),
    "a job of another kind": ("app.orders", {"job": "call it"}, "whose action is call"),
    "an unknown operation": ("app.orders", {"operations": ["SELECT"]}, "is empty, or holds something else"),
    "no operation": ("app.orders", {"operations": []}, "is empty, or holds something else"),
    "an unknown column": ("app.orders", {"payload_columns": ["none"]}, 'names "none", which is no stored column'),
    "an unknown column of a topic": ("app.orders", {"topic": ".none"}, 'names "none", which is no stored column'),
    "a topic that is no list": ("app.orders", {"topic": ".a..b"}, "begins with a dot and is no list of columns"),
    "a topic of ours": ("app.orders", {"topic": "#1"}, "begins with #"),
    "a topic with control characters": ("app.orders", {"topic": "a\nb"}, "or control characters"),
    "a priority beyond": ("app.orders", {"priority": 40_000}, "is not between -32,768 and 32,767"),
    "a delay that is negative": ("app.orders", {"delay": "-1 second"}, "is negative, or longer than a year"),
    "a delay without end": ("app.orders", {"delay": "2 years"}, "is negative, or longer than a year"),
    "no attempt": ("app.orders", {"max_attempts": 0}, "is below 1"),
    "another transaction": (
        "app.orders",
        {"transaction": "none"},
        "is unknown. Nothing was saved. Fix: use with_",
    ),
    "another log": ("app.orders", {"log": "some"}, "is unknown. Nothing was saved. Fix: use none, errors or all"),
    "a merge without order": ("app.orders", {"merge": True, "queue": False}, "is true, and queue is false"),
    "a limit of nothing": ("app.orders", {"max_waiting": 0}, "is below 1"),
    "changes without UPDATE": (
        "app.orders",
        {"operations": ["INSERT"], "changed_columns": ["note"]},
        "is empty, or there is no UPDATE",
    ),
}
CASTS = {"delay": "interval"}


@pytest.fixture(scope="module")
def tables(server: PostgresServer, rclone: S3Server) -> Iterator[Events]:
    """One database for all of them: what is refused leaves nothing."""
    with Place.made(server, rclone, 500_000) as place, Events.of(place) as events:
        for statement in TABLES.split(";"):
            place.sql(statement)
        place.sql(CALLS)
        yield events


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_watched_is_refused_and_says_why(tables: Events, what: str) -> None:
    table, settings, said = REFUSED[what]
    assert said in refused(tables, table, **settings)
    assert tables.place.sql("SELECT count(*) FROM archiver.bindings") == [(0,)]
    assert tables.place.sql("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'archiver_events%'") == []


@pytest.mark.parametrize("channel", ["q", "", "/" + "q" * 200, "/a\nb"])
def test_a_channel_of_an_odd_name_is_refused(tables: Events, channel: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="does not begin with /, has more than 200"):
        tables.open_channel(channel=channel)


def test_operations_of_one_job_and_table_are_watched_once(events: Events) -> None:
    events.place.sql("CREATE SCHEMA app; CREATE TABLE app.orders (id int PRIMARY KEY)")
    number = events.watch(operations=["INSERT", "UPDATE"])
    assert f"are partly those of binding {number} of the same table and job" in refused(
        events, "app.orders", operations=["UPDATE"]
    )
    events.watch(operations=["DELETE"])


def refused(events: Events, table: str, **settings: Any) -> str:
    """The words with which a binding is refused."""
    given = {"job": "copy", **settings}
    named = ", ".join(f"{name} => %s{'::' + CASTS[name] if name in CASTS else ''}" for name in given)
    with pytest.raises(psycopg.Error) as error:
        events.place.sql(f"SELECT archiver.watch(%s::regclass, {named})", table, *given.values())
    return str(error.value)
