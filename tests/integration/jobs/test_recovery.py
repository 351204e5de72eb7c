"""What a look into a database of jobs does about runs that began and did not end, and about what was taken in vain."""

from __future__ import annotations

from dataclasses import replace

from pg_archiver.errors import Interrupted
from pg_archiver.jobs.choose import Problem
from pg_archiver.jobs.run import Ending
from tests.support.job_place import JobPlace


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
