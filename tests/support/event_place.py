"""A database with a queue of events, and a folder of functions that run for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import psycopg
from psycopg import sql

from dev.postgres import PostgresServer
from pg_archiver.events.loading import Functions, load_functions
from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.watchdog import Watchdog
from pg_archiver.events.worker import WorkConnections, Worker, WorkResult
from pg_archiver.postgres.base_session import SessionLimits
from pg_archiver.postgres.functions_session import FunctionsSession
from pg_archiver.runtime.stopping import Stop
from tests.support.plain_queue import TABLES, PlainNotes, PlainQueue, put

ROOT = Path(__file__).parents[2]
HEAD = "import os, sys, time\nimport psycopg\nfrom pg_archiver.events import Discard, Event, Snooze, event_function\n"
SINK = """
    CREATE TABLE sink (
        position bigint GENERATED ALWAYS AS IDENTITY, event_id bigint, topic text, attempt int, data text
    )
"""
# What most functions of the tests do.
WRITES = """
told = [event.id, event.topic, event.attempt]
db.execute("INSERT INTO sink (event_id, topic, attempt) VALUES (%s, %s, %s)", told)
"""
AT_ONCE = WorkLimits(linger_seconds=0.0)


@dataclass(frozen=True)
class EventPlace:
    """One database with a table `sink`, a queue, and a folder."""

    server: PostgresServer
    database: str
    folder: Path
    user: psycopg.Connection[Any]
    stop: Stop = field(default_factory=Stop)

    @classmethod
    @contextmanager
    def made(cls, server: PostgresServer, name: str, folder: Path) -> Generator[EventPlace]:
        server.create_database(name)
        with server.connect(name) as user:
            user.execute(TABLES.encode())
            user.execute(SINK)
            yield cls(server, name, folder, user)
        with server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def define(self, name: str, body: str = WRITES, arguments: str = "") -> None:
        """Writes a module with one function of this body."""
        header = f'@event_function("{name}"{arguments})\ndef {name}(event, db):\n'
        (self.folder / f"{name}.py").write_text(f"{HEAD}\n\n{header}{indent(dedent(body).strip(), '    ')}\n")

    def put(self, function: str = "writes", **columns: Any) -> int:
        return put(self.user, function, **columns)

    def sql(self, statement: str, *values: object) -> list[Any]:
        with self.user.cursor() as cursor:
            cursor.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def functions(self) -> Functions:
        return load_functions(self.folder)

    @contextmanager
    def session(self) -> Generator[FunctionsSession]:
        with FunctionsSession.connect(
            lambda: psycopg.connect(**self.server.dsn(self.database)),
            self.database,
            "archiver events 100%",
            limits=SessionLimits(),
            stop=self.stop,
        ) as session:
            yield session

    @contextmanager
    def notes(self, session: FunctionsSession) -> Generator[PlainNotes]:
        with psycopg.connect(**self.server.dsn(self.database), autocommit=True) as connection:
            yield PlainNotes(connection, session.process)

    @property
    def connections(self) -> WorkConnections:
        return WorkConnections(self.session, PlainQueue, self.notes)

    def worker(self, limits: WorkLimits = AT_ONCE, watchdog: Watchdog | None = None) -> Worker:
        return Worker(self.connections, self.functions(), limits, self.stop, watchdog)

    def work(self, limits: WorkLimits = AT_ONCE, **changes: Any) -> WorkResult:
        """Works until nothing is left."""
        return self.worker(replace(limits, **changes)).run()

    def start(self, limits: WorkLimits = AT_ONCE, **changes: Any) -> subprocess.Popen[str]:
        """Starts a worker as a process of its own."""
        order = {
            "dsn": self.server.dsn(self.database),
            "folder": str(self.folder),
            "limits": asdict(replace(limits, **changes)),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.event_worker", json.dumps(order)],
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, limits: WorkLimits = AT_ONCE, **changes: Any) -> tuple[int, str, str]:
        """Lets a process work to its end; returns how it ended, what it did, and its log."""
        with self.start(limits, **changes) as process:
            out, log = process.communicate(timeout=60)
        return process.returncode, out, log

    @property
    def sink(self) -> list[int]:
        """The events that were written, in the order in which that was."""
        return [row[0] for row in self.sql("SELECT event_id FROM sink ORDER BY position")]

    def waiting(self, columns: str = "id") -> list[Any]:
        """The events that are in the queue."""
        return self.sql(f"SELECT {columns} FROM (SELECT * FROM q.events ORDER BY id) AS event")

    def dead(self, columns: str = "id, reason") -> list[Any]:
        return self.sql(f"SELECT {columns} FROM q.dead ORDER BY id")

    def log(self, columns: str = "event_id, succeeded") -> list[Any]:
        return self.sql(f"SELECT {columns} FROM (SELECT * FROM q.log ORDER BY at) AS log")

    def make_due(self) -> None:
        """Lets no event wait for its time any more."""
        self.sql("UPDATE q.events SET available_at = clock_timestamp()")
