"""The trigger of a DAG of jobs as Airflow's triggerer drives it: one connection for all of a database, small events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import TriggerEvent
from airflow.triggers.shared_stream import SharedStreamManager

from pg_archiver.airflow.connections import read_arguments
from pg_archiver.airflow.due_trigger import Due
from pg_archiver.errors import SettingError
from pg_archiver.ledger.migrations import JobTables
from tests.support.place import Place

LONG = 20.0
JOB = "INSERT INTO archiver.jobs (job_name, action, proc_schema, proc_name) VALUES (%s, 'call', 'app', 'p')"


@pytest.fixture
def jobs(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A database with the tables of jobs, to which an Airflow connection leads."""
    connect(place, monkeypatch)
    with place.session() as session:
        JobTables(session).migrate()
    return place


def connect(place: Place, monkeypatch: pytest.MonkeyPatch, **extra: object) -> None:
    parts = {"conn_type": "postgres", "host": place.server.host, "port": place.server.port}
    account = {"login": place.server.user, "password": place.server.password}
    monkeypatch.setenv("AIRFLOW_CONN_RDS_MAIN", json.dumps(parts | account | {"extra": extra}))


class Fired:
    """What triggers have fired, each driven as the triggerer drives those that share a stream."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.streams = SharedStreamManager()
        self.events: dict[int, list[Any]] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, trigger: Due) -> int:
        number = len(self.tasks)
        self.events[number] = []
        key = trigger.shared_stream_key()
        stream = self.streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        self.tasks.append(asyncio.create_task(self.collect(number, trigger.filter_shared_stream(stream))))
        return number

    async def collect(self, number: int, events: AsyncIterator[TriggerEvent]) -> None:
        async for event in events:
            self.events[number].append(event.payload)

    async def until(self, number: int, times: int) -> None:
        async with asyncio.timeout(LONG):
            while len(self.events[number]) < times:
                assert not self.tasks[number].done()
                await asyncio.sleep(0.02)

    async def until_it_listens(self) -> None:
        async with asyncio.timeout(LONG):
            while not await self.sql(f"SELECT 1 FROM {self.sessions()} AND query LIKE '-- Whether a job%'"):
                await asyncio.sleep(0.02)

    async def sql(self, statement: str, *values: object) -> list[Any]:
        return await asyncio.to_thread(self.place.sql, statement, *values)

    def sessions(self) -> str:
        return f"pg_stat_activity WHERE application_name = 'archiver due {self.place.database}'"


def drive(place: Place, during: Callable[[Fired], Awaitable[None]]) -> None:
    async def both() -> None:
        fired = Fired(place)
        try:
            await during(fired)
        finally:
            await fired.streams.stop_all()
            for task in fired.tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    asyncio.run(both())


@pytest.mark.more
def test_triggers_of_one_database_share_a_connection_and_each_fires(jobs: Place) -> None:
    async def during(fired: Fired) -> None:
        first, second = (fired.start(Due(conn_id="rds_main", database=jobs.database)) for _ in range(2))
        for number in (first, second):
            await fired.until(number, 1)
        await fired.until_it_listens()
        assert len(await fired.sql(f"SELECT 1 FROM {fired.sessions()}")) == 1
        await fired.sql(JOB, "a")
        for number in (first, second):
            await fired.until(number, 2)
        # One that comes later is told at once to look, and then hears what the others hear.
        late = fired.start(Due(conn_id="rds_main", database=jobs.database))
        await fired.until(late, 1)
        await fired.sql(JOB, "b")
        await fired.until(late, 2)
        assert len(await fired.sql(f"SELECT 1 FROM {fired.sessions()}")) == 1

    drive(jobs, during)


def test_an_event_says_where_to_look_and_nothing_of_what_is_there(jobs: Place) -> None:
    jobs.sql(JOB, "s3cret")

    async def during(fired: Fired) -> None:
        number = fired.start(Due(conn_id="rds_main", database=jobs.database))
        await fired.until(number, 1)
        assert fired.events[number] == [{"conn_id": "rds_main", "database": jobs.database, "due": "jobs"}]

    drive(jobs, during)


@pytest.mark.more
def test_without_shared_streams_it_fires_likewise(jobs: Place) -> None:
    async def during(fired: Fired) -> None:
        events = Due(conn_id="rds_main", database=jobs.database).run()
        fired.events[0] = []
        fired.tasks.append(asyncio.create_task(fired.collect(0, events)))
        await fired.until(0, 1)
        await fired.until_it_listens()
        await fired.sql(JOB, "a")
        await fired.until(0, 2)

    drive(jobs, during)


@pytest.mark.more
def test_a_missing_airflow_connection_raises_nothing_and_comes_to_be(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def during(fired: Fired) -> None:
        number = fired.start(Due(conn_id="rds_main", database=place.database))
        await fired.until(number, 1)
        async with asyncio.timeout(LONG):
            while "there is no Airflow connection 'rds_main'" not in caplog.text:
                await asyncio.sleep(0.02)
        assert not fired.tasks[number].done()
        connect(place, monkeypatch)
        with place.session() as session:
            await asyncio.to_thread(JobTables(session).migrate)
        await fired.until_it_listens()
        await fired.until(number, 2)

    drive(place, during)


def test_the_trigger_can_be_made_of_what_it_says_of_itself() -> None:
    trigger = Due(conn_id="rds_main", database='odd "name" %s')
    path, arguments = trigger.serialize()
    assert path == "pg_archiver.airflow.due_trigger.Due"
    assert Due(**json.loads(json.dumps(arguments))).serialize() == trigger.serialize()
    assert encode_trigger(trigger)["classpath"] == path
    assert trigger.shared_stream_key() == Due(**arguments).shared_stream_key()
    for other in (Due("rds_main", "b"), Due("rds_other", 'odd "name" %s')):
        assert other.shared_stream_key() != trigger.shared_stream_key()
    Asset("jobs", watchers=[AssetWatcher(name="a", trigger=trigger)])


@pytest.mark.more
@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"cursor": "realdictcursor", "autocommit": True, "prepare_threshold": "5", "row_factory": "dict_row"},
        {"options": "-c search_path=nowhere -c TimeZone=Asia/Tokyo", "sslmode": "prefer", "iam": False},
    ],
    ids=str,
)
def test_what_others_want_of_the_connection_is_no_hindrance(
    jobs: Place, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
) -> None:
    connect(jobs, monkeypatch, **extra)

    async def during(fired: Fired) -> None:
        number = fired.start(Due(conn_id="rds_main", database=jobs.database))
        await fired.until_it_listens()
        await fired.sql(JOB, "a")
        await fired.until(number, 2)

    drive(jobs, during)


def test_a_missing_connection_is_told_with_the_fix() -> None:
    with pytest.raises(SettingError, match=r"no Airflow connection 'nobody'.*Fix: create it"):
        asyncio.run(read_arguments("nobody", "postgres"))
