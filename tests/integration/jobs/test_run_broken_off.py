"""Runs of jobs that are broken off: by a stop, a lost session, a database that is away."""

from __future__ import annotations

import pytest

from pg_archiver.errors import ArchiverError
from pg_archiver.jobs.run import Ending
from pg_archiver.runtime.stopping import Stop
from tests.support.concurrency import in_background, until
from tests.support.job_place import JobPlace


def at_work(jobs: JobPlace) -> bool:
    return bool(jobs.done())


ENDLESS = "INSERT INTO app.done VALUES (1, config); COMMIT; PERFORM pg_sleep(600);"


def test_a_task_that_is_told_to_stop_cancels_the_call_and_counts_it(jobs: JobPlace) -> None:
    jobs = type(jobs)(**{**vars(jobs), "stop": Stop(grace_seconds=0.0)})
    jobs.define(ENDLESS)
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    with in_background(lambda: jobs.run(claim)) as running:
        until(lambda: at_work(jobs))
        jobs.stop.request()
        result = running.result()
    assert (result.ending, result.sqlerrcode) == (Ending.FAILED, "57014")
    assert result.told.endswith(". The task was told to end")
    assert jobs.counters() == ("idle", 1, 0, 1, 0)
    until(lambda: not jobs.sql(jobs.target, "SELECT pid FROM pg_stat_activity WHERE usename = %s", jobs.login))


def test_an_end_is_written_by_another_session_if_the_first_is_lost(jobs: JobPlace) -> None:
    jobs.define("INSERT INTO app.done VALUES (1, config); COMMIT; PERFORM pg_sleep(1);")
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    with in_background(lambda: jobs.run(claim)) as running:
        until(lambda: at_work(jobs))
        jobs.sql(
            jobs.target,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND datname = %s",
            jobs.archive,
            jobs.target,
        )
        assert running.result().ending is Ending.SUCCEEDED
    assert jobs.counters() == ("idle", 1, 1, 0, 0)


def test_a_call_that_loses_its_session_has_failed(jobs: JobPlace) -> None:
    jobs.define(ENDLESS)
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    with in_background(lambda: jobs.run(claim)) as running:
        until(lambda: at_work(jobs))
        jobs.sql(jobs.target, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", jobs.login)
        result = running.result()
    assert (result.ending, result.sqlerrcode) == (Ending.FAILED, "57P01")
    assert jobs.counters() == ("idle", 1, 0, 1, 0)


def test_a_job_whose_database_is_away_stays_as_it_is(jobs: JobPlace) -> None:
    jobs.define(ENDLESS)
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    jobs.sql(jobs.control, f"ALTER DATABASE {jobs.target} RENAME TO {jobs.target}_away")
    try:
        with pytest.raises(ArchiverError, match="does not exist"):
            jobs.run(claim)
    finally:
        jobs.sql(jobs.control, f"ALTER DATABASE {jobs.target}_away RENAME TO {jobs.target}")
    assert jobs.counters() == ("queued", 0, 0, 0, 0)


def test_what_could_not_be_counted_is_counted_by_the_next_look(jobs: JobPlace) -> None:
    """The database of the jobs is away when the run ends."""
    jobs.define("INSERT INTO app.done VALUES (1, config); COMMIT; PERFORM pg_sleep(2);")
    jobs.job(schedule_interval="1 hour")
    claim = jobs.claim()
    with in_background(lambda: jobs.run(claim)) as running:
        until(lambda: at_work(jobs))
        jobs.sql(jobs.target, f"ALTER DATABASE {jobs.control} WITH ALLOW_CONNECTIONS false")
        try:
            with pytest.raises(ArchiverError, match="not currently accepting connections"):
                running.result()
        finally:
            jobs.sql(jobs.target, f"ALTER DATABASE {jobs.control} WITH ALLOW_CONNECTIONS true")
    assert jobs.counters() == ("running", 0, 0, 0, 0)
    assert jobs.runs("succeeded, folded_at") == [(True, None)]
    jobs.plan(most=0)
    assert jobs.counters() == ("idle", 1, 1, 0, 0)
    jobs.plan(most=0)
    assert jobs.counters() == ("idle", 1, 1, 0, 0)
