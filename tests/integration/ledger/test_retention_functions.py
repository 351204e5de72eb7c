"""TimescaleDB's functions of retention: as its users call them, by position and by name, with what they return."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import errors

from tests.support.jobs import Jobs, refusal, run_as
from tests.support.place import Place
from tests.support.policies import VIEW

# As TimescaleDB's documentation has them (api/data-retention), as far as they are of use without its chunks; what
# another table than a hypertable has to be told stands at the end.
ADD = (
    "relation regclass, drop_after interval, if_not_exists boolean, schedule_interval interval,"
    " initial_start timestamp with time zone, timezone text, timestamp_column text, action text, batch_size integer"
)
TABLES = """
    CREATE SCHEMA app;
    CREATE TABLE app.conditions (id int, "time" timestamptz);
    CREATE TABLE app.days (day date) PARTITION BY RANGE (day);
    CREATE TABLE app.two (made timestamp, changed timestamptz);
    CREATE TABLE app.none (id int);
    CREATE VIEW app.shown AS SELECT * FROM app.conditions;
    CREATE TABLE app."Odd "".%s {x}" (at timestamp)
"""
BAD = [
    (
        "'app.two', interval '30 days'",
        "timestamp_column",
        "is not given, and the table has several that it may be: made",
    ),
    ("'app.none', interval '30 days'", "timestamp_column", "is not given, and the table has no column of a timestamp"),
    (
        "'app.two', interval '30 days', timestamp_column => 'id'",
        "timestamp_column",
        "is no column of a timestamp or date",
    ),
    (
        "'app.none', interval '1 day', timestamp_column => 'id'",
        "timestamp_column",
        "is no column of a timestamp or date",
    ),
    ("'app.shown', interval '30 days'", "relation", "is no table"),
    ("NULL, interval '30 days'", "relation", "is no table"),
    ("'app.conditions', NULL", "drop_after", "is missing, or endless"),
    ("'app.conditions', interval '6 months'", "drop_after", "is no whole number of days"),
    ("'app.conditions', interval '1 year'", "drop_after", "is no whole number of days"),
    ("'app.conditions', interval '36 hours'", "drop_after", "is no whole number of days"),
    ("'app.conditions', interval '-1 day'", "drop_after", "is not between 0 and 36,500 days"),
    ("'app.conditions', interval '36501 days'", "drop_after", "is not between 0 and 36,500 days"),
    ("'app.conditions', interval '1 day', action => 'drop'", "action", "is neither archive nor delete"),
    ("'app.conditions', interval '1 day', action => NULL", "action", "is neither archive nor delete"),
    ("'app.conditions', interval '1 day', batch_size => 0", "batch_size", "is not between 1 and 10,000,000"),
]


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    place.sql(TABLES)
    with Jobs.of(place) as jobs:
        yield jobs


def added(jobs: Jobs, arguments: str) -> int:
    ((number,),) = run_as(jobs.place, f"SELECT archiver.add_retention_policy({arguments})")
    return int(number)


def row(jobs: Jobs, number: int) -> dict[str, Any]:
    found = jobs.table.find_job(number)
    assert found
    return dict(found.as_mapping())


def test_its_arguments_are_those_of_timescaledb(jobs: Jobs) -> None:
    ((arguments,),) = jobs.place.sql(
        "SELECT pg_get_function_identity_arguments('archiver.add_retention_policy'::regproc)"
    )
    assert arguments == ADD


def test_a_policy_is_added_as_in_timescaledb(jobs: Jobs) -> None:
    found = row(jobs, added(jobs, "'app.conditions', INTERVAL '24 hours'"))
    assert found["config"] == {"table": "app.conditions", "timestamp_column": "time", "keep_days": 1}
    assert (found["action"], found["database_name"]) == ("archive", jobs.place.database)
    assert found["schedule_interval"].days == 1
    more = (
        "'app.two', drop_after => '30 days', schedule_interval => '2 hours', initial_start => '2030-01-02 03:04Z',"
        " timezone => 'Europe/Berlin', timestamp_column => 'changed', action => 'delete', batch_size => 5"
    )
    found = row(jobs, added(jobs, more))
    assert found["config"] == {"table": "app.two", "timestamp_column": "changed", "keep_days": 30, "batch_size": 5}
    assert (found["action"], found["timezone"]) == ("delete", "Europe/Berlin")
    assert found["initial_start"] == datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
    assert timedelta(microseconds=found["schedule_interval"].microseconds) == timedelta(hours=2)
    added(jobs, "'app.days', interval '0'")
    assert row(jobs, added(jobs, """'app."Odd "".%s {x}"', interval '7 days'"""))["config"]["table"] == (
        'app."Odd "".%s {x}"'
    )
    assert jobs.place.sql(f"SELECT table_name, retention_days FROM {VIEW} ORDER BY id") == [
        ("conditions", 1),
        ("two", 30),
        ("days", 0),
        ('Odd ".%s {x}', 7),
    ]


def test_a_policy_that_is_there_is_refused_or_skipped(jobs: Jobs) -> None:
    number = added(jobs, "'app.conditions', interval '1 day'")
    again = refusal(jobs.place, "SELECT archiver.add_retention_policy('app.conditions', interval '2 days')")
    assert isinstance(again, errors.UniqueViolation)
    assert "already. Nothing was saved. Fix: UPDATE that row of data_retention_policy" in str(again)
    assert added(jobs, "'app.conditions', interval '2 days', if_not_exists => true") == -1
    assert row(jobs, number)["config"]["keep_days"] == 1


def test_what_cannot_be_a_policy_is_refused_with_its_argument_and_a_fix(jobs: Jobs) -> None:
    for arguments, argument, words in BAD:
        error = refusal(jobs.place, f"SELECT archiver.add_retention_policy({arguments})")
        assert isinstance(error, errors.InvalidParameterValue), arguments
        assert error.diag.column_name == argument, arguments
        assert words in str(error), arguments
        assert ". Nothing was saved. Fix: " in str(error)
    assert jobs.table.list_jobs() == []


def test_an_interval_without_an_end_is_refused_as_servers_know_it_from_17_on(jobs: Jobs) -> None:
    error = refusal(jobs.place, "SELECT archiver.add_retention_policy('app.conditions', interval 'infinity')")
    assert "is missing, or endless" in str(error)


def test_a_policy_is_removed_as_in_timescaledb(jobs: Jobs) -> None:
    added(jobs, "'app.conditions', interval '1 day'")
    added(jobs, "'app.days', interval '1 day'")
    run_as(jobs.place, "SELECT archiver.remove_retention_policy('app.conditions')")
    assert jobs.place.sql(f"SELECT table_name FROM {VIEW}") == [("days",)]
    error = refusal(jobs.place, "SELECT archiver.remove_retention_policy('app.conditions')")
    assert isinstance(error, errors.UndefinedObject)
    assert "Nothing was changed. Fix: look for the policy in archiver.data_retention_policy" in str(error)
    run_as(jobs.place, "SELECT archiver.remove_retention_policy('app.conditions', if_exists => true)")


def test_names_are_found_along_the_callers_path_and_never_the_functions(jobs: Jobs) -> None:
    with jobs.place.connect() as connection:
        connection.execute("SET search_path = app")
        connection.execute("SELECT archiver.add_retention_policy('conditions', interval '1 day')")
        connection.commit()
    assert jobs.place.sql(f"SELECT schema_name, table_name FROM {VIEW}") == [("app", "conditions")]
