"""The file's jobs as rows; plans, claims, ends and statistics: each once, whoever else is at it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pg_archiver.domain.schedules import Interval
from pg_archiver.ledger.jobs import Choice, JobKey, JobState, StateChange
from pg_archiver.policies.jobs import Job
from tests.support.jobs import DIGEST, HOUR, Jobs, make_job, run_as
from tests.support.place import Place

CHANGES = "SELECT job_id, old IS NULL, new IS NULL FROM archiver.job_changes ORDER BY id"


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    with Jobs.of(place) as jobs:
        yield jobs


def names(jobs: Jobs) -> list[str]:
    return [row.job_name for row in jobs.table.list_jobs()]


class Notices:
    """What whoever waits for due jobs hears."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def heard(self) -> int:
        return len(list(self._connection.notifies(timeout=0.2)))


@pytest.fixture
def notices(jobs: Jobs) -> Iterator[Notices]:
    with jobs.place.connect() as connection:
        connection.autocommit = True
        connection.execute("LISTEN archiver_due")
        yield Notices(connection)


def test_a_job_of_the_file_is_the_same_job_as_a_row(jobs: Jobs) -> None:
    given: list[dict[str, Any]] = [
        {"name": "a", "config": {"days": 2, "é": [None, "x"]}, "timezone": "Europe/Berlin", "max_runtime": "1h"},
        {"name": "b", "schedule": None, "interval": "3 months", "initial_start": "2026-01-31 02:30"},
        {"name": "c", "schedule": None, "interval": "90s", "fixed_schedule": False, "retry_period": "2 days"},
        {"name": "d", "check": "app.check_it", "run_window": "01:00-05:00 UTC", "max_retries": 3, "scheduled": False},
    ]
    made = [Job.from_file({"action": "call", "procedure": "app.p", "schedule": "@daily", **one}, "x") for one in given]
    assert jobs.table.mirror([job.to_row() for job in made]) == []
    rows = jobs.table.list_jobs()
    assert [Job.from_row(row.as_mapping()).digest() for row in rows] == [job.digest() for job in made]
    assert {row.source for row in rows} == {"file"}
    assert rows[1].schedule_interval == Interval(months=3)


def test_what_has_not_changed_in_the_file_is_not_written_and_nobody_is_told(jobs: Jobs, notices: Notices) -> None:
    given = [make_job(f"job {number}") for number in range(20)]
    jobs.table.mirror(given)
    assert notices.heard() == 1
    before = jobs.table.list_jobs()
    jobs.table.mirror(given)
    assert jobs.table.list_jobs() == before
    assert notices.heard() == 0
    given[3] = make_job("job 3", config={"days": 9})
    jobs.table.mirror(given)
    assert [row.config for row in jobs.table.list_jobs() if row not in before] == [{"days": 9}]
    assert len(jobs.place.sql(CHANGES)) == 21
    assert notices.heard() == 1


def test_an_interval_that_is_only_written_otherwise_is_another_definition(jobs: Jobs) -> None:
    jobs.table.mirror([make_job(schedule=None, interval="1 day")])
    jobs.table.mirror([make_job(schedule=None, interval="24 hours")])
    assert jobs.table.list_jobs()[0].schedule_interval == Interval(microseconds=86_400_000_000)


def test_what_is_gone_from_the_file_goes_with_its_state_and_rows_of_the_table_stay(jobs: Jobs) -> None:
    own = jobs.add("own")
    jobs.table.mirror([make_job("a"), make_job("b")])
    jobs.plan(own, *(JobKey(row.job_id, "d") for row in jobs.table.list_jobs()))
    jobs.table.mirror([make_job("b")])
    assert names(jobs) == ["own", "b"]
    assert {state.key.job_id for state in jobs.table.list_states()} == {row.job_id for row in jobs.table.list_jobs()}
    jobs.table.mirror([])
    assert names(jobs) == ["own"]


def test_a_name_that_a_row_of_the_table_has_stays_that_rows_and_is_told(jobs: Jobs) -> None:
    jobs.add("taken", config='{"mine": true}')
    assert jobs.table.mirror([make_job("taken"), make_job("free")]) == ["taken"]
    assert [(row.job_name, row.source) for row in jobs.table.list_jobs()] == [("taken", "table"), ("free", "file")]
    assert jobs.table.list_jobs()[0].config == {"mine": True}


