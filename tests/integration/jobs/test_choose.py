"""A look into a database of jobs: what is planned, refused, counted, given back and taken."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pg_archiver.errors import ArchiverError
from pg_archiver.jobs.choose import Selection
from pg_archiver.jobs.run import Ending
from pg_archiver.jobs.source import Claim
from pg_archiver.ledger.locks import control_lock
from pg_archiver.policies.jobs import Action, Job
from tests.support.concurrency import at_once
from tests.support.job_place import JobPlace

WRITES = "INSERT INTO app.done VALUES (job_id, config);"
HELD = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"


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
