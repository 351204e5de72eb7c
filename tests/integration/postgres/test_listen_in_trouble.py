"""Waiting for due jobs where tables are missing, connections are cut, or a password is wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from pg_archiver.errors import SettingError
from pg_archiver.ledger.migrations import JobTables
from tests.support.place import Place
from tests.support.waiting_for_jobs import JOB, LONG, Waiting


@pytest.fixture
def jobs(place: Place) -> Place:
    with place.session() as session:
        JobTables(session).migrate()
    return place


def test_tables_that_are_not_there_yet_are_waited_for_and_said_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def during(one: Waiting) -> None:
        await one.until(lambda: one.connected >= 5)
        assert one.woken == 0
        (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert "archiver.job_state" in warning.getMessage()
        with place.session() as session:
            await asyncio.to_thread(JobTables(session).migrate)
        # What happened meanwhile is not known.
        await one.until_woken()

    Waiting(place).run(during)


def test_a_cut_connection_is_made_again_and_what_was_missed_is_looked_for(
    jobs: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def during(one: Waiting) -> None:
        for times in (1, 2, 3):
            await one.until_it_listens()
            await one.sql(f"SELECT pg_terminate_backend(pid) FROM {one.sessions()}")
            await one.until_woken(times)
        await one.until_it_listens()
        await one.sql(JOB, "a")
        await one.until_woken(4)

    one = Waiting(jobs)
    one.run(during)
    assert one.connected == 4
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 3


def test_whatever_goes_wrong_before_the_connection_is_said_once_without_what_it_may_hold(
    jobs: Place, caplog: pytest.LogCaptureFixture
) -> None:
    one = Waiting(
        jobs,
        errors=[
            SettingError("there is no Airflow connection 'x'"),
            SettingError("there is no Airflow connection 'x'"),
            ValueError("s3cret"),
            TimeoutError(),
            KeyError("s3cret"),
        ],
    )
    one.run(lambda one: one.until_woken())
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 4
    assert "no Airflow connection 'x'" in said[0]
    assert "ValueError" in said[1]
    assert "did not answer within 30 seconds" in said[2]
    assert "s3cret" not in str(said)
    assert not any(record.exc_info for record in caplog.records)


def test_a_wrong_password_is_told_in_plain_words_and_tried_again(jobs: Place, caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(Waiting):
        async def read(self) -> Mapping[str, Any]:
            return {**await super().read(), **({"password": "s3cret"} if self.connected < 3 else {})}

    Wrong(jobs).run(lambda one: one.until_woken())
    (said,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "Fix: check the Airflow connection" in said
    assert "s3cret" not in said


def test_whoever_is_told_to_end_as_the_connection_is_made_ends(jobs: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = psycopg.AsyncConnection.connect
    made: list[psycopg.AsyncConnection[Any]] = []

    async def both() -> None:
        task = asyncio.create_task(Waiting(jobs).wait())

        async def end_as_it_is_made(**arguments: Any) -> psycopg.AsyncConnection[Any]:
            made.append(await connect(**arguments))
            task.cancel()
            return made[0]

        monkeypatch.setattr(psycopg.AsyncConnection, "connect", end_as_it_is_made)
        ended, _ = await asyncio.wait({task}, timeout=LONG)
        task.cancel()
        assert ended
        assert task.cancelled()

    asyncio.run(both())
    assert made[0].closed
