"""One who waits for due jobs, and what happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from pg_archiver.postgres.listen import JOBS, Pace, wait_for_due
from tests.support.place import Place

# Longer than any machine needs for what a test waits for, and than anything waits that should not come.
LONG, BRIEFLY = 20.0, 1.5
PACE = Pace(between_wakes=0.3, first_retry=0.1, last_retry=0.4)
JOB = "INSERT INTO archiver.jobs (job_name, action, proc_schema, proc_name) VALUES (%s, 'call', 'app', 'p')"
STATE = """
    INSERT INTO archiver.job_state (job_id, database_name, definition, state, next_start)
    SELECT job_id, current_database(), %s, %s, clock_timestamp() + %s::interval FROM archiver.jobs WHERE job_name = %s
"""
READ = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass
class Waiting:
    """One who waits, and how often he was woken."""

    place: Place
    pace: Pace = PACE
    woken: int = 0
    connected: int = 0
    errors: list[Exception] = field(default_factory=list)
    """What reading the connection raises, one after the other."""

    async def read(self) -> Mapping[str, Any]:
        if self.errors:
            raise self.errors.pop(0)
        self.connected += 1
        return self.place.server.dsn(self.place.database)

    async def wait(self) -> None:
        async with aclosing(wait_for_due(self.read, self.place.database, self.pace)) as wakes:
            async for what in wakes:
                assert what == JOBS
                self.woken += 1

    def run(self, during: Callable[[Waiting], Awaitable[None]]) -> None:
        """Waits while something happens."""

        async def both() -> None:
            task = asyncio.create_task(self.wait())
            try:
                await during(self)
                assert not task.done()
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

        asyncio.run(both())

    async def sql(self, statement: str, *values: object) -> list[Any]:
        return await asyncio.to_thread(self.place.sql, statement, *values)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONG):
            while not holds():
                await asyncio.sleep(0.02)

    async def until_it_listens(self) -> None:
        async with asyncio.timeout(LONG):
            while not await self.sql(
                f"SELECT 1 FROM {self.sessions()} AND state = 'idle' AND query LIKE '-- Whether a job%'"
            ):
                await asyncio.sleep(0.02)

    async def until_woken(self, times: int = 1) -> None:
        await self.until(lambda: self.woken >= times)

    def sessions(self) -> str:
        return f"pg_stat_activity WHERE application_name = 'archiver due {self.place.database}'"
