"""A look into a database of jobs: what is planned, refused, counted, given back and taken."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pg_archiver.errors import ArchiverError, Interrupted
from pg_archiver.jobs import call as calling
from pg_archiver.jobs import choose as choosing
from pg_archiver.jobs.choose import Problem, Selection
from pg_archiver.jobs.run import Ending
from pg_archiver.jobs.source import Claim
from pg_archiver.ledger.locks import control_lock
from pg_archiver.policies.jobs import Action, Job
from tests.support.concurrency import at_once, until
from tests.support.job_place import JobPlace

WRITES = "INSERT INTO app.done VALUES (job_id, config);"
HELD = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"


@pytest.fixture
def ready(jobs: JobPlace) -> JobPlace:
    """A place with a procedure that may be called."""
    jobs.define(WRITES)
    return jobs


def test_a_new_job_is_planned_by_its_schedule_and_taken_when_it_is_due(ready: JobPlace) -> None:
    number = ready.job(cron_schedule="0 0 1 1 *")
    assert ready.plan() == ready.plan()
    assert ready.state(columns="state, to_char(next_start AT TIME ZONE 'UTC', 'MM-DD')") == ("idle", "01-01")
    ready.make_due()
    plan = ready.plan("run 7")
    (claim,) = plan.claims
    assert replace(claim, definition="") == Claim(
        ready.control, ready.target, number, "rollup", "schedule", "", "run 7"
    )
    assert (plan.problems, str(claim)) == ((), f"{ready.target} / rollup")
    assert Claim.from_dict(claim.as_dict()) == claim
    assert ready.plan("run 8").claims == ()


def test_a_job_without_a_schedule_waits_for_a_person(ready: JobPlace) -> None:
    number = ready.job()
    assert ready.plan().claims == ()
    ready.sql(ready.control, "SELECT archiver.alter_job(%s, next_start => now())", number)
    (claim,) = ready.plan().claims
    assert claim.cause == "manual"


def test_no_more_are_taken_than_there_is_room_for_and_the_rest_later(ready: JobPlace) -> None:
    for number in range(5):
        ready.job(f"job {number}", schedule_interval="1 hour", fixed_schedule=False)
    taken = [ready.plan(f"run {number}", most=2).claims for number in range(4)]
    assert [len(claims) for claims in taken] == [2, 2, 1, 0]
    assert len({claim.job_id for claims in taken for claim in claims}) == 5


def test_two_planners_never_take_one_job(ready: JobPlace) -> None:
    for number in range(20):
        ready.job(f"job {number}", schedule_interval="1 hour", fixed_schedule=False)
    ready.plan(most=0)
    plans = at_once([lambda run=f"run {number}": ready.plan(run) for number in range(4)])  # type: ignore[misc]
    taken = Counter(claim.job_id for plan in plans for claim in plan.result().claims)
    assert sorted(taken.values()) == [1] * 20


def test_what_a_task_took_before_it_was_broken_off_is_its_own_when_it_is_tried_again(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour", fixed_schedule=False)
    first = ready.plan("run 1").claims
    assert len(first) == 1
    assert ready.plan("run 1").claims == first
    assert ready.plan("run 2").claims == ()


# What is refused, and why.


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"action": "archive", "proc_schema": None, "proc_name": None},
            "'archive' of jobs is not built in this version",
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


def test_security_definer_is_noted_and_stays_noted(ready: JobPlace) -> None:
    ready.sql(ready.target, "ALTER PROCEDURE app.job SECURITY DEFINER")
    ready.job(schedule_interval="1 hour")
    assert ready.run_once().ending is Ending.SUCCEEDED
    assert "app.job is SECURITY DEFINER" in ready.state(columns="reason")


def test_a_job_that_wants_approval_waits_for_it(ready: JobPlace) -> None:
    careful = ready.with_settings(approve=(Action.CALL,))
    careful.job(schedule_interval="1 hour", fixed_schedule=False)
    assert careful.plan().claims == ()
    assert careful.state() == "waiting"
    careful.sql(careful.control, "UPDATE archiver.job_state SET state = 'idle', approved_definition = definition")
    assert len(careful.plan().claims) == 1
    careful.sql(careful.control, "UPDATE archiver.job_state SET state = 'idle', airflow_run_id = NULL")
    careful.sql(careful.control, "UPDATE archiver.jobs SET config = '{\"days\": 3}'")
    assert careful.plan("run 2").claims == ()
    assert careful.state() == "waiting"


def test_a_job_that_is_paused_is_not_due(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour", fixed_schedule=False, scheduled=False)
    assert ready.plan().claims == ()
    ready.sql(ready.control, "UPDATE archiver.jobs SET scheduled = true")
    assert len(ready.plan().claims) == 1


def test_hours_move_the_next_start_into_them(ready: JobPlace) -> None:
    ready.job(cron_schedule="30 * * * *", run_window="02:00-03:00 UTC")
    ready.plan()
    assert ready.state(columns="to_char(next_start AT TIME ZONE 'UTC', 'HH24:MI')") in {"02:00", "02:30"}


# Databases: one that is broken stops no other.


@pytest.fixture
def three(server: Any) -> Any:
    with JobPlace.made(server, "jobs_of_three", targets=3) as place:
        for target in place.targets:
            place.define(WRITES, database=target)
        yield place


def test_a_job_of_every_database_has_a_state_in_each(three: JobPlace) -> None:
    three.job(database_name="*", schedule_interval="1 hour", fixed_schedule=False)
    claims = three.plan().claims
    assert [claim.database for claim in claims] == list(three.targets)
    assert {three.run(claim).ending for claim in claims} == {Ending.SUCCEEDED}
    assert [len(three.done(target)) for target in three.targets] == [1, 1, 1]


def test_a_database_that_is_new_or_gone_is_seen(three: JobPlace) -> None:
    three.job(database_name="*", schedule_interval="1 hour", fixed_schedule=False)
    fewer = replace(three, targets=three.targets[:2])
    assert len(fewer.plan().claims) == 2
    assert [claim.database for claim in three.plan("run 2").claims] == [three.targets[2]]
    three.sql(three.control, "UPDATE archiver.job_state SET state = 'idle'")
    fewer.plan(most=0)
    found = three.sql(three.control, "SELECT database_name FROM archiver.job_state ORDER BY 1")
    assert found == [(name,) for name in fewer.targets]


def test_patterns_that_fit_no_database_refuse_a_job_and_keep_what_is_known_of_it(three: JobPlace) -> None:
    three.job(database_name="*", schedule_interval="1 hour", fixed_schedule=False)
    for claim in three.plan().claims:
        three.run(claim)
    none = replace(three, targets=("tenant_?",))
    (problem, *_) = none.plan("run 2").problems
    assert "the server has none of databases: tenant_?" in problem.told
    totals = "SELECT state, total_runs FROM archiver.job_state"
    assert three.sql(three.control, totals) == [("refused", 1)] * 3
    assert three.plan("run 3").problems == ()
    assert three.sql(three.control, totals) == [("idle", 1)] * 3


def test_a_dead_run_in_a_database_that_takes_no_connections_now_is_counted_later(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 year")
    claim = ready.claim()
    assert ready.run(claim).ending is Ending.SUCCEEDED
    ready.sql(
        ready.control,
        "UPDATE archiver.job_state SET state = 'running', airflow_run_id = 'run 1', total_runs = 0,"
        " last_folded = NULL, last_folded_start = NULL, next_start = NULL",
    )
    ready.sql(ready.target, "UPDATE archiver.job_runs SET folded_at = NULL")
    ready.sql(ready.control, f"ALTER DATABASE {ready.target} WITH ALLOW_CONNECTIONS false")
    assert ready.plan("run 2").claims == ()
    assert ready.state() == "running"
    ready.sql(ready.control, f"ALTER DATABASE {ready.target} WITH ALLOW_CONNECTIONS true")
    ready.plan("run 3")
    assert ready.state(columns="state, total_runs, next_start > clock_timestamp()") == ("idle", 1, True)


@pytest.mark.parametrize("how", ["no connections", "no login"])
def test_a_database_that_cannot_be_looked_into_is_told_and_the_others_go_on(three: JobPlace, how: str) -> None:
    bad = three.targets[1]
    three.job(database_name="*", schedule_interval="1 hour", fixed_schedule=False)
    three.sql(
        three.control,
        f"ALTER DATABASE {bad} CONNECTION LIMIT 0"
        if how == "no connections"
        else f"REVOKE CONNECT ON DATABASE {bad} FROM {three.login}",
    )
    plan = three.plan()
    (problem,) = plan.problems
    assert problem.subject == bad
    assert "1 of its jobs were not planned" in problem.told
    assert [claim.database for claim in plan.claims] == [three.targets[0], three.targets[2]]
    # It stays red, since nothing is known of it.
    assert [problem.subject for problem in three.plan("run 2").problems] == [bad]
    three.sql(
        three.control,
        f"ALTER DATABASE {bad} CONNECTION LIMIT -1; GRANT CONNECT ON DATABASE {bad} TO {three.login}",
    )
    assert [claim.database for claim in three.plan("run 3").claims] == [bad]


def test_a_job_that_has_changed_does_not_start_before_its_database_was_asked(three: JobPlace) -> None:
    bad = three.targets[0]
    three.job(database_name=bad, schedule_interval="1 hour", fixed_schedule=False)
    three.plan(most=0)
    three.sql(three.control, f"REVOKE CONNECT ON DATABASE {bad} FROM {three.login}")
    three.sql(three.control, "UPDATE archiver.jobs SET config = '{\"days\": 3}'")
    plan = three.plan()
    assert (plan.claims, len(plan.problems)) == ((), 1)
    three.sql(three.control, f"GRANT CONNECT ON DATABASE {bad} TO {three.login}")
    assert len(three.plan().claims) == 1


def test_a_database_that_does_not_exist_refuses_its_jobs_alone(three: JobPlace) -> None:
    place = replace(three, targets=(*three.targets, "missing"))
    place.job("bad", database_name="missing")
    place.job("good", database_name=three.targets[0], schedule_interval="1 hour", fixed_schedule=False)
    plan = place.plan()
    assert [problem.subject for problem in plan.problems] == ["missing / bad"]
    assert "database missing does not exist" in plan.problems[0].told
    assert [claim.job_name for claim in plan.claims] == ["good"]


def test_databases_are_opened_only_for_jobs_about_which_something_is_to_be_found_out(three: JobPlace) -> None:
    for target in three.targets:
        for number in range(3):
            three.job(f"{target} {number}", database_name=target, schedule_interval="1 hour", fixed_schedule=False)
    three.plan(most=0)
    three.opened.clear()
    # Nothing is new: not one but the database of the jobs.
    three.plan(most=0)
    assert three.opened == [("archiver", three.control)]
    claims = three.plan().claims
    three.opened.clear()
    # All are queued: nothing happened in their databases yet.
    three.plan("run 2")
    assert three.opened == [("archiver", three.control)]
    # One runs, and holds its locks: the server says so in every database.
    three.sql(three.control, "UPDATE archiver.job_state SET state = 'running' WHERE job_id = %s", claims[0].job_id)
    with three.server.connect(claims[0].database) as other:
        other.execute(HELD, [control_lock(three.control, claims[0].job_id)])
        three.opened.clear()
        three.plan("run 2")
        assert three.opened == [("archiver", three.control)]
    # It is at work no longer: its database is asked, and no other.
    three.opened.clear()
    three.plan("run 2")
    assert three.opened == [("archiver", three.control), ("archiver", claims[0].database)]
    # One has changed: its database is asked whether it may, once for all of its jobs.
    three.sql(
        three.control, "UPDATE archiver.jobs SET config = '{\"a\": 1}' WHERE database_name = %s", three.targets[2]
    )
    three.sql(three.control, "UPDATE archiver.job_state SET state = 'idle'")
    three.opened.clear()
    three.plan("run 3", most=0)
    assert three.opened == [("archiver", three.control), ("procedures", three.targets[2])]


# Jobs of runs that have ended.


def test_a_queued_job_is_given_back_when_the_run_that_took_it_has_ended(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour", fixed_schedule=False)
    assert len(ready.plan("run 1").claims) == 1
    assert ready.plan("run 2").claims == ()
    ready.ended.add("run 1")
    assert len(ready.plan("run 2").claims) == 1


def test_a_run_of_which_nothing_can_be_found_out_keeps_its_jobs(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour", fixed_schedule=False)
    ready.plan("run 1")

    class Unknown(set[str]):
        def __contains__(self, _: object) -> bool:
            raise Interrupted("Airflow could not be asked")

    plan = replace(ready, ended=Unknown()).plan("run 2")
    assert plan.claims == ()
    assert plan.problems == (Problem(ready.control, "Airflow could not be asked"),)


def test_a_job_that_was_written_as_running_and_never_began_is_due_again(ready: JobPlace) -> None:
    """Its process died between the two commits."""
    ready.job(schedule_interval="1 year")
    claim = ready.claim()
    ready.sql(ready.control, "UPDATE archiver.job_state SET state = 'running', next_start = NULL")
    (again,) = ready.plan("run 2").claims
    assert (again.job_id, ready.counters()) == (claim.job_id, ("queued", 0, 0, 0, 0))
    assert ready.run(again).ending is Ending.SUCCEEDED
    assert ready.counters() == ("idle", 1, 1, 0, 0)


def test_a_job_whose_database_is_gone_is_refused_and_not_at_work_for_ever(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour")
    ready.claim()
    ready.sql(ready.control, "UPDATE archiver.job_state SET state = 'running', next_start = NULL")
    ready.sql(ready.control, f"DROP DATABASE {ready.target} WITH (FORCE)")
    (problem,) = ready.plan("run 2").problems
    assert "does not exist" in problem.told
    assert ready.state() == "refused"


def test_a_dead_run_in_a_database_that_cannot_be_opened_stays_open(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour")
    ready.claim()
    ready.sql(ready.control, "UPDATE archiver.job_state SET state = 'running', next_start = NULL")
    ready.sql(ready.control, f"REVOKE CONNECT ON DATABASE {ready.target} FROM {ready.archive}")
    for run in ("run 2", "run 3"):
        (problem,) = ready.plan(run).problems
        assert problem.subject == ready.target
        assert "not started again before that is known" in problem.told
    assert ready.state() == "running"


# The form.


def test_the_form_chooses_jobs_databases_and_applications(three: JobPlace) -> None:
    three.job("one", database_name="*", schedule_interval="1 hour", fixed_schedule=False)
    three.job("other", database_name="*", schedule_interval="1 hour", fixed_schedule=False, application_name="hdb")
    for selection, found in (
        (Selection(jobs=("missing",)), 0),
        (Selection(jobs=("one",), databases=(three.targets[1],)), 1),
        (Selection(application_name="hdb"), 3),
        (Selection(databases=(three.targets[0],)), 1),
    ):
        assert len(three.plan(f"run {selection}", selection=selection).claims) == found, selection


def test_run_now_starts_what_is_named_whatever_its_schedule_says(ready: JobPlace) -> None:
    ready.job("far", cron_schedule="0 0 1 1 *")
    ready.job("paused", scheduled=False)
    ready.job("other", cron_schedule="0 0 1 1 *")
    ready.plan()
    claims = ready.plan(selection=Selection(jobs=("far", "paused"), run_now=True)).claims
    assert [(claim.job_name, claim.cause) for claim in claims] == [("far", "manual"), ("paused", "manual")]


def test_a_dry_run_of_the_form_writes_nothing(ready: JobPlace) -> None:
    assert ready.plan(dry_run=True).claims == ()
    assert ready.sql(ready.control, "SELECT to_regclass('archiver.jobs')") == [(None,)]
    ready.job(cron_schedule="0 0 1 1 *")
    ready.job("bad", proc_schema="other")
    plan = ready.plan(dry_run=True)
    assert [claim.job_name for claim in plan.claims] == ["rollup"]
    assert [problem.subject for problem in plan.problems] == [f"{ready.target} / bad"]
    assert ready.sql(ready.control, "SELECT count(*) FROM archiver.job_state") == [(0,)]


# Jobs of the policy file.


def file_job(name: str, **changes: object) -> Job:
    raw = {"name": name, "action": "call", "procedure": "app.job", "interval": "1h", "fixed_schedule": False}
    return Job.from_file({**raw, **changes}, "the test")


def test_jobs_of_the_file_are_mirrored_run_and_taken_away_with_it(jobs: JobPlace) -> None:
    jobs.define(WRITES, database=jobs.control)
    listed = replace(jobs, file_jobs=(file_job("one"), file_job("two")))
    claims = listed.plan().claims
    assert [claim.job_name for claim in claims] == ["one", "two"]
    assert {listed.run(claim).ending for claim in claims} == {Ending.SUCCEEDED}
    assert listed.runs("source", jobs.control) == [("file",), ("file",)]
    replace(jobs, file_jobs=(file_job("one", interval="2h"),)).plan(most=0)
    found = jobs.sql(
        jobs.control,
        "SELECT job_name, schedule_interval::text, total_runs"
        " FROM archiver.jobs JOIN archiver.job_state USING (job_id)",
    )
    assert found == [("one", "02:00:00", 1)]


def test_a_name_that_the_table_has_taken_is_told_and_its_row_runs(jobs: JobPlace) -> None:
    jobs.define(WRITES, database=jobs.control)
    jobs.job("one", database_name=None, schedule_interval="1 hour", fixed_schedule=False)
    plan = replace(jobs, file_jobs=(file_job("one"), file_job("two"))).plan()
    assert [problem.subject for problem in plan.problems] == [f"{jobs.control} / one"]
    assert [claim.job_name for claim in plan.claims] == ["one", "two"]


def test_the_database_of_the_jobs_itself_is_away(jobs: JobPlace) -> None:
    with pytest.raises(ArchiverError, match="does not exist"):
        replace(jobs, control="missing").plan()
