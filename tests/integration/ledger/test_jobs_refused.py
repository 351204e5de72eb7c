"""What nobody can write into `archiver.jobs`: the message names the column and the fix, and nothing is saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors, sql
from psycopg.types.json import Json

from pg_archiver.errors import PolicyError
from pg_archiver.policies.jobs import Job
from tests.support.jobs import Jobs, refusal, run_as
from tests.support.place import Place

GOOD: dict[str, Any] = {"job_name": "j", "action": "call", "proc_name": "p", "schedule_interval": "1 hour"}
# What is changed of a good row, the column that is named, and the beginning of what is said of it.
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no interval": ({"schedule_interval": "0"}, "schedule_interval", "is shorter than a second"),
    "negative interval": ({"schedule_interval": "-1 hour"}, "schedule_interval", "is shorter than a second"),
    "part negative": ({"schedule_interval": "1 day -1 hour"}, "schedule_interval", "is shorter than a second, or part"),
    "part negative, months": (
        {"schedule_interval": "2 mon -1 day"},
        "schedule_interval",
        "is shorter than a second, or",
    ),
    "a millisecond": ({"schedule_interval": "1 ms"}, "schedule_interval", "is shorter than a second"),
    "a thousand years": ({"schedule_interval": "1000 years"}, "schedule_interval", "is longer than 100 years"),
    "months and days": ({"schedule_interval": "1 mon 1 day"}, "schedule_interval", "has months and shorter parts"),
    "cron and interval": ({"cron_schedule": "0 1 * * *"}, "cron_schedule", "and schedule_interval are both set"),
    "sliding cron": (
        {"cron_schedule": "0 1 * * *", "schedule_interval": None, "fixed_schedule": False},
        "fixed_schedule",
        "is false, and a cron schedule is fixed",
    ),
    "empty cron": ({"cron_schedule": "", "schedule_interval": None}, "cron_schedule", "is empty"),
    "max_retries": ({"max_retries": -2}, "max_retries", "is below -1"),
    "start never": ({"initial_start": "infinity"}, "initial_start", "is not between 1970 and 2999"),
    "start always": ({"initial_start": "-infinity"}, "initial_start", "is not between 1970 and 2999"),
    "start late": ({"initial_start": "9999-12-31"}, "initial_start", "is not between 1970 and 2999"),
    "start early": ({"initial_start": "0044-03-15 BC"}, "initial_start", "is not between 1970 and 2999"),
    "next start never": ({"next_start": "infinity"}, "next_start", "is not between 1970 and 2999"),
    "config a list": ({"config": "[1]"}, "config", "is a JSON array"),
    "config a text": ({"config": '"x"'}, "config", "is a JSON string"),
    "config JSON null": ({"config": "null"}, "config", "is a JSON null"),
    "config large": ({"config": '{"a": "' + "x" * 65_536 + '"}'}, "config", "has more than 65,536 bytes"),
    "config of 5 MB": ({"config": '{"a": "' + "x" * 5_000_000 + '"}'}, "config", "has more than 65,536 bytes"),
    "zone": ({"timezone": "Mars/Olympus"}, "timezone", "is not the name of a time zone"),
    "zone as a rule": ({"timezone": "EST5EDT4,M3.2.0,M11.1.0"}, "timezone", "is not the name of a time zone"),
    "zone as an offset": ({"timezone": "+02"}, "timezone", "is not the name of a time zone"),
    "zone empty": ({"timezone": ""}, "timezone", "is not the name of a time zone"),
    "max_runtime": ({"max_runtime": "25 hours"}, "max_runtime", "is not between 0 and 24 hours"),
    "max_runtime negative": ({"max_runtime": "-1 s"}, "max_runtime", "is not between 0 and 24 hours"),
    "retry_period": ({"retry_period": "0"}, "retry_period", "is not between a second and a year"),
    "retry_period negative": ({"retry_period": "1 day -1 s"}, "retry_period", "is not between a second and a year"),
    "name empty": ({"job_name": ""}, "job_name", "is empty"),
    "name long": ({"job_name": "x" * 201}, "job_name", "has more than 200 characters"),
    "name with a line": ({"job_name": "a\nb"}, "job_name", "holds control characters"),
    "job_id": ({"job_id": 0}, "job_id", "is not above 0"),
    "job_id far away": ({"job_id": 2**31 - 1}, "job_id", "is more than 100,000 beyond the last one"),
    "action": ({"action": "drop"}, "action", "is unknown"),
    "source": ({"source": "dag"}, "source", "is unknown"),
    "no procedure": ({"proc_name": None}, "proc_name", "is missing, and action is call"),
    "empty procedure": ({"proc_name": ""}, "proc_name", "is missing, and action is call"),
    "procedure of a delete": ({"action": "delete"}, "proc_name", "is set, and action is delete"),
    "empty schema": ({"proc_schema": ""}, "proc_schema", "is empty, or stands alone"),
    "schema alone": (
        {"action": "archive", "proc_name": None, "proc_schema": "s"},
        "proc_schema",
        "is empty, or stands alone",
    ),
    "check_schema alone": ({"check_schema": "app"}, "check_name", "is empty, or missing"),
    "no function": ({"action": "function", "proc_name": None}, "function_name", "is missing, and action is function"),
    "function of a call": ({"function_name": "f"}, "function_name", "is set, and action is call"),
    "empty database": ({"database_name": ""}, "database_name", "is empty"),
    "long text": ({"run_window": "x" * 1001}, "a text", "has more than 1,000 characters"),
}
HOSTILE = [
    'a "quoted" one',
    "it's",
    "Capitals",
    "100%",
    "%s %(start)s %%",
    "{}",
    "{table}",
    "; DROP TABLE archiver.jobs; --",
    "\\",
    "ä 漢字 😀",
    " ",
    "a.b",
]


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    with Jobs.of(place) as jobs:
        yield jobs


def insertion(row: dict[str, Any]) -> tuple[str, list[Any]]:
    return f"INSERT INTO archiver.jobs ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values())


def test_a_bad_row_is_refused_with_its_column_and_a_fix_and_saves_nothing(jobs: Jobs) -> None:
    for case, (changes, column, words) in BAD.items():
        statement, values = insertion(GOOD | changes)
        error = refusal(jobs.place, statement, *values)
        assert isinstance(error, errors.CheckViolation), case
        assert (error.diag.table_name, error.diag.column_name) == ("jobs", column), case
        said = str(error.diag.message_primary)
        wanted = rf"{column} of job \".*\" {re.escape(words)}.*\. Nothing was saved\. Fix: \w"
        assert re.match(wanted, said, re.DOTALL), said
        assert len(said) < 500
    assert jobs.place.sql("SELECT count(*) FROM archiver.jobs") == [(0,)]


def test_a_good_row_cannot_be_made_a_bad_one(jobs: Jobs) -> None:
    jobs.add("j", proc_name="p")
    before = jobs.place.sql("SELECT * FROM archiver.jobs")
    # What is moved past is only what an INSERT chooses; a schema of a job that calls nothing goes with its procedure.
    for case in BAD.keys() - {"job_id far away", "schema alone"}:
        changes, column, _ = BAD[case]
        settings = ", ".join(f"{name} = %s" for name in changes)
        error = refusal(jobs.place, f"UPDATE archiver.jobs SET {settings}", *changes.values())
        assert isinstance(error, errors.CheckViolation), case
        assert error.diag.column_name == column, case
    assert jobs.place.sql("SELECT * FROM archiver.jobs") == before


def test_an_infinite_interval_as_servers_know_it_from_17_on_is_refused(jobs: Jobs) -> None:
    for column in ("schedule_interval", "max_runtime", "retry_period"):
        statement, values = insertion(GOOD | {column: "infinity"})
        assert refusal(jobs.place, statement, *values).diag.column_name == column


def test_the_tables_own_conditions_hold_where_triggers_are_off(jobs: Jobs) -> None:
    """For whoever may switch triggers off, and for a program that replaces the guard."""
    kept = {"source", "job_id far away", "part negative", "part negative, months", "months and days", "sliding cron"}
    kept |= {"zone", "zone as a rule", "zone as an offset", "zone empty", "name with a line", "long text", "empty cron"}
    kept |= {"empty procedure", "empty schema", "retry_period negative"}
    jobs.place.sql("ALTER TABLE archiver.jobs DISABLE TRIGGER USER")
    for case, (changes, _, _) in BAD.items():
        row = {"proc_schema": "public", **GOOD, **changes}
        if case not in kept:
            statement, values = insertion({name: value for name, value in row.items() if name != "x"})
            assert isinstance(refusal(jobs.place, statement, *values), errors.IntegrityError), case


def test_odd_names_are_kept_as_they_are_and_come_back(jobs: Jobs) -> None:
    for name in HOSTILE:
        key = jobs.add(
            name,
            proc_schema=name,
            proc_name=name,
            check_schema=name,
            check_name=name,
            database_name=name,
            application_name=name,
            config=Json({name: name}),
        )
        jobs.plan(key)
        row = jobs.table.find_job(key.job_id)
        assert row
        assert {row.job_name, row.proc_schema, row.proc_name, row.check_schema, row.check_name} == {name}
        assert (row.database_name, row.application_name, row.config) == (name, name, {name: name})
        assert Job.from_row(row.as_mapping()).name == name
    assert [row.job_name for row in jobs.table.list_jobs()] == HOSTILE
    assert sorted(claimed.job_name for claimed in jobs.table.claim_due("run", 50)) == sorted(HOSTILE)
    assert jobs.place.sql("SELECT job_name FROM archiver.job_stats ORDER BY job_id") == [(name,) for name in HOSTILE]


def test_a_refusal_shows_an_odd_name_as_it_is(jobs: Jobs) -> None:
    for name in HOSTILE:
        statement, values = insertion(GOOD | {"job_name": name, "max_retries": -2})
        assert f'of job "{name}" is below' in str(refusal(jobs.place, statement, *values))


def test_without_a_name_a_job_is_called_as_timescaledb_calls_it(jobs: Jobs) -> None:
    jobs.place.sql("INSERT INTO archiver.jobs (action, proc_name) VALUES ('call', 'p'), ('call', 'q')")
    assert jobs.place.sql("SELECT job_id, job_name, proc_schema FROM archiver.jobs ORDER BY 1") == [
        (1000, "User-Defined Action [1000]", "public"),
        (1001, "User-Defined Action [1001]", "public"),
    ]


def test_two_jobs_have_two_names(jobs: Jobs) -> None:
    jobs.add("twice")
    statement, values = insertion(GOOD | {"job_name": "twice"})
    assert isinstance(refusal(jobs.place, statement, *values), errors.UniqueViolation)


def test_a_number_cannot_change(jobs: Jobs) -> None:
    key = jobs.add()
    error = refusal(jobs.place, "UPDATE archiver.jobs SET job_id = 5 WHERE job_id = %s", key.job_id)
    assert 'job_id of job "rollup" cannot change. Nothing was saved. Fix: delete the job' in str(error)


def test_a_number_chosen_by_hand_is_not_given_to_the_next_job(jobs: Jobs) -> None:
    assert jobs.add("old", job_id=7).job_id == 7
    assert jobs.add("first").job_id == 1000
    assert jobs.add("by hand", job_id=1500).job_id == 1500
    assert jobs.add("next").job_id == 1501
    assert jobs.add("in between", job_id=1200).job_id == 1200
    assert jobs.add("after").job_id == 1502


def test_a_config_that_python_cannot_read_keeps_no_other_job_from_being_read(jobs: Jobs) -> None:
    jobs.add("digits", config='{"n": ' + "9" * 6000 + "}")
    jobs.add("levels", config='{"n": ' + "[" * 3000 + "]" * 3000 + "}")
    jobs.add("large number", config='{"n": 1e400}')
    jobs.add("good", config='{"days": 2}')
    rows = {row.job_name: row for row in jobs.table.list_jobs()}
    assert rows["good"].config == {"days": 2}
    for name in ("digits", "levels"):
        with pytest.raises(PolicyError, match="config: "):
            Job.from_row(rows[name].as_mapping())


def test_a_database_has_no_more_jobs_than_whoever_plans_can_hold(jobs: Jobs) -> None:
    many = "INSERT INTO archiver.jobs (config) SELECT %s FROM generate_series(1, %s)"
    limit = "a database may have 5,000 jobs, and 16 MB of config in all of them. Nothing was saved."
    assert limit in str(refusal(jobs.place, many, "{}", 5001))
    large, larger = (Json({"text": "x" * size}) for size in (60_000, 65_000))
    assert limit in str(refusal(jobs.place, many, larger, 259))
    assert jobs.place.sql("SELECT count(*) FROM archiver.jobs") == [(0,)]
    run_as(jobs.place, many, large, 259)
    assert limit in str(refusal(jobs.place, "UPDATE archiver.jobs SET config = %s", larger))
    run_as(jobs.place, "UPDATE archiver.jobs SET config = '{}'")
    run_as(jobs.place, many, "{}", 4741)
    assert isinstance(refusal(jobs.place, many, "{}", 1), errors.ProgramLimitExceeded)


def test_in_a_database_without_an_encoding_only_ascii_is_taken(place: Place) -> None:
    name = f"{place.database}_ascii"
    with place.server.connect() as connection:
        identifier = sql.Identifier(name)
        connection.execute(
            sql.SQL("CREATE DATABASE {} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'").format(identifier)
        )
        try:
            with place.server.connect(name) as user:
                other = Place(**{**vars(place), "database": name, "user": user})
                with Jobs.of(other) as jobs:
                    user.execute("SET client_encoding = 'SQL_ASCII'")
                    with pytest.raises(errors.CheckViolation, match="is not ASCII"):
                        user.execute(b"INSERT INTO archiver.jobs (job_name) VALUES ('\xff')")
                    jobs.add("plain")
                    assert [row.job_name for row in jobs.table.list_jobs()] == ["plain"]
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def test_who_made_it_and_when_is_the_servers_to_say(jobs: Jobs) -> None:
    key = jobs.add()
    ((before,),) = jobs.place.sql("SELECT updated_at FROM archiver.jobs")
    run_as(jobs.place, "UPDATE archiver.jobs SET created_at = '2000-01-01', updated_at = '2000-01-01'")
    row = jobs.table.find_job(key.job_id)
    assert row
    assert row.created_at <= before < row.updated_at