def test_a_thousand_plans_are_written_at_once_and_what_is_taken_or_at_work_stays(jobs: Jobs) -> None:
    at_work, taken = jobs.due("at work", "taken")
    jobs.table.claim_due("run 1", 5)
    jobs.table.begin_run(at_work, DIGEST, "run 1")
    jobs.place.sql(
        "INSERT INTO archiver.jobs (job_name, action, proc_name) SELECT 'job ' || n, 'call', 'p'"
        " FROM generate_series(1, 1000) n"
    )
    keys = [JobKey(row.job_id, jobs.place.database) for row in jobs.table.list_jobs()]
    refused = [StateChange(key, "other", JobState.REFUSED, "because") for key in keys]
    assert jobs.table.write_states(refused) == 1000
    assert jobs.table.write_states(refused) == 1000
    states = {state.key: state for state in jobs.table.list_states()}
    assert (states[at_work].state, states[at_work].definition) == (JobState.RUNNING, DIGEST)
    assert (states[taken].state, states[taken].airflow_run_id) == (JobState.QUEUED, "run 1")
    rest = [state for key, state in states.items() if key not in {at_work, taken}]
    assert {(state.state, state.reason, state.definition) for state in rest} == {(JobState.REFUSED, "because", "other")}


def test_a_plan_of_a_job_that_is_gone_meanwhile_is_forgotten_and_keeps_no_other(jobs: Jobs) -> None:
    gone, there = jobs.add("gone"), jobs.add("there")
    run_as(jobs.place, "DELETE FROM archiver.jobs WHERE job_id = %s", gone.job_id)
    assert jobs.plan(gone, there) == 1
    assert [state.key for state in jobs.table.list_states()] == [there]


def test_a_plan_tells_whoever_waits(jobs: Jobs, notices: Notices) -> None:
    key = jobs.add()
    assert notices.heard() == 1
    jobs.plan(key)
    assert notices.heard() == 1
    jobs.table.write_states([StateChange(key, DIGEST, JobState.REFUSED, "because")])
    assert notices.heard() == 0


def test_what_is_due_is_taken_once_and_what_waited_longest_comes_first(jobs: Jobs) -> None:
    now = jobs.table.now()
    keys = {name: jobs.add(name) for name in ("late", "later", "next", "paused", "refused", "unplanned")}
    for name, minutes in (("late", 60), ("later", 90), ("next", -1), ("paused", 200), ("refused", 300)):
        state = JobState.REFUSED if name == "refused" else JobState.IDLE
        jobs.plan(keys[name], next_start=now - timedelta(minutes=minutes), state=state)
    run_as(jobs.place, "UPDATE archiver.jobs SET scheduled = false WHERE job_name = 'paused'")
    run_as(jobs.place, "UPDATE archiver.jobs SET next_start = now() WHERE job_name = 'unplanned'")
    taken = jobs.table.claim_due("run 1", 10)
    assert [claimed.job_name for claimed in taken] == ["later", "late"]
    assert {claimed.definition for claimed in taken} == {DIGEST}
    assert jobs.table.claim_due("run 2", 10) == []
    assert jobs.state(keys["late"], "state, airflow_run_id, queued_at IS NULL") == ("queued", "run 1", False)


def test_no_more_are_taken_than_asked_for(jobs: Jobs) -> None:
    jobs.due(*(f"job {number}" for number in range(10)))
    assert [len(jobs.table.claim_due(f"run {number}", 4)) for number in range(4)] == [4, 4, 2, 0]


def test_ten_at_once_take_each_job_once(jobs: Jobs) -> None:
    jobs.due(*(f"job {number}" for number in range(200)))
    taken: list[int] = []
    together = threading.Barrier(10)

    def take(number: int) -> None:
        with Jobs.of(jobs.place) as own:
            together.wait()
            # Another run each time: what a run has taken and not begun is given to it again.
            for turn in itertools.count():
                if not (claimed := own.table.claim_due(f"run {number} {turn}", 7)):
                    return
                taken.extend(one.key.job_id for one in claimed)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One that was locked by another for a moment is due for the next.
    taken += [one.key.job_id for one in jobs.table.claim_due("the next run", 200)]
    assert sorted(taken) == list(range(1000, 1200))


def test_a_claim_skips_what_another_one_looks_at_and_never_waits(jobs: Jobs) -> None:
    first, second = jobs.due("first", "second")
    with jobs.place.connect() as other:
        other.execute("SELECT FROM archiver.job_state WHERE job_id = %s FOR UPDATE", [first.job_id])
        assert [claimed.key for claimed in jobs.table.claim_due("run", 5)] == [second]


def test_the_form_takes_what_it_names_and_nothing_else(jobs: Jobs) -> None:
    keys = jobs.due("a", "b", "c")
    run_as(jobs.place, "UPDATE archiver.jobs SET application_name = 'other' WHERE job_name = 'c'")
    assert jobs.table.claim_due("run", 5, Choice(jobs=[])) == []
    assert jobs.table.claim_due("run", 5, Choice(databases=["another"])) == []
    other = jobs.table.claim_due("run", 5, Choice(application_name="other"))
    assert [claimed.key for claimed in other] == [keys[2]]
    assert [claimed.key for claimed in jobs.table.claim_due("run", 5, Choice(jobs=["b"]))] == [keys[1]]
    assert [claimed.caused_by for claimed in other] == ["schedule"]


