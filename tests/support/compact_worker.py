"""A process that compacts a table and ends itself with SIGKILL: `python -m tests.support.compact_worker`.

An order comes in as JSON: the connection, and the statement that is the last one, after it ran so many times.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import psycopg

from pg_archiver.maintenance.compact.compact import compact
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Names
from tests.support.bloated_tables import EFFORT, EVENTS


def main() -> None:
    order = json.load(sys.stdin)
    left = order["times"]
    genuine = Session.fetch_all

    def fatal(self: Session, statement: str, names: Names | None = None, /, **values: Any) -> list[Row]:
        nonlocal left
        rows = genuine(self, statement, names, **values)
        left -= statement == order["statement"]
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return rows

    Session.fetch_all = fatal  # type: ignore[method-assign,assignment]
    with Session.connect(lambda: psycopg.connect(**order["dsn"]), order["dsn"]["dbname"], "test") as session:
        compact(session, EVENTS, lambda: False, EFFORT)


if __name__ == "__main__":
    main()
