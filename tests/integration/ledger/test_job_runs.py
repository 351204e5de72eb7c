"""The record of runs: each is a crash until its end is written, and is kept as long as it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pg_archiver.ledger.job_runs import JobRunLog, RunEnd, RunStart
from pg_archiver.ledger.jobs import JobsTable
from pg_archiver.ledger.migrations import LedgerTables
from tests.support.jobs import Jobs
from tests.support.place import Place

OF_CONTROL = RunStart("nightly", "table", "call", "schedule", "here", 1000, "postgres", subject="app.nightly")
OF_DAG = RunStart("maintenance", "dag", "vacuum", "dag", "here", subject="a.b", dag_id="maintenance", run_id="run 1")
DONE = RunEnd(succeeded=True)


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    with Jobs.of(place) as jobs:
        yield jobs


@pytest.fixture
def without_jobs(place: Place) -> Iterator[Jobs]:
    """A database with a ledger, and no jobs of its own."""
    with place.session() as session:
        LedgerTables(session).migrate()
        yield Jobs(place, session, JobsTable(session), JobRunLog(session))


def age(place: Place, days: int) -> None:
    """Moves all runs that far into the past."""
    place.sql("UPDATE archiver.job_runs SET started_at = started_at - make_interval(days => %s)", days)


def test_a_run_is_there_as_a_crash_before_anything_is_done(jobs: Jobs) -> None:
    (key,) = jobs.due()
    run = jobs.begin(key)
    columns = "crashed, succeeded, finished_at IS NULL, pid"
    assert jobs.place.sql(f"SELECT {columns} FROM archiver.job_runs WHERE id = %s", run) == [
        (True, None, True, jobs.session.process)
    ]
    assert [(one.id, one.job_id, one.database) for one in jobs.runs.list_open(key.database)] == [
        (run, key.job_id, key.database)
    ]
    assert jobs.runs.find_ended(run) is None
    assert jobs.runs.end(run, RunEnd(succeeded=True, rows=5, bytes=6, output="NOTICE: hello"))
    assert jobs.place.sql(f"SELECT {columns}, rows, bytes, output FROM archiver.job_runs")[0][:3] == (
        False,
        True,
        False,
    )
    assert jobs.runs.list_open(key.database) == []


def test_an_end_is_written_once_and_neither_crash_nor_end_takes_the_others_place(jobs: Jobs) -> None:
    (key,) = jobs.due()
    ended, dead = jobs.begin(key), jobs.begin(key)
    assert jobs.runs.end(ended, DONE)
    assert not jobs.runs.close_crashed(ended)
    assert not jobs.runs.end(ended, RunEnd(succeeded=False))
    assert jobs.runs.close_crashed(dead)
    assert not jobs.runs.close_crashed(dead)
    assert not jobs.runs.end(dead, DONE)
    assert jobs.place.sql("SELECT succeeded, crashed FROM archiver.job_runs ORDER BY id") == [
        (True, False),
        (False, True),
    ]


def test_ends_are_taken_in_by_their_source_alone_in_their_order_and_once(jobs: Jobs) -> None:
    (key,) = jobs.due()
    runs = [jobs.ended(key).id, jobs.crashed(key).id, jobs.ended(key).id]
    jobs.begin(key)
    elsewhere = jobs.runs.begin(OF_CONTROL)
    jobs.runs.end(elsewhere, DONE)
    jobs.runs.end(jobs.runs.begin(OF_DAG), DONE)
    assert [one.id for one in jobs.runs.list_unfolded(key.database)] == runs
    assert [one.id for one in jobs.runs.list_unfolded("postgres")] == [elsewhere]
    jobs.runs.mark_folded(*runs[:2])
    assert [one.id for one in jobs.runs.list_unfolded(key.database)] == runs[2:]
    jobs.runs.mark_folded()


def test_runs_are_kept_as_long_as_asked_for_and_until_they_are_in_the_statistics(jobs: Jobs) -> None:
    (key,) = jobs.due()
    folded, unfolded, open_run = jobs.ended(key).id, jobs.ended(key).id, jobs.begin(key)
    jobs.runs.mark_folded(folded)
    of_dag = jobs.runs.begin(OF_DAG)
    jobs.runs.end(of_dag, DONE)
    assert jobs.runs.prune() == 0
    age(jobs.place, 31)
    young = jobs.ended(key).id
    assert jobs.runs.prune() == 1
    assert kept(jobs) == [unfolded, open_run, of_dag, young]
    # Of a job that is gone nobody ever takes it in.
    age(jobs.place, 30)
    assert jobs.runs.prune() == 1
    assert kept(jobs) == [open_run, of_dag, young]
    age(jobs.place, 350)
    assert jobs.runs.prune() == 2
    assert kept(jobs) == [open_run]


def kept(jobs: Jobs) -> list[int]:
    return [number for (number,) in jobs.place.sql("SELECT id FROM archiver.job_runs ORDER BY 1")]


def test_what_is_old_goes_along_the_way_and_what_hinders_it_is_no_error(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    (key,) = jobs.due()
    jobs.runs.mark_folded(jobs.ended(key).id)
    age(jobs.place, 31)
    with jobs.place.connect() as other, jobs.session.timeouts(lock=timedelta(milliseconds=50)):
        other.execute("LOCK TABLE archiver.job_runs IN SHARE MODE")
        jobs.runs.prune_some()
    assert "old runs were not deleted from archiver.job_runs, and the next run tries again" in caplog.text
    jobs.runs.prune_some()
    assert kept(jobs) == []


@pytest.mark.more
def test_a_hundred_thousand_runs_are_pruned_in_batches(jobs: Jobs) -> None:
    (key,) = jobs.due()
    jobs.ended(key)
    jobs.place.sql(
        "INSERT INTO archiver.job_runs (job_id, source_database, database_name, job_name, source, action, caused_by,"
        " started_at, finished_at, succeeded, folded_at) SELECT 1, 'd', 'd', 'j', 'table', 'call', 'schedule',"
        " now() - make_interval(days => 40, secs => n), now(), true, now() FROM generate_series(1, 100000) n"
    )
    with jobs.session.timeouts(statement=timedelta(seconds=1)):
        assert jobs.runs.prune() == 100_000
    assert jobs.place.sql("SELECT count(*) FROM archiver.job_runs") == [(1,)]


def test_a_database_without_jobs_shows_what_dags_and_jobs_of_elsewhere_did_to_it(without_jobs: Jobs) -> None:
    runs, place = without_jobs.runs, without_jobs.place
    for succeeded in (True, False, True):
        runs.end(runs.begin(OF_CONTROL), RunEnd(succeeded=succeeded, rows=2, err_message=None if succeeded else "no"))
    runs.close_crashed(runs.begin(OF_CONTROL))
    runs.end(runs.begin(replace(OF_CONTROL, dry_run=True)), DONE)
    runs.end(runs.begin(OF_DAG), RunEnd(succeeded=True, bytes=7))
    columns = (
        "job_id, job_name, source, source_database, subject, last_run_status, total_runs, total_successes,"
        " total_failures, total_crashes, total_rows, total_bytes, job_status, next_start"
    )
    assert place.sql(f"SELECT {columns} FROM archiver.job_stats ORDER BY source DESC") == [
        (1000, "nightly", "table", "postgres", "app.nightly", "Crashed", 4, 2, 1, 1, 6, 0, None, None),
        (None, "maintenance", "dag", None, "a.b", "Success", 1, 1, 0, 0, 0, 7, None, None),
    ]
    assert place.sql("SELECT job_id, err_message FROM archiver.job_errors ORDER BY start_time") == [
        (1000, "no"),
        (1000, "its process died"),
    ]
    assert place.sql("SELECT count(*) FROM archiver.job_history") == [(6,)]


def test_the_views_say_the_same_of_them_where_there_are_jobs_too(without_jobs: Jobs) -> None:
    runs, place = without_jobs.runs, without_jobs.place
    runs.end(runs.begin(OF_CONTROL), DONE)
    runs.end(runs.begin(OF_DAG), RunEnd(succeeded=False, err_message="x"))
    views = ("job_stats", "job_errors", "job_history")
    before = [place.sql(f"SELECT * FROM archiver.{view} ORDER BY 2") for view in views]
    columns = {view: columns_of(place, view) for view in views}
    with Jobs.of(place):
        for view, rows in zip(views, before, strict=True):
            shared = ", ".join(f'"{name}"' for name, _ in columns[view])
            assert place.sql(f"SELECT {shared} FROM archiver.{view} ORDER BY 2") == rows
        own = "kept_by, highest_version, total_keys"
        assert place.sql(f"SELECT {own} FROM archiver.job_stats") == [(None, None, 0)] * 2
        after = {view: columns_of(place, view) for view in views}
    # What only jobs have stands behind it.
    assert {view: after[view][: len(columns[view])] for view in views} == columns
    assert ", ".join(name for name, _ in after["job_stats"][len(columns["job_stats"]) :]) == own


def columns_of(place: Place, view: str) -> list[tuple[str, str]]:
    """The names and types of a view's columns, in their order."""
    return place.sql(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE (table_schema, table_name) = ('archiver', %s) ORDER BY ordinal_position",
        view,
    )


