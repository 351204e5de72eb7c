"""The statistics of jobs: each end counts once, whoever finds it, and says when the job is due again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pg_archiver.ledger.job_runs import RunEnd
from pg_archiver.ledger.jobs import JobState
from tests.support.jobs import HOUR, Jobs, run_as
from tests.support.place import Place


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    with Jobs.of(place) as jobs:
        yield jobs


STATISTICS = (
    "total_runs, total_successes, total_failures, total_crashes, consecutive_failures, consecutive_crashes,"
    " last_run_success"
)


def test_the_first_run_fails_and_nothing_says_that_one_succeeded(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.running(key)
    run = jobs.ended(key, RunEnd(succeeded=False, sqlerrcode="22012", err_message="division by zero"))
    next_start = jobs.table.now() + HOUR
    assert jobs.table.fold(key, run, next_start, JobState.IDLE)
    assert jobs.state(key, STATISTICS) == (1, 0, 1, 0, 1, 0, False)
    assert jobs.state(key, "last_successful_finish, next_start, state, airflow_run_id, due_by") == (
        None,
        next_start,
        "idle",
        None,
        "retry",
    )
    assert jobs.stats(key, "last_run_status, job_status, total_runs, total_failures, next_start") == (
        "Failed",
        "Scheduled",
        1,
        1,
        next_start,
    )


def test_statistics_agree_with_what_happened(jobs: Jobs) -> None:
    (key,) = jobs.due()
    ends = [True, False, False, None, None, True, False, True]
    seen = []
    for succeeded in ends:
        if succeeded is None:
            run = jobs.crashed(key)
        else:
            run = jobs.ended(key, RunEnd(succeeded=succeeded, rows=10, bytes=1000))
        assert jobs.table.fold(key, run, None, JobState.IDLE)
        seen.append(jobs.state(key, "consecutive_failures, consecutive_crashes, last_run_success"))
    assert seen == [
        (0, 0, True),
        (1, 0, False),
        (2, 0, False),
        (2, 1, False),
        (2, 2, False),
        (0, 0, True),
        (1, 0, False),
        (0, 0, True),
    ]
    assert jobs.state(key, STATISTICS) == (8, 3, 3, 2, 0, 0, True)
    assert jobs.state(key, "total_rows, total_bytes") == (60, 6000)
    ((total, failed, last, finish),) = jobs.place.sql(
        "SELECT sum(finished_at - started_at) FILTER (WHERE NOT crashed),"
        " sum(finished_at - started_at) FILTER (WHERE NOT crashed AND NOT succeeded),"
        " (array_agg(finished_at - started_at ORDER BY id DESC))[1], max(finished_at) FROM archiver.job_runs"
    )
    assert jobs.state(key, "total_duration, total_duration_failures") == (total, failed)
    assert jobs.stats(key, "last_run_duration, last_successful_finish, last_run_status") == (last, finish, "Success")


def test_a_crash_is_told_as_one_and_took_no_time_that_is_known(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.table.fold(key, jobs.crashed(key), None, JobState.IDLE)
    assert jobs.stats(key, "last_run_status, last_run_duration, total_crashes") == ("Crashed", None, 1)


def test_an_end_counts_once_whoever_folds_it_and_how_often(jobs: Jobs) -> None:
    (key,) = jobs.due()
    first, second = jobs.ended(key), jobs.ended(key)
    assert jobs.table.fold(key, first, None, JobState.IDLE)
    assert not jobs.table.fold(key, first, None, JobState.IDLE)
    assert jobs.table.fold(key, second, None, JobState.IDLE)
    # A slow one that read the first before anybody had taken it in.
    assert not jobs.table.fold(key, first, jobs.table.now(), JobState.EXHAUSTED)
    assert jobs.state(key, "total_runs, state") == (2, "idle")


def test_ten_at_once_fold_an_end_once(jobs: Jobs) -> None:
    (key,) = jobs.due()
    run = jobs.ended(key)
    together, folded = threading.Barrier(10), []

    def fold() -> None:
        with Jobs.of(jobs.place) as own:
            together.wait()
            folded.append(own.table.fold(key, run, None, JobState.IDLE))

    threads = [threading.Thread(target=fold) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(folded) == [False] * 9 + [True]
    assert jobs.state(key, "total_runs") == (1,)


def test_runs_in_a_database_that_was_made_anew_count_though_their_numbers_begin_again(jobs: Jobs) -> None:
    (key,) = jobs.due()
    for _ in range(3):
        jobs.table.fold(key, jobs.ended(key), None, JobState.IDLE)
    anew = replace(jobs.ended(key), id=1)
    assert jobs.table.fold(key, anew, None, JobState.IDLE)
    assert not jobs.table.fold(key, anew, None, JobState.IDLE)
    assert jobs.state(key, "total_runs") == (4,)


def test_what_the_job_or_a_person_asked_for_meanwhile_is_its_next_start(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.running(key)
    asked = jobs.table.now() + timedelta(days=3)
    run_as(jobs.place, "UPDATE archiver.jobs SET next_start = %s", asked)
    jobs.table.fold(key, jobs.ended(key), jobs.table.now(), JobState.IDLE)
    assert jobs.state(key, "next_start, due_by") == (asked, "manual")
    # What was asked for before a run does not count after it.
    jobs.plan(key)
    jobs.running(key)
    by_schedule = jobs.table.now() + HOUR
    jobs.table.fold(key, jobs.ended(key), by_schedule, JobState.IDLE)
    assert jobs.state(key, "next_start, due_by") == (by_schedule, "schedule")


def test_after_a_crash_it_waits_whatever_it_had_asked_for(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.running(key)
    run_as(jobs.place, "UPDATE archiver.jobs SET next_start = now()")
    waits = jobs.table.now() + timedelta(minutes=5)
    jobs.table.fold(key, jobs.crashed(key), waits, JobState.IDLE)
    assert jobs.state(key, "next_start, due_by") == (waits, "retry")
    jobs.place.sql("UPDATE archiver.job_state SET next_start = now()")
    assert [claimed.caused_by for claimed in jobs.table.claim_due("run", 5)] == ["retry"]


def test_a_rehearsal_counts_nowhere(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.table.fold(key, jobs.ended(key), None, JobState.IDLE)
    before = jobs.state(key, f"{STATISTICS}, last_start, last_finish, total_duration")
    rehearsed = jobs.ended(key, dry_run=True)
    assert jobs.table.fold(key, rehearsed, None, JobState.IDLE)
    assert jobs.state(key, f"{STATISTICS}, last_start, last_finish, total_duration") == before
    assert jobs.state(key, "rehearsed_at") == (rehearsed.finished_at,)


def test_a_job_that_is_deleted_while_it_runs_takes_its_state_along_and_its_run_ends_by_itself(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.running(key)
    run = jobs.begin(key)
    run_as(jobs.place, "SELECT archiver.delete_job(%s)", key.job_id)
    assert jobs.table.find_job(key.job_id) is None
    assert jobs.table.find_state(key) is None
    assert jobs.runs.end(run, RunEnd(succeeded=True))
    ended = jobs.runs.find_ended(run)
    assert ended
    assert not jobs.table.fold(key, ended, None, JobState.IDLE)
    assert jobs.place.sql("SELECT status FROM archiver.job_history") == [("Success",)]
