"""Jobs that cannot be run as they are: refused with the reason, red once, and looked at again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pg_archiver.jobs import call as calling
from pg_archiver.jobs import choose as choosing
from pg_archiver.jobs.run import Ending
from tests.support.concurrency import until
from tests.support.job_place import JobPlace

WRITES = "INSERT INTO app.done VALUES (job_id, config);"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"action": "function", "function_name": "any", "proc_schema": None, "proc_name": None},
            "action 'function' is not allowed on rds_main. Nothing was run. Fix: add it to actions",
        ),
        ({"database_name": "elsewhere"}, "database_name is 'elsewhere', which is none of databases"),
        ({"proc_schema": "other"}, "other.job is not among the procedures that the policy file allows"),
        ({"check_schema": "other", "check_name": "check"}, "other.check is not among the procedures"),
        ({"cron_schedule": "61 * * * *"}, "not a cron schedule"),
        ({"cron_schedule": "0 0 30 2 *"}, "not a cron schedule"),
        ({"run_window": "at night"}, "run_window"),
        ({"proc_name": "missing"}, "there is no procedure or function app.missing"),
        ({"proc_name": "Job"}, "there is no procedure or function app.Job"),
        ({"check_schema": "app", "check_name": "missing"}, "there is no procedure or function app.missing"),
        ({"proc_name": "odd"}, "has the parameters"),
        ({"proc_name": "twice"}, "is ambiguous"),
        ({"proc_name": 'a "quoted" %s {name}'}, 'there is no procedure or function app.a "quoted" %s {name}'),
    ],
)
def test_a_job_that_cannot_be_run_is_refused_with_its_reason_and_red_once(
    ready: JobPlace, columns: dict[str, Any], said: str
) -> None:
    ready.sql(
        ready.target,
        "CREATE PROCEDURE app.odd(text) LANGUAGE sql AS '';"
        "CREATE PROCEDURE app.twice(int, jsonb) LANGUAGE sql AS '';"
        "CREATE PROCEDURE app.twice(bigint, jsonb) LANGUAGE sql AS ''",
    )
    schedule = {} if "cron_schedule" in columns else {"schedule_interval": "1 hour"}
    ready.job(**schedule, **columns)
    ready.job("another", schedule_interval="1 hour", fixed_schedule=False)
    plan = ready.plan()
    (problem,) = plan.problems
    assert problem.subject.endswith(" / rollup")
    assert said in problem.told
    assert "Fix: " in problem.told or "Write " in problem.told
    assert ready.state(columns="state, reason") == ("refused", problem.told)
    # The other one is none the worse for it.
    assert [claim.job_name for claim in plan.claims] == ["another"]
    assert ready.plan("run 2").problems == ()


def test_what_the_database_holds_cannot_get_around_the_guards_of_its_table(ready: JobPlace) -> None:
    """Conditions and triggers switched off by an owner: the row is refused, and never run."""
    ready.job(schedule_interval="1 hour")
    ready.sql(ready.control, "ALTER TABLE archiver.jobs DISABLE TRIGGER USER")
    for name in ("jobs_procedure", "jobs_one_schedule", "jobs_config_check", "jobs_config_size"):
        ready.sql(ready.control, f"ALTER TABLE archiver.jobs DROP CONSTRAINT {name}")
    for change in (
        "cron_schedule = '* * * * *'",
        "proc_name = NULL, proc_schema = NULL",
        "config = '[1]'",
        "config = jsonb_build_object('a', repeat('x', 70000))",
        "config = ('[' || repeat('[', 5000) || repeat(']', 5000) || ']')::jsonb",
        "timezone = 'Nowhere'",
        "job_name = E'a\\nb'",
    ):
        with ready.server.connect(ready.control, autocommit=False) as changing:
            changing.execute(f"UPDATE archiver.jobs SET {change}".encode())
            changing.commit()
        plan = ready.plan()
        assert len(plan.problems) == 1, change
        assert plan.claims == ()
        assert ready.sql(ready.control, "SELECT state FROM archiver.job_state") == [("refused",)]
        ready.sql(
            ready.control,
            "UPDATE archiver.jobs SET cron_schedule = NULL, proc_name = 'job', proc_schema = 'app', config = '{}',"
            " timezone = 'UTC', job_name = 'rollup'",
        )
        ready.plan(most=0)
        assert ready.state() == "idle"


def test_a_refused_job_is_planned_as_soon_as_its_row_or_the_file_is_right(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour", proc_schema="other")
    assert ready.plan().problems
    ready.sql(ready.target, "CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO PUBLIC")
    ready.define(WRITES, name="other.job")
    wide = ready.with_settings(procedures=("app.*", "other.*"))
    assert wide.plan(most=0).problems == ()
    assert ready.state() == "idle"
    assert ready.plan(most=0).problems
    assert ready.state() == "refused"
    ready.sql(ready.control, "UPDATE archiver.jobs SET proc_schema = 'app'")
    assert ready.plan(most=0).problems == ()
    assert ready.state() == "idle"


def test_a_missing_procedure_is_looked_for_again_when_its_job_would_be_due(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour", proc_name="late")
    ready.plan()
    assert ready.state(columns="state, next_start > clock_timestamp()") == ("refused", True)
    ready.define(WRITES, name="app.late")
    ready.opened.clear()
    assert ready.plan("run 2").claims == ()
    assert ready.opened == [("archiver", ready.control)]
    ready.sql(ready.control, "UPDATE archiver.job_state SET next_start = clock_timestamp()")
    (claim,) = ready.plan("run 3").claims
    assert ready.run(claim).ending is Ending.SUCCEEDED


def test_a_missing_procedure_is_looked_for_again_when_a_person_asks(ready: JobPlace) -> None:
    number = ready.job(proc_name="late")
    ready.plan()
    ready.define(WRITES, name="app.late")
    ready.sql(ready.control, "SELECT archiver.alter_job(%s, next_start => now())", number)
    assert len(ready.plan("run 2").claims) == 1


def test_what_its_check_says_is_told_where_it_looked_alone(ready: JobPlace) -> None:
    check = "CREATE PROCEDURE app.check(config jsonb) LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'row of Jane'; END$$"
    for database in (ready.target, ready.control):
        ready.sql(database, check)
    ready.define(WRITES, database=ready.control)
    ready.job("far", check_schema="app", check_name="check")
    ready.job("near", check_schema="app", check_name="check", database_name=None)
    plan = ready.plan()
    assert len(plan.problems) == 2
    assert "Jane" not in str(plan)
    assert "Jane" not in ready.state("far", "reason")
    assert "It says: row of Jane" in ready.state("near", "reason")
    assert ready.plan("run 2").problems == ()


SWALLOWS = "LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;"


@pytest.mark.parametrize(
    "body", ["PERFORM pg_sleep(600);", f"SET LOCAL client_connection_check_interval = 0; {SWALLOWS}"]
)
def test_a_check_that_does_not_end_refuses_its_job_and_keeps_others_waiting_for_moments(
    ready: JobPlace, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(calling, "CHECK_TIMEOUT", timedelta(seconds=0.2))
    monkeypatch.setattr(calling, "CHECK_PATIENCE_SECONDS", 0.2)
    ready.sql(ready.target, f"CREATE PROCEDURE app.slow(config jsonb) LANGUAGE plpgsql AS $$BEGIN {body} END$$")
    ready.job("slow", check_schema="app", check_name="slow")
    ready.job("other", schedule_interval="1 hour", fixed_schedule=False)
    problems = ready.plan("run 1", most=0).problems
    assert any("its check app.slow refuses the config (57014" in problem.told for problem in problems)
    assert ready.state("slow") == "refused"
    # The others are planned at once or by the next look, which does not ask that one again.
    assert [claim.job_name for claim in ready.plan("run 2").claims] == ["other"]
    at_work = "SELECT pid FROM pg_stat_activity WHERE usename = %s AND state = 'active'"
    until(lambda: not ready.sql(ready.control, at_work, ready.login))


def test_checks_that_take_long_keep_the_jobs_of_their_own_database_waiting_alone(
    three: JobPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "MOST_SECONDS_A_DATABASE", 0.2)
    slow = three.targets[0]
    three.sql(slow, "CREATE PROCEDURE app.slow(config jsonb) LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.3); END$$")
    due = {"schedule_interval": "1 hour", "fixed_schedule": False}
    for number in range(3):
        three.job(f"slow {number}", database_name=slow, check_schema="app", check_name="slow", **due)
    three.job("other", database_name=three.targets[2], **due)
    plan = three.plan("run 1")
    assert {claim.job_name for claim in plan.claims} == {"slow 0", "other"}
    assert plan.notes == (f"{slow}: checks of configurations take long; 2 jobs wait for the next look",)
    assert [claim.job_name for claim in three.plan("run 2").claims] == ["slow 1"]