def test_a_run_is_at_work_while_its_server_process_is_there_and_a_crash_after_that(without_jobs: Jobs) -> None:
    place = without_jobs.place
    status = "SELECT job_status, last_run_status, total_runs, total_crashes FROM archiver.job_stats"
    with place.session() as other:
        JobRunLog(other).begin(OF_DAG)
        assert place.sql(status) == [("Running", None, 0, 0)]
        assert place.sql("SELECT status FROM archiver.job_history") == [("Running",)]
    for _ in range(100):
        if place.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test'") == [(1,)]:
            break
        place.sql("SELECT pg_sleep(0.05)")
    assert place.sql(status) == [(None, "Crashed", 1, 1)]
    assert place.sql("SELECT status FROM archiver.job_history") == [("Crashed",)]


def test_a_task_of_a_dag_that_is_run_again_writes_its_own_row_once_more(without_jobs: Jobs) -> None:
    runs, place = without_jobs.runs, without_jobs.place
    first = runs.begin(OF_DAG)
    runs.end(first, RunEnd(succeeded=False, err_message="x", bytes=3))
    assert runs.begin(OF_DAG) == first
    assert place.sql("SELECT finished_at, err_message, bytes, crashed FROM archiver.job_runs") == [
        (None, None, None, True)
    ]
    assert runs.begin(replace(OF_DAG, subject="c.d")) != first
    assert runs.begin(replace(OF_DAG, action="index")) != first
    assert runs.begin(replace(OF_DAG, run_id="run 2")) != first


def test_a_run_of_a_job_is_a_row_of_its_own_each_time(jobs: Jobs) -> None:
    (key,) = jobs.due()
    assert jobs.begin(key, dag_id="jobs__x", run_id="run 1") != jobs.begin(key, dag_id="jobs__x", run_id="run 1")
