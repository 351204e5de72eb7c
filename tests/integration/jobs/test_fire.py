"""Functions by the clock: each fire is one event, whoever plans, and takes no slot of the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dev.postgres import PostgresServer
from pg_archiver.errors import DatabaseRefused
from pg_archiver.jobs.choose import Selection
from pg_archiver.jobs.function_jobs import find_function_jobs
from pg_archiver.policies.jobs import Action
from tests.support.concurrency import at_once
from tests.support.job_place import JobPlace

COLUMNS = "state, next_start > now(), total_runs, total_successes, last_run_success"
EVENTS = "SELECT operation::text, key, payload ? 'due_at' FROM archiver.incoming_events ORDER BY id"


@pytest.fixture
def clock(server: PostgresServer) -> Iterator[JobPlace]:
    """A database whose events somebody works on, with a function `tidy`."""
    with JobPlace.made(server, "fires") as place:
        yield replace(
            place.with_settings(actions=(Action.CALL, Action.FUNCTION)), functions=("tidy",), targets=("fires",)
        )


def add(place: JobPlace, name: str = "tidy", **columns: Any) -> int:
    """A job of the function `tidy`, each hour."""
    function = {"action": "function", "function_name": "tidy", "proc_schema": None, "proc_name": None}
    row = {"database_name": None, "schedule_interval": "1 hour", **function, **columns}
    return place.job(name, **row)


def make_late(place: JobPlace) -> None:
    place.plan(most=0)
    place.sql(place.control, "UPDATE archiver.job_state SET next_start = clock_timestamp() - interval '1 second'")


def events(place: JobPlace) -> list[Any]:
    return place.sql(place.control, EVENTS)


def test_what_is_due_is_one_event_and_one_run_and_no_task(clock: JobPlace) -> None:
    number = add(clock)
    make_late(clock)
    plan = clock.plan("jobs__rds_main/run 1")
    assert (plan.claims, plan.problems) == ((), ())
    assert plan.notes == ("fires / tidy: its event is in the queue",)
    assert events(clock) == [("C", {}, True)]
    assert clock.state("tidy", COLUMNS) == ("idle", True, 1, 1, True)
    runs = "job_id, action, subject, caused_by, succeeded, folded_at IS NOT NULL, airflow_dag_id, airflow_run_id"
    assert clock.runs(runs, clock.control) == [
        (number, "function", "tidy", "schedule", True, True, "jobs__rds_main", "run 1")
    ]
    binding = "SELECT job_id, source, channel FROM archiver.bindings"
    assert clock.sql(clock.control, binding) == [(number, None, None)]
    # The next one is by the same binding.
    assert clock.plan("run 2").notes == ()
    make_late(clock)
    clock.plan("run 3")
    assert len(events(clock)) == 2
    assert len(clock.sql(clock.control, binding)) == 1


def test_whoever_plans_and_however_many_a_fire_is_one_event(clock: JobPlace) -> None:
    for number in range(8):
        add(clock, f"tidy {number}")
    make_late(clock)
    at_once([lambda run=f"run {number}": clock.plan(run) for number in range(4)])  # type: ignore[misc]
    assert len(events(clock)) == 8
    assert clock.sql(clock.control, "SELECT DISTINCT total_runs FROM archiver.job_state") == [(1,)]


def test_a_look_that_takes_nothing_fires_nothing_and_a_dry_run_says_what_it_would(clock: JobPlace) -> None:
    add(clock)
    make_late(clock)
    clock.plan(most=0)
    plan = clock.plan(selection=Selection(jobs=("tidy",)), dry_run=True)
    assert (plan.claims, plan.notes) == ((), ("fires / tidy: an event would be put into its queue",))
    assert events(clock) == []


def test_a_person_starts_it_at_any_time(clock: JobPlace) -> None:
    add(clock, schedule_interval=None, only_if_idle=True)
    clock.plan()
    assert events(clock) == []
    clock.plan(selection=Selection(jobs=("tidy",), run_now=True))
    assert len(events(clock)) == 1
    clock.plan(selection=Selection(jobs=("tidy",), run_now=True))
    assert len(events(clock)) == 2
    assert clock.runs("caused_by", clock.control) == [("manual",)] * 2


def test_with_only_if_idle_a_start_is_left_out_while_an_event_waits_or_ran_in_this_period(clock: JobPlace) -> None:
    number = add(clock, only_if_idle=True)
    make_late(clock)
    clock.plan()
    assert len(events(clock)) == 1
    make_late(clock)
    plan = clock.plan()
    assert plan.notes == ("fires / tidy: an event runs it already, so its start by the clock was left out",)
    assert clock.state("tidy", COLUMNS) == ("idle", True, 1, 1, True)
    clock.sql(clock.control, "DELETE FROM archiver.incoming_events")
    log = (
        "INSERT INTO archiver.event_log (event_id, binding_id, operation, key, attempt, started_at, succeeded)"
        " SELECT 1, binding_id, 'INSERT', '{}', 1, clock_timestamp() - %s::interval, true FROM archiver.bindings"
        " WHERE job_id = %s"
    )
    clock.sql(clock.control, log, "30 minutes", number)
    make_late(clock)
    clock.plan()
    assert events(clock) == []
    clock.sql(clock.control, "UPDATE archiver.event_log SET started_at = started_at - interval '1 hour'")
    make_late(clock)
    clock.plan()
    assert len(events(clock)) == 1


def test_while_events_are_switched_off_a_start_is_left_out_and_says_so(clock: JobPlace) -> None:
    add(clock)
    make_late(clock)
    clock.sql(clock.control, "UPDATE archiver.capture SET enabled = false")
    assert clock.plan().notes == ("fires / tidy: its events are switched off, so its start by the clock was left out",)
    assert clock.state("tidy", "next_start > now(), total_runs, reason") == (
        True,
        0,
        "its last start by the clock was left out: its events are off",
    )


def test_an_unknown_function_is_refused_by_name_and_comes_back_with_it(clock: JobPlace) -> None:
    add(clock, "sync", function_name="sync")
    (problem,) = clock.plan().problems
    assert problem.told == "job 'sync': there is no function 'sync'"
    assert clock.state("sync", "state, reason") == ("refused", problem.told)
    assert clock.plan().problems == ()
    known = replace(clock, functions=("tidy", "sync"))
    assert known.plan().problems == ()
    assert known.state("sync") == "idle"


def test_a_function_runs_for_its_own_database_alone_and_only_where_somebody_would(clock: JobPlace) -> None:
    add(clock, "elsewhere", database_name="postgres")
    (problem,) = clock.plan().problems
    assert "a function runs for the events of the job's own database, fires, alone" in problem.told
    nobody = replace(clock, functions=None)
    add(clock)
    (problem,) = (one for one in nobody.plan().problems if "tidy" in one.subject)
    assert "action 'function' needs a client with events for the job's own database, and there is none" in problem.told


def test_a_function_may_run_only_while_each_job_of_it_was_checked_as_it_is(clock: JobPlace) -> None:
    def allowed() -> tuple[str, ...]:
        with clock.connections.open_archiver(clock.control) as session:
            return find_function_jobs(session).allowed

    add(clock)
    assert allowed() == ()
    clock.plan()
    assert allowed() == ("tidy",)
    clock.sql(clock.control, "UPDATE archiver.jobs SET config = '{\"a\": 1}'")
    assert allowed() == ()
    clock.plan()
    assert allowed() == ("tidy",)
    add(clock, "another", database_name="postgres")
    assert allowed() == ()
    # It is refused: its events wait by the claim, and keep no other job from its function.
    clock.plan()
    assert allowed() == ("tidy",)
    clock.sql(clock.control, "DELETE FROM archiver.jobs WHERE job_name = 'tidy'")
    assert allowed() == ()


def test_a_start_that_cannot_be_recorded_puts_no_event_into_the_queue(clock: JobPlace) -> None:
    add(clock)
    make_late(clock)
    clock.sql(
        clock.control,
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
        "CREATE TRIGGER fails BEFORE INSERT ON archiver.job_runs FOR EACH ROW EXECUTE FUNCTION fails()",
    )
    with pytest.raises(DatabaseRefused):
        clock.plan()
    assert events(clock) == []
    assert clock.state("tidy", "next_start < now(), total_runs") == (True, 0)
