"""Our own worker in one process, as `python -m pg_archiver.events.work` is: events that are in the queue already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from bench.peers.queue_protocol import Clock, serve
from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.work import run_worker


def work(task: dict[str, Any], clock: Clock) -> None:
    """Works its lane off, or what comes while it lingers."""
    limits = WorkLimits(task["lane"], task["lanes"], task["linger"])
    with clock:
        run_worker(make_conninfo(**task["postgres"]), Path(task["functions"]), limits)


if __name__ == "__main__":
    serve(work)
