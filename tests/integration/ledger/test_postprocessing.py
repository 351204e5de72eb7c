"""A database of hdbpp-postprocessing: its two tables' rows come over by INSERT, and its statistics go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import errors

from pg_archiver.ledger.job_runs import RunEnd
from pg_archiver.ledger.jobs import JobKey, JobState
from tests.support.jobs import Jobs, refusal, run_as
from tests.support.place import Place

pytestmark = pytest.mark.more

# As that service's hdb_ext_postprocessing.sql makes them.
OLD = """
    CREATE TABLE postprocessing_jobs (
        job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        application_name text NOT NULL,
        proc_name text NOT NULL,
        config jsonb
    );
    CREATE TABLE postprocessing_jobs_stats (
        job_id bigint PRIMARY KEY,
        last_run_started_at timestamptz,
        last_successful_finish timestamptz,
        last_run_status text,
        job_status text,
        last_run_duration interval,
        total_runs bigint,
        total_successes bigint,
        total_failures bigint
    );
    CREATE SCHEMA hdb;
    INSERT INTO postprocessing_jobs (application_name, proc_name, config) VALUES
        ('hdb', 'rollup', '{"days": 2}'), ('hdb', 'hdb.Clean_Up', NULL), ('other', 'hdb."Odd %s {x}"', '{}');
    INSERT INTO postprocessing_jobs_stats VALUES
        (1, '2026-01-02 22:00Z', '2026-01-02 22:01Z', 'Success', 'CALL', '1 min', 10, 9, 1),
        (2, '2026-01-02 22:01Z', '2025-12-31 22:02Z', 'Failed', 'Scheduled', '5 s', 4, 1, 3)