def test_run_now_takes_also_what_is_paused_or_has_given_up_but_not_what_is_refused_or_at_work(jobs: Jobs) -> None:
    states = {"idle": JobState.IDLE, "gone": JobState.EXHAUSTED, "bad": JobState.REFUSED, "waits": JobState.WAITING}
    later = jobs.table.now() + HOUR
    for name, state in states.items():
        jobs.plan(jobs.add(name), state=state, next_start=later)
    (at_work,) = jobs.due("at work")
    jobs.running(at_work)
    run_as(jobs.place, "UPDATE archiver.jobs SET scheduled = false WHERE job_name = 'idle'")
    taken = jobs.table.claim_due("run", 9, Choice(jobs=[*states, "at work"], run_now=True))
    assert [(claimed.job_name, claimed.caused_by) for claimed in taken] == [("idle", "manual"), ("gone", "manual")]


def test_jobs_of_an_airflow_run_that_has_ended_are_given_back_unless_they_began(jobs: Jobs) -> None:
    began, _ = jobs.due("began", "not")
    jobs.table.claim_due("run 1", 5)
    jobs.table.begin_run(began, DIGEST, "run 1")
    jobs.due("another")
    jobs.table.claim_due("run 2", 5)
    assert jobs.table.requeue([]) == 0
    assert jobs.table.requeue(["run 1", "run 0"]) == 1
    assert [claimed.job_name for claimed in jobs.table.claim_due("run 3", 5)] == ["not"]


def test_only_whoever_took_it_begins_it_and_only_as_it_was_planned(jobs: Jobs) -> None:
    (key,) = jobs.due()
    assert not jobs.table.begin_run(key, DIGEST, "run 1")
    jobs.table.claim_due("run 1", 5)
    assert not jobs.table.begin_run(key, DIGEST, "run 2")
    assert not jobs.table.begin_run(key, "another definition", "run 1")
    assert not jobs.table.begin_run(replace(key, database="another"), DIGEST, "run 1")
    assert jobs.table.begin_run(key, DIGEST, "run 1")
    assert not jobs.table.begin_run(key, DIGEST, "run 1")
    assert jobs.state(key, "state, next_start") == ("running", None)
    assert jobs.stats(key, "job_status, last_run_status, last_run_duration") == ("Running", None, None)


def test_what_is_not_run_after_all_is_planned_anew(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.table.claim_due("run 1", 5)
    assert not jobs.table.release(key, "run 2")
    assert jobs.table.release(key, "run 1")
    assert jobs.table.claim_due("run 3", 5) == []
    assert jobs.state(key, "state, definition") == ("idle", "")


def test_a_person_approves_one_definition_once(jobs: Jobs) -> None:
    key = jobs.add()
    jobs.plan(key, state=JobState.WAITING)
    assert jobs.table.claim_due("run", 5) == []
    assert not jobs.table.approve(key, "another definition")
    assert jobs.table.approve(key, DIGEST)
    assert not jobs.table.approve(key, DIGEST)
    state = jobs.table.find_state(key)
    assert state
    assert (state.state, state.approved_definition) == (JobState.IDLE, DIGEST)
    assert [claimed.key for claimed in jobs.table.claim_due("run", 5)] == [key]


def test_states_of_databases_that_no_job_speaks_of_are_forgotten_unless_at_work(jobs: Jobs) -> None:
    first, second = jobs.due("first", "second")
    jobs.running(second)
    assert jobs.table.requeue(["run 1"]) == 1
    assert jobs.table.drop_states([]) == 0
    assert jobs.table.drop_states([first, second]) == 1
    assert [state.key for state in jobs.table.list_states()] == [second]


def test_one_job_stands_for_itself_in_each_database(jobs: Jobs) -> None:
    key = jobs.add(database_name="*")
    keys = [replace(key, database=name) for name in ("a", "b", 'odd "ä" %s')]
    jobs.plan(*keys)
    assert sorted(claimed.key for claimed in jobs.table.claim_due("run", 5)) == sorted(keys)
    jobs.table.begin_run(keys[0], DIGEST, "run")
    jobs.table.fold(keys[0], jobs.ended(keys[0], source_database=jobs.place.database), None, JobState.IDLE)
    assert jobs.place.sql("SELECT database_name, total_runs FROM archiver.job_stats ORDER BY 1") == [
        ("a", 1),
        ("b", 0),
        ('odd "ä" %s', 0),
    ]
