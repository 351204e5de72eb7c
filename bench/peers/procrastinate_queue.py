"""procrastinate's worker in one process: jobs of one INSERT each, deferred before the clock starts."""

from __future__ import annotations

import asyncio
from typing import Any

from procrastinate import App, PsycopgConnector

from bench.peers.queue_protocol import Clock, serve

DEFERRED_AT_ONCE = 1_000


async def _work(task: dict[str, Any], clock: Clock) -> None:
    app = App(connector=PsycopgConnector(kwargs=task["postgres"], min_size=task["concurrency"] + 2, max_size=20))

    @app.task(name="sink")  # type: ignore[untyped-decorator]  # the peer is not installed beside this
    async def sink(number: int) -> None:
        await app.connector.execute_query_async(task["insert"].replace("%s", "%(number)s"), number=number)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, task["events"], DEFERRED_AT_ONCE):
            end = min(start + DEFERRED_AT_ONCE, task["events"])
            await sink.batch_defer_async(*({"number": number} for number in range(start, end)))
        with clock:
            await app.run_worker_async(
                wait=False,
                concurrency=task["concurrency"],
                install_signal_handlers=False,
                delete_jobs="successful",
            )


def work(task: dict[str, Any], clock: Clock) -> None:
    """Works all off, with the concurrency of the task."""
    asyncio.run(_work(task, clock))


if __name__ == "__main__":
    serve(work)