"""
JOBS_OVER = "INSERT INTO archiver.postprocessing_jobs SELECT * FROM postprocessing_jobs"
STATS_OVER = "INSERT INTO archiver.postprocessing_jobs_stats SELECT * FROM postprocessing_jobs_stats"


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    place.sql(OLD)
    with Jobs.of(place) as jobs:
        yield jobs


def over(jobs: Jobs) -> None:
    run_as(jobs.place, JOBS_OVER)
    run_as(jobs.place, STATS_OVER)


def old(jobs: Jobs, number: int) -> JobKey:
    return JobKey(number, jobs.place.database)


def test_its_rows_come_over_with_their_numbers(jobs: Jobs) -> None:
    over(jobs)
    columns = "job_id, job_name, application_name, action, proc_schema, proc_name, config, cron_schedule, source"
    assert jobs.place.sql(f"SELECT {columns} FROM archiver.jobs ORDER BY 1") == [
        (1, "User-Defined Action [1]", "hdb", "call", "public", "rollup", {"days": 2}, "0 22 * * *", "table"),
        (2, "User-Defined Action [2]", "hdb", "call", "hdb", "clean_up", {}, "0 22 * * *", "table"),
        (3, "User-Defined Action [3]", "other", "call", "hdb", "Odd %s {x}", {}, "0 22 * * *", "table"),
    ]
    assert jobs.place.sql("SELECT * FROM archiver.postprocessing_jobs ORDER BY 1") == [
        (1, "hdb", "rollup", {"days": 2}),
        (2, "hdb", "hdb.clean_up", {}),
        (3, "other", 'hdb."Odd %s {x}"', {}),
    ]
    assert jobs.add("the next").job_id == 1000


def test_its_statistics_go_on(jobs: Jobs) -> None:
    over(jobs)
    first, second = old(jobs, 1), old(jobs, 2)
    jobs.plan(first, second)
    columns = "last_run_status, total_runs, total_successes, total_failures"
    assert jobs.stats(first, f"{columns}, last_run_duration") == ("Success", 10, 9, 1, timedelta(minutes=1))
    assert jobs.stats(second, columns) == ("Failed", 4, 1, 3)
    jobs.running(first)
    jobs.table.fold(first, jobs.ended(first), None, JobState.IDLE)
    jobs.table.fold(second, jobs.ended(second, RunEnd(succeeded=False)), None, JobState.IDLE)
    assert jobs.place.sql(
        "SELECT job_id, last_run_status, job_status, total_runs, total_successes, total_failures"
        " FROM archiver.postprocessing_jobs_stats ORDER BY 1"
    ) == [
        (1, "Success", "Scheduled", 11, 10, 1),
        (2, "Failed", "Scheduled", 5, 1, 4),
        (3, None, "Scheduled", 0, 0, 0),
    ]
    assert jobs.stats(second, "last_successful_finish") == (datetime(2025, 12, 31, 22, 2, tzinfo=UTC),)


def test_its_columns_and_their_types_are_there(jobs: Jobs) -> None:
    columns = (
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " ORDER BY ordinal_position"
    )
    for table in ("postprocessing_jobs", "postprocessing_jobs_stats"):
        assert jobs.place.sql(columns, "archiver", table) == jobs.place.sql(columns, "public", table)


def test_jobs_are_inserted_changed_and_deleted_as_in_its_table(jobs: Jobs) -> None:
    ((job_id,),) = run_as(
        jobs.place,
        "INSERT INTO archiver.postprocessing_jobs (application_name, proc_name, config)"
        " VALUES ('hdb', 'p', '{\"a\": 1}') RETURNING job_id",
    )
    assert job_id == 1000
    run_as(jobs.place, "UPDATE archiver.postprocessing_jobs SET proc_name = 'hdb.q', application_name = 'x'")
    assert jobs.place.sql("SELECT * FROM archiver.postprocessing_jobs") == [(1000, "x", "hdb.q", {"a": 1})]
    run_as(jobs.place, "DELETE FROM archiver.postprocessing_jobs")
    assert jobs.place.sql("SELECT count(*) FROM archiver.jobs") == [(0,)]


def test_other_jobs_are_not_seen_there(jobs: Jobs) -> None:
    jobs.place.sql("INSERT INTO archiver.jobs (job_name, action) VALUES ('of another kind', 'archive')")
    for table in ("postprocessing_jobs", "postprocessing_jobs_stats"):
        assert jobs.place.sql(f"SELECT count(*) FROM archiver.{table}") == [(0,)]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"proc_name": "p(1); DROP TABLE x"}, "proc_name", "is not the name of a procedure"),
    ({"proc_name": ""}, "proc_name", "is not the name of a procedure"),
    ({"proc_name": None}, "proc_name", "is not the name of a procedure"),
    ({"proc_name": "a.b.c"}, "proc_name", "is not the name of a procedure"),
    ({"job_id": 2**40}, "job_id", "is not between 1 and 2,147,483,647"),
    ({"job_id": 0}, "job_id", "is not between 1 and 2,147,483,647"),
    ({"config": "[]"}, "config", "is a JSON array"),
]


def test_what_cannot_be_a_job_is_refused(jobs: Jobs) -> None:
    for changes, column, words in BAD:
        values = {"application_name": "hdb", "proc_name": "p", "config": "{}", **changes}
        names = ", ".join(values)
        error = refusal(
            jobs.place,
            f"INSERT INTO archiver.postprocessing_jobs ({names}) VALUES ({', '.join(['%s'] * len(values))})",
            *values.values(),
        )
        assert isinstance(error, errors.CheckViolation)
        assert error.diag.column_name == column
        assert words in str(error)


def test_statistics_of_a_job_that_is_not_there_or_has_its_own_are_refused(jobs: Jobs) -> None:
    assert "job 1 not found" in str(refusal(jobs.place, STATS_OVER))
    over(jobs)
    assert "has statistics of its own already" in str(refusal(jobs.place, STATS_OVER))
    own = jobs.add()
    jobs.plan(own)
    jobs.table.fold(own, jobs.crashed(own), None, JobState.IDLE)
    statement = "INSERT INTO archiver.postprocessing_jobs_stats (job_id, total_runs) VALUES (%s, 99)"
    assert "has statistics of its own already" in str(refusal(jobs.place, statement, own.job_id))


def test_times_that_no_driver_reads_are_refused(jobs: Jobs) -> None:
    key = jobs.add()
    for value in ("infinity", "-infinity", "0044-03-15 BC"):
        for column in ("last_run_started_at", "last_successful_finish"):
            statement = f"INSERT INTO archiver.postprocessing_jobs_stats (job_id, {column}) VALUES (%s, %s)"
            assert "is not between 1970 and 2999" in str(refusal(jobs.place, statement, key.job_id, value))
    assert jobs.table.list_states() == []
