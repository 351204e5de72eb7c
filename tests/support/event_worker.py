"""A worker as a process of its own, on a plain queue: `python -m tests.support.event_worker ORDER`.

The order is JSON: how to connect, the folder of functions, and the worker's limits. It ends after its batch at SIGTERM,
and its last line says what it did.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any, cast

import psycopg

from dev.postgres import PostgresServer
from pg_archiver.events.waiting import WorkLimits
from tests.support.event_place import EventPlace


class _Known:
    """A server that somebody else runs."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments

    def dsn(self, database: str) -> dict[str, Any]:
        return {**self._arguments, "dbname": database}


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    order = json.loads(sys.argv[1])
    with psycopg.connect(**order["dsn"], autocommit=True) as user:
        place = EventPlace(
            cast(PostgresServer, _Known(order["dsn"])), order["dsn"]["dbname"], Path(order["folder"]), user
        )
        signal.signal(signal.SIGTERM, lambda *_: place.stop.request())
        result = place.work(WorkLimits(**order["limits"]))
    sys.stdout.write(f"{result}\n")


if __name__ == "__main__":
    main()
