"""pgqueuer's worker in one process: jobs of one INSERT each, put into its queue before the clock starts."""

from __future__ import annotations

from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.types import QueueExecutionMode

from bench.peers.queue_protocol import Clock, serve


async def _work(task: dict[str, Any], clock: Clock) -> None:
    place = dict(task["postgres"])
    place["database"] = place.pop("dbname")
    connection = await asyncpg.connect(**place)
    async with asyncpg.create_pool(**place, min_size=task["connections"], max_size=task["connections"]) as pool:
        driver = AsyncpgDriver(connection)
        queries = Queries(driver)
        await queries.install()
        numbers = [str(number).encode() for number in range(task["events"])]
        await queries.enqueue(["sink"] * len(numbers), numbers, [0] * len(numbers))
        worker = PgQueuer(driver)

        @worker.entrypoint("sink")  # type: ignore[untyped-decorator]  # the peer is not installed beside this
        async def sink(job: Job) -> None:
            await pool.execute(task["insert"].replace("%s", "$1"), int(job.payload or b"0"))

        with clock:
            await worker.run(batch_size=task["batch"], mode=QueueExecutionMode.drain)
    await connection.close()


def work(task: dict[str, Any], clock: Clock) -> None:
    """Works all off, with batches of the task's size."""
    uvloop.run(_work(task, clock))


if __name__ == "__main__":
    serve(work)
