"""Waiting for events on a real server: woken when they wait and nobody is at work, by one connection with the jobs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from pg_archiver.ledger.locks import events_at_work_lock
from pg_archiver.ledger.migrations import EventTables, JobTables
from pg_archiver.postgres.listen import EVENTS, EVENTS_AT_WORK, Pace, wait_for_due
from tests.support.place import Place
from tests.support.waiting_for_jobs import BRIEFLY, PACE, Waiting

pytestmark = pytest.mark.more

FUNCTION = "INSERT INTO archiver.jobs (job_name, action, function_name) VALUES ('copy', 'function', 'copy')"
STATE = (
    "INSERT INTO archiver.job_state (job_id, database_name, definition, state)"
    " SELECT job_id, current_database(), 'd', %s FROM archiver.jobs"
)
QUICK = Pace(between_wakes=0.2, first_reminder=0.8)


@dataclass
class WaitingForEvents(Waiting):
    """One who waits for both, and is asked how often he was woken for events."""

    for_jobs: int = field(default=0)

    async def wait(self) -> None:
        async for what in wait_for_due(self.read, self.place.database, PACE, QUICK):
            if what == EVENTS:
                self.woken += 1
            else:
                self.for_jobs += 1

    async def until_it_knows(self) -> None:
        """Waits until it hears of events, and has woken whoever a new queue wakes."""
        await self.until_it_listens()
        await asyncio.sleep(BRIEFLY)


@pytest.fixture
def watched(place: Place) -> Place:
    with place.session() as session:
        EventTables(session).migrate()
    place.sql("CREATE TABLE source (id int PRIMARY KEY)")
    place.sql(FUNCTION)
    place.sql(STATE, "idle")
    place.sql("SELECT archiver.watch('source', 'copy')")
    return place


def test_both_sides_know_the_lock_of_workers() -> None:
    assert events_at_work_lock() == EVENTS_AT_WORK


def test_an_event_wakes_and_reminds_until_somebody_is_at_work(watched: Place) -> None:
    async def during(one: Waiting) -> None:
        assert isinstance(one, WaitingForEvents)
        await one.until_it_knows()
        woken = one.woken
        await one.sql("INSERT INTO source VALUES (1)")
        await one.until_woken(woken + 1)
        await one.until_woken(woken + 2)
        held = "SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))"
        with watched.server.connect(watched.database) as worker:
            await asyncio.to_thread(worker.execute, held, [EVENTS_AT_WORK])
            await asyncio.sleep(BRIEFLY)
            at_work = one.woken
            await one.sql("INSERT INTO source VALUES (2)")
            await asyncio.sleep(BRIEFLY)
            assert one.woken == at_work
        assert len(await one.sql(f"SELECT 1 FROM {one.sessions()}")) == 1

    WaitingForEvents(watched).run(during)


@pytest.mark.parametrize("state", ["refused", "waiting"])
def test_events_that_nobody_may_run_wake_nobody(watched: Place, state: str) -> None:
    watched.sql("UPDATE archiver.job_state SET state = %s", state)

    async def during(one: Waiting) -> None:
        assert isinstance(one, WaitingForEvents)
        await one.until_it_knows()
        woken = one.woken
        await one.sql("INSERT INTO source VALUES (1)")
        await asyncio.sleep(BRIEFLY)
        assert one.woken == woken

    WaitingForEvents(watched).run(during)


def test_an_event_that_waits_for_its_time_wakes_when_that_has_come(watched: Place) -> None:
    watched.sql("INSERT INTO source VALUES (1)")
    watched.sql("SELECT archiver.take_in_events(10)")
    watched.sql("UPDATE archiver.events SET available_at = clock_timestamp() + interval '4 seconds'")

    async def during(one: Waiting) -> None:
        assert isinstance(one, WaitingForEvents)
        await one.until_it_knows()
        woken = one.woken
        await one.until_woken(woken + 1)
        assert await one.sql("SELECT available_at <= clock_timestamp() FROM archiver.events") == [(True,)]

    WaitingForEvents(watched).run(during)


def test_a_queue_that_comes_to_be_later_is_heard(place: Place) -> None:
    with place.session() as session:
        JobTables(session).migrate()

    async def during(one: Waiting) -> None:
        assert isinstance(one, WaitingForEvents)
        await one.until_it_listens()
        assert one.woken == 0
        with place.session() as session:
            await asyncio.to_thread(EventTables(session).migrate)
        await one.sql("CREATE TABLE source (id int PRIMARY KEY)")
        await one.sql(FUNCTION)
        await one.sql("SELECT archiver.watch('source', 'copy')")
        await one.sql("INSERT INTO source VALUES (1)")
        await one.until_woken()

    WaitingForEvents(place).run(during)
