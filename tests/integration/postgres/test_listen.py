"""Waiting for due jobs on a real server: notices, due times, cut connections, tables that are not there yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from pg_archiver.ledger.jobs import JobKey, JobsTable
from pg_archiver.ledger.locks import control_lock, execute_lock
from pg_archiver.ledger.migrations import JobTables
from pg_archiver.postgres.listen import Pace
from pg_archiver.postgres.statements import compose
from tests.support.place import NOW, Place
from tests.support.waiting_for_jobs import BRIEFLY, JOB, LONG, STATE, Waiting


@pytest.fixture
def jobs(place: Place) -> Place:
    with place.session() as session:
        JobTables(session).migrate()
    return place


def test_a_plan_and_an_end_that_was_counted_wake_nobody_before_something_is_due(jobs: Place) -> None:
    async def during(one: Waiting) -> None:
        await one.until_it_listens()
        woken = one.woken
        for _ in range(5):
            await one.sql("SELECT pg_notify('archiver_due', 'look')")
        await asyncio.sleep(BRIEFLY)
        assert one.woken == woken
        await one.sql(JOB, "a")
        await one.until_woken(woken + 1)
        await one.sql(STATE, "d", "idle", "1 second", "a")
        await one.sql("SELECT pg_notify('archiver_due', 'look')")
        await one.until_woken(woken + 2)

    Waiting(jobs).run(during)


def test_a_change_of_jobs_wakes(jobs: Place) -> None:
    async def during(one: Waiting) -> None:
        await one.until_it_listens()
        for times, statement in enumerate(
            (
                "INSERT INTO archiver.jobs (job_name, action, proc_schema, proc_name) VALUES ('a', 'call', 'app', 'p')",
                "UPDATE archiver.jobs SET config = '{\"a\": 1}'",
                "DELETE FROM archiver.jobs",
            ),
            start=1,
        ):
            await one.sql(statement)
            await one.until_woken(times)
        await one.sql("UPDATE archiver.jobs SET config = '{}'")
        await asyncio.sleep(BRIEFLY)
        # A statement that has changed no row is none.
        assert one.woken == 3

    Waiting(jobs).run(during)


def test_a_change_that_is_rolled_back_wakes_nobody(jobs: Place) -> None:
    jobs.sql(JOB, "a")

    async def during(one: Waiting) -> None:
        await one.until_it_listens()
        await one.sql("BEGIN; UPDATE archiver.jobs SET config = '{\"a\": 1}'; ROLLBACK")
        await asyncio.sleep(BRIEFLY)
        assert one.woken == 0

    Waiting(jobs).run(during)


def test_a_job_that_becomes_due_wakes_without_a_notice(jobs: Place) -> None:
    jobs.sql(JOB, "a")
    jobs.sql(STATE, "digest", "idle", "2 seconds", "a")

    async def during(one: Waiting) -> None:
        await one.until_it_listens()
        assert one.woken == 0
        await one.until_woken()
        ((over,),) = await one.sql("SELECT next_start <= clock_timestamp() FROM archiver.job_state")
        assert over

    Waiting(jobs).run(during)


def test_a_due_job_that_nobody_takes_wakes_again(jobs: Place) -> None:
    jobs.sql(JOB, "a")
    jobs.sql(STATE, "digest", "idle", "-1 hour", "a")
    Waiting(jobs, Pace(between_wakes=0.2, first_reminder=0.4)).run(lambda one: one.until_woken(2))


@pytest.mark.parametrize(
    ("definition", "state", "scheduled", "next_start", "due", "waits"),
    [
        ("digest", "idle", True, "-1 second", True, False),
        ("digest", "idle", True, "1 hour", False, True),
        # TimescaleDB's src/bgw/job.c, bgw_job_filter_scheduled: what is not scheduled is not even looked at.
        ("digest", "idle", False, "-1 second", False, False),
        ("digest", "idle", False, "1 hour", False, False),
        ("digest", "idle", True, None, False, False),
        ("", "idle", True, "-1 second", False, False),
        ("digest", "queued", True, "-1 second", False, False),
        ("digest", "waiting", True, "-1 second", False, False),
        ("digest", "refused", True, "1 hour", False, False),
        ("digest", "exhausted", True, "-1 second", False, False),
    ],
)
def test_what_is_due_is_what_a_run_would_take(
    jobs: Place, definition: str, state: str, scheduled: bool, next_start: str | None, due: bool, waits: bool
) -> None:
    jobs.sql(JOB, "a")
    jobs.sql("UPDATE archiver.jobs SET scheduled = %s", scheduled)
    jobs.sql(STATE, definition, state, next_start, "a")
    with jobs.session() as session:
        look = session.fetch_one("postgres/listen/look", told=None)
        taken = session.fetch_all(
            "ledger/jobs/claim_due", run_id="r", most=9, jobs=None, databases=None, application=None, run_now=False
        )
    assert (look.due, look.seconds_to_next is not None, look.newly_due) == (due, waits, False)
    assert bool(taken) is due


@pytest.mark.parametrize("lock", [control_lock, execute_lock])
def test_a_job_whose_process_died_wakes_somebody_too(jobs: Place, lock: Callable[[str, int], str]) -> None:
    jobs.sql(JOB, "a")
    jobs.sql(STATE, "digest", "running", None, "a")
    ((number,),) = jobs.sql("SELECT job_id FROM archiver.job_state")
    with jobs.session() as session:
        with jobs.session() as running, running.try_advisory_lock(lock(jobs.database, number)):
            assert not session.fetch_one("postgres/listen/look", told=None).due
            assert JobsTable(session).list_at_work() == {JobKey(number, jobs.database)}
            # A lock of this name in another database is another one.
            jobs.sql("UPDATE archiver.job_state SET database_name = 'postgres'")
            assert session.fetch_one("postgres/listen/look", told=None).due
        assert session.fetch_one("postgres/listen/look", told=None).due
        assert JobsTable(session).list_at_work() == set()


def test_a_refused_job_wakes_somebody_when_it_would_be_due(jobs: Place) -> None:
    jobs.sql(JOB, "a")
    jobs.sql(STATE, "digest", "refused", "-1 second", "a")
    with jobs.session() as session:
        assert session.fetch_one("postgres/listen/look", told=None).due
        jobs.sql("UPDATE archiver.jobs SET scheduled = false")
        assert not session.fetch_one("postgres/listen/look", told=None).due


def test_what_is_newly_due_is_what_came_after_the_last_wake(jobs: Place) -> None:
    jobs.sql(JOB, "a")
    jobs.sql(STATE, "digest", "idle", "-1 minute", "a")
    with jobs.session() as session:
        before, since = (
            session.fetch_one("postgres/listen/look", told=jobs.sql(f"SELECT now() - interval '{ago}'")[0][0])
            for ago in ("2 minutes", "30 seconds")
        )
    assert (before.newly_due, since.newly_due) == (True, False)


def test_the_look_reads_the_first_rows_of_an_index_whatever_the_number_of_jobs(jobs: Place) -> None:
    jobs.sql(JOB, "a")
    jobs.sql(
        "INSERT INTO archiver.job_state (job_id, database_name, definition, next_start, state)"
        " SELECT job_id, 'db' || n, 'digest', clock_timestamp() + n * interval '1 hour', 'idle'"
        " FROM archiver.jobs, generate_series(1, 20000) AS n"
    )
    jobs.sql("ANALYZE archiver.job_state")
    with jobs.connect() as connection:
        statement = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + compose("postgres/listen/look", {}).as_bytes(
            connection
        )
        row = connection.execute(statement, {"told": NOW}).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
    assert "job_state_idle_next_start" in str(plan)
    # The table has some 600.
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 100


def test_changes_without_end_are_not_more_wakes_than_there_is_time_for(jobs: Place) -> None:
    began = time.monotonic()

    async def during(one: Waiting) -> None:
        await one.until_it_listens()
        for number in range(60):
            await one.sql(JOB, f"job {number}")
            await asyncio.sleep(0.05)
        wakes = one.woken
        assert wakes >= 2
        assert wakes <= (time.monotonic() - began) / one.pace.between_wakes + 1

    Waiting(jobs).run(during)


def test_the_session_is_known_by_its_name_may_not_write_and_ends_with_whoever_waits(jobs: Place) -> None:
    jobs.sql(f"ALTER DATABASE {jobs.database} SET idle_session_timeout = '300ms'")
    jobs.sql(f"ALTER DATABASE {jobs.database} SET search_path = nowhere")
    jobs.sql(f"ALTER DATABASE {jobs.database} SET \"TimeZone\" = 'Asia/Tokyo'")

    async def during(one: Waiting) -> None:
        await one.until_it_listens()
        await asyncio.sleep(BRIEFLY)
        assert len(await one.sql(f"SELECT 1 FROM {one.sessions()}")) == 1
        await one.sql(JOB, "a")
        await one.until_woken()
        assert one.connected == 1

    one = Waiting(jobs)
    one.run(during)

    async def ended(one: Waiting) -> None:
        async with asyncio.timeout(LONG):
            while await one.sql(f"SELECT 1 FROM {one.sessions()}"):
                await asyncio.sleep(0.02)

    asyncio.run(ended(one))
