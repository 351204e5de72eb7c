"""A process that compacts a table and ends itself with SIGKILL: `python -m tests.integration.compact_worker`.

An order comes in as JSON: the connection, and the statement that is the last one, after it ran so many times.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import psycopg

from include.archiver.database import Database, Row
from include.archiver.statements import Names
from include.archiver.steps.compact import compact
from tests.integration.compacting import EFFORT, EVENTS


def main() -> None:
    order = json.load(sys.stdin)
    left = order["times"]
    genuine = Database.all

    def fatal(self: Database, statement: str, names: Names | None = None, /, **values: Any) -> list[Row]:
        nonlocal left
        rows = genuine(self, statement, names, **values)
        left -= statement == order["statement"]
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return rows

    Database.all = fatal  # type: ignore[method-assign,assignment]
    with Database.connected(lambda: psycopg.connect(**order["dsn"]), order["dsn"]["dbname"], "test") as database:
        compact(database, EVENTS, lambda: False, EFFORT)


if __name__ == "__main__":
    main()
