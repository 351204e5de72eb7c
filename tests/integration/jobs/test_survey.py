"""How the jobs of a database stand, for whoever wakes what is due and says what needs a person."""

from __future__ import annotations

import pytest

from pg_archiver.jobs.survey import Survey, survey_jobs
from tests.support.job_place import JobPlace

LONG_AGO = "UPDATE archiver.job_state SET queued_at = queued_at - interval '11 minutes'"


@pytest.fixture
def ready(jobs: JobPlace) -> JobPlace:
    """A place with a procedure that fails."""
    jobs.define("PERFORM 1 / 0;")
    return jobs


def survey(place: JobPlace) -> Survey:
    return survey_jobs(place.source, place.connections)


def test_what_is_due_counts_until_somebody_takes_it(ready: JobPlace) -> None:
    ready.job(schedule_interval="1 hour")
    ready.job("another", schedule_interval="1 hour", scheduled=False)
    ready.plan(most=0)
    assert survey(ready) == Survey(1, ())
    ready.plan()
    assert survey(ready) == Survey(0, ())


def test_what_failed_as_often_as_it_may_is_named_with_the_way_out(ready: JobPlace) -> None:
    number = ready.job(schedule_interval="1 hour", max_retries=0)
    ready.run_once()
    (told,) = survey(ready).exhausted
    assert told.startswith(f"{ready.target} / rollup has failed as often as it may")
    assert f"SELECT archiver.alter_job({number}, scheduled => true) in database {ready.control}" in told


def test_what_was_taken_long_ago_and_never_began_is_told_while_nothing_is_at_work(ready: JobPlace) -> None:
    for name in ("rollup", "another"):
        ready.job(name, schedule_interval="1 hour")
    ready.plan()
    assert survey(ready).waiting_for_slot == 0
    ready.sql(ready.control, LONG_AGO)
    assert survey(ready).waiting_for_slot == 2
    ready.sql(ready.control, "UPDATE archiver.job_state SET state = 'running' WHERE job_id = 1000")
    assert survey(ready).waiting_for_slot == 0
