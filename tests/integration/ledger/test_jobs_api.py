"""TimescaleDB's functions: as its users call them, by position and by name, with what they return."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import errors

from pg_archiver.ledger.job_runs import RunEnd
from pg_archiver.ledger.jobs import JobState, StateChange
from tests.support.jobs import DIGEST, HOUR, Jobs, refusal, run_as
from tests.support.place import Place

pytestmark = pytest.mark.more

PROCEDURES = """
    CREATE SCHEMA app;
    CREATE PROCEDURE app.rollup(job_id int, config jsonb) LANGUAGE sql AS '';
    CREATE FUNCTION app.by_function(job_id bigint, config jsonb) RETURNS void LANGUAGE sql AS '';
    CREATE FUNCTION app.check_it(config jsonb) RETURNS void LANGUAGE sql AS '';
    CREATE PROCEDURE app.other(config jsonb) LANGUAGE sql AS '';
    CREATE PROCEDURE app."Odd %s {x}"(int, jsonb) LANGUAGE sql AS ''
"""
# As TimescaleDB's documentation has them (api/jobs-automation: add_job, alter_job).
ADD_JOB = (
    "proc regproc, schedule_interval interval, config jsonb, initial_start timestamp with time zone, scheduled boolean,"
    " check_config regproc, fixed_schedule boolean, timezone text, job_name text"
)
ALTER_JOB = (
    "job_id integer, schedule_interval interval, max_runtime interval, max_retries integer, retry_period interval,"
    " scheduled boolean, config jsonb, next_start timestamp with time zone, if_exists boolean, check_config regproc,"
    " fixed_schedule boolean, initial_start timestamp with time zone, timezone text, job_name text"
)
ALTERED = (
    "TABLE(job_id integer, schedule_interval interval, max_runtime interval, max_retries integer, retry_period interval"
    ", scheduled boolean, config jsonb, next_start timestamp with time zone, check_config text, fixed_schedule boolean,"
    " initial_start timestamp with time zone, timezone text, application_name name)"
)


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    place.sql(PROCEDURES)
    with Jobs.of(place) as jobs:
        yield jobs


def added(jobs: Jobs, arguments: str, *values: object) -> int:
    ((job_id,),) = run_as(jobs.place, f"SELECT archiver.add_job({arguments})", *values)
    return int(job_id)


def row(jobs: Jobs, job_id: int, columns: str) -> tuple[Any, ...]:
    ((*found,),) = jobs.place.sql(f"SELECT {columns} FROM archiver.jobs WHERE job_id = %s", job_id)
    return tuple(found)


def test_the_signatures_are_those_of_timescaledb(jobs: Jobs) -> None:
    found = jobs.place.sql(
        "SELECT proname, prokind::text, replace(pg_get_function_identity_arguments(oid), 'IN ', ''),"
        " pg_get_function_result(oid) FROM pg_proc WHERE pronamespace = 'archiver'::regnamespace"
        " AND proname IN ('add_job', 'alter_job', 'delete_job', 'run_job') ORDER BY proname"
    )
    assert found == [
        ("add_job", "f", ADD_JOB, "integer"),
        ("alter_job", "f", ALTER_JOB, ALTERED),
        ("delete_job", "f", "job_id integer", "void"),
        ("run_job", "p", "job_id integer", None),
    ]


def test_a_job_is_added_as_timescaledb_adds_one(jobs: Jobs) -> None:
    first = added(jobs, "'app.rollup', '1 hour'")
    assert first == 1000
    columns = "job_name, action, proc_schema, proc_name, config, schedule_interval, fixed_schedule, timezone, scheduled"
    assert row(jobs, first, columns) == (
        "User-Defined Action [1000]",
        "call",
        "app",
        "rollup",
        {},
        HOUR,
        True,
        "UTC",
        True,
    )
    assert row(jobs, first, "max_runtime, max_retries, retry_period") == (timedelta(0), -1, timedelta(minutes=5))
    start = datetime(2030, 1, 2, tzinfo=UTC)
    second = added(
        jobs,
        "'app.by_function', '1 day', '{\"days\": 2}', %s, false, 'app.check_it', false, 'Europe/Berlin', 'nightly'",
        start,
    )
    assert row(jobs, second, f"{columns}, initial_start, check_schema, check_name") == (
        "nightly",
        "call",
        "app",
        "by_function",
        {"days": 2},
        timedelta(days=1),
        False,
        "Europe/Berlin",
        False,
        start,
        "app",
        "check_it",
    )
    by_hand = added(jobs, "'app.\"Odd %%s {x}\"', NULL, job_name => %s", "by hand")
    assert row(jobs, by_hand, "proc_name, schedule_interval") == ("Odd %s {x}", None)


NO_JOBS: list[tuple[str, type[Exception], str]] = [
    ("'app.other', '1 hour'", errors.InvalidParameterValue, "app.other takes no (job_id integer, config jsonb)."),
    ("NULL, '1 hour'", errors.InvalidParameterValue, "proc takes no (job_id integer, config jsonb)."),
    ("0::oid::regproc, '1 hour'", errors.InvalidParameterValue, "takes no (job_id integer, config jsonb)."),
    ("'app.gone', '1 hour'", errors.UndefinedFunction, "app.gone"),
    ("'app.rollup', '0'", errors.CheckViolation, "schedule_interval of job"),
    ("'app.rollup', '1 hour', '[]'", errors.CheckViolation, "config of job"),
    ("'app.rollup', '1 hour', timezone => 'x'", errors.CheckViolation, "timezone of job"),
    ("'app.rollup', '1 hour', initial_start => 'infinity'", errors.CheckViolation, "initial_start of job"),
]


def test_what_cannot_be_a_job_is_refused(jobs: Jobs) -> None:
    for arguments, kind, words in NO_JOBS:
        error = refusal(jobs.place, f"SELECT archiver.add_job({arguments})")
        assert isinstance(error, kind), error
        assert words in str(error)
    assert jobs.place.sql("SELECT count(*) FROM archiver.jobs") == [(0,)]


def test_what_is_not_given_stays_and_the_row_comes_back(jobs: Jobs) -> None:
    job_id = added(jobs, "'app.rollup', '1 hour', '{\"days\": 2}', check_config => 'app.check_it'")
    before = row(jobs, job_id, "to_jsonb(jobs) - '{schedule_interval,max_retries,updated_at}'::text[]")
    changed = run_as(
        jobs.place, "SELECT * FROM archiver.alter_job(%s, schedule_interval => '2 days', max_retries => 3)", job_id
    )
    assert changed == [
        (
            job_id,
            timedelta(days=2),
            timedelta(0),
            3,
            timedelta(minutes=5),
            True,
            {"days": 2},
            None,
            "app.check_it",
            True,
            None,
            "UTC",
            "archiver",
        )
    ]
    assert row(jobs, job_id, "to_jsonb(jobs) - '{schedule_interval,max_retries,updated_at}'::text[]") == before


def test_everything_can_be_altered(jobs: Jobs) -> None:
    job_id = added(jobs, "'app.rollup', '1 hour'")
    run_as(
        jobs.place,
        "SELECT archiver.alter_job(%s, '2 hours', '10 min', 5, '1 min', false, '{\"a\": 1}', '2030-01-01 UTC', false,"
        " 'app.check_it', false, '2029-01-01 UTC', 'Asia/Tokyo', 'another name')",
        job_id,
    )
    columns = (
        "schedule_interval, max_runtime, max_retries, retry_period, scheduled, config, next_start, check_name,"
        " fixed_schedule, initial_start, timezone, job_name"
    )
    assert row(jobs, job_id, columns) == (
        timedelta(hours=2),
        timedelta(minutes=10),
        5,
        timedelta(minutes=1),
        False,
        {"a": 1},
        datetime(2030, 1, 1, tzinfo=UTC),
        "check_it",
        False,
        datetime(2029, 1, 1, tzinfo=UTC),
        "Asia/Tokyo",
        "another name",
    )
    run_as(jobs.place, "SELECT archiver.alter_job(%s, check_config => 0::oid::regproc)", job_id)
    assert row(jobs, job_id, "check_schema, check_name") == (None, None)


def test_an_interval_takes_the_place_of_a_cron_schedule(jobs: Jobs) -> None:
    key = jobs.add(schedule_interval=None, cron_schedule="0 1 * * *")
    run_as(jobs.place, "SELECT archiver.alter_job(%s, schedule_interval => '1 hour')", key.job_id)
    assert row(jobs, key.job_id, "cron_schedule, schedule_interval") == (None, HOUR)


def test_a_job_that_is_not_there_is_told(jobs: Jobs) -> None:
    for call in ("SELECT archiver.alter_job(1)", "SELECT archiver.delete_job(1)", "CALL archiver.run_job(1)"):
        error = refusal(jobs.place, call)
        assert isinstance(error, errors.UndefinedObject)
        assert "job 1 not found" in str(error)


def test_with_if_exists_a_job_that_is_not_there_is_a_notice(jobs: Jobs) -> None:
    assert run_as(jobs.place, "SELECT * FROM archiver.alter_job(1, scheduled => false, if_exists => true)") == []


def test_a_next_start_that_is_asked_for_holds_at_once_and_once(jobs: Jobs) -> None:
    (key,) = jobs.due()
    later = jobs.table.now() + HOUR
    run_as(jobs.place, "SELECT archiver.alter_job(%s, next_start => %s)", key.job_id, later)
    assert jobs.state(key, "next_start, definition, due_by") == (later, DIGEST, "manual")
    assert jobs.state(key, "asked_at > clock_timestamp() - interval '1 minute'") == (True,)
    assert jobs.table.claim_due("run", 5) == []
    assert jobs.place.sql("SELECT count(*) FROM archiver.job_changes WHERE old IS NOT NULL") == [(0,)]


def test_a_next_start_for_a_job_that_was_not_planned_yet_is_kept_by_the_plan(jobs: Jobs) -> None:
    key = jobs.add()
    asked = jobs.table.now() - HOUR
    run_as(jobs.place, "UPDATE archiver.jobs SET next_start = %s", asked)
    assert jobs.table.claim_due("run", 5) == []
    assert jobs.state(key, "asked_at IS NOT NULL") == (True,)
    jobs.plan(key, next_start=jobs.table.now() + HOUR)
    (claimed,) = jobs.table.claim_due("run", 5)
    assert (claimed.next_start, claimed.caused_by) == (asked, "manual")
    # The next plan of another definition goes by its schedule.
    jobs.table.requeue(["run"])
    later = jobs.table.now() + HOUR
    jobs.plan(key, next_start=later)
    assert jobs.state(key, "next_start, due_by") == (later, "schedule")


def test_a_next_start_for_a_job_that_turns_out_bad_is_not_kept(jobs: Jobs) -> None:
    key = jobs.add()
    run_as(jobs.place, "UPDATE archiver.jobs SET next_start = now()")
    jobs.plan(key, state=JobState.REFUSED)
    assert jobs.table.claim_due("run", 5) == []
    assert jobs.stats(key, "job_status, next_start") == ("Refused", None)


def test_a_next_start_of_a_job_for_every_database_needs_a_plan_first(jobs: Jobs) -> None:
    jobs.add(database_name="*")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="was not planned yet, so its databases are"):
        run_as(jobs.place, "UPDATE archiver.jobs SET next_start = now()")


def test_to_run_a_job_makes_it_due_now_and_says_that_it_does_not_wait(jobs: Jobs) -> None:
    key = jobs.add()
    jobs.plan(key, next_start=jobs.table.now() + HOUR)
    said: list[str] = []
    with jobs.place.connect() as connection:
        connection.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        connection.execute("CALL archiver.run_job(%s)", [key.job_id])
    assert said == [
        'job "rollup" is due now. It starts by itself within seconds; archiver.job_stats tells how it ended'
    ]
    assert [claimed.caused_by for claimed in jobs.table.claim_due("run", 5)] == ["manual"]


def test_a_job_that_would_not_start_is_told_with_why(jobs: Jobs) -> None:
    would_not = {
        JobState.REFUSED: "it is refused (because). Nothing was changed. Fix: change the job",
        JobState.EXHAUSTED: "it is exhausted (because). Nothing was changed. Fix: SELECT archiver.alter_job(1000, sch",
        JobState.WAITING: "it is paused (because). Nothing was changed.",
    }
    key = jobs.add()
    for state, words in would_not.items():
        jobs.table.write_states([StateChange(key, DIGEST, state, "because")])
        error = refusal(jobs.place, "CALL archiver.run_job(%s)", key.job_id)
        assert isinstance(error, errors.ObjectNotInPrerequisiteState)
        assert words in str(error)


def test_a_paused_job_would_not_start_either(jobs: Jobs) -> None:
    (key,) = jobs.due()
    run_as(jobs.place, "SELECT archiver.alter_job(%s, scheduled => false)", key.job_id)
    assert jobs.stats(key, "job_status, next_start") == ("Paused", None)
    assert "it is paused" in str(refusal(jobs.place, "CALL archiver.run_job(%s)", key.job_id))
    run_as(jobs.place, "SELECT archiver.alter_job(%s, scheduled => true)", key.job_id)
    run_as(jobs.place, "CALL archiver.run_job(%s)", key.job_id)


def test_one_that_has_given_up_is_planned_anew_when_somebody_says_that_it_is_scheduled(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.running(key)
    jobs.table.fold(key, jobs.ended(key, RunEnd(succeeded=False)), None, JobState.EXHAUSTED, "3 failures in a row")
    assert jobs.stats(key, "job_status, reason") == ("Exhausted", "3 failures in a row")
    run_as(jobs.place, "UPDATE archiver.jobs SET config = '{}'")
    assert jobs.state(key, "definition, state") == (DIGEST, "exhausted")
    run_as(jobs.place, "SELECT archiver.alter_job(%s, scheduled => true)", key.job_id)
    assert jobs.state(key, "definition") == ("",)
    jobs.plan(key)
    assert [claimed.key for claimed in jobs.table.claim_due("run", 5)] == [key]


def test_a_job_that_goes_on_is_not_planned_anew_by_that(jobs: Jobs) -> None:
    (key,) = jobs.due()
    run_as(jobs.place, "SELECT archiver.alter_job(%s, scheduled => true)", key.job_id)
    assert jobs.state(key, "definition") == (DIGEST,)


def test_every_change_of_a_definition_is_kept_with_who_made_it(jobs: Jobs) -> None:
    job_id = added(jobs, "'app.rollup', '1 hour'")
    run_as(jobs.place, "SELECT archiver.alter_job(%s, config => '{\"a\": 1}')", job_id)
    run_as(jobs.place, "UPDATE archiver.jobs SET config = config")
    run_as(jobs.place, "SELECT archiver.alter_job(%s, next_start => '2030-01-01')", job_id)
    run_as(jobs.place, "SELECT archiver.delete_job(%s)", job_id)
    changes = jobs.place.sql(
        "SELECT job_id, who, old ->> 'config', new ->> 'config' FROM archiver.job_changes ORDER BY id"
    )
    assert changes == [
        (job_id, "postgres", None, "{}"),
        (job_id, "postgres", "{}", '{"a": 1}'),
        (job_id, "postgres", '{"a": 1}', None),
    ]


def test_a_job_of_the_users_own_sets_its_next_start(jobs: Jobs) -> None:
    """As TimescaleDB has it: a procedure that alters its own job while it runs."""
    jobs.place.sql(
        "CREATE OR REPLACE PROCEDURE app.rollup(job_id int, config jsonb) LANGUAGE sql AS"
        " $$ SELECT archiver.alter_job(job_id, next_start => now() + interval '3 days') $$"
    )
    (key,) = jobs.due()
    jobs.running(key)
    run_as(jobs.place, "CALL app.rollup(%s, '{}')", key.job_id)
    jobs.table.fold(key, jobs.ended(key), jobs.table.now(), JobState.IDLE)
    assert jobs.stats(key, "next_start > now() + interval '2 days'") == (True,)
