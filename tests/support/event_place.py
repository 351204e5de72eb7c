"""A database with a queue of events, and a folder of functions that run for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from dev.postgres import PostgresServer
from pg_archiver.events.connections import connect_worker
from pg_archiver.events.loading import load_functions
from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.watchdog import Watchdog
from pg_archiver.events.worker import Worker, WorkResult
from pg_archiver.runtime.stopping import Stop
from tests.support.migrated_databases import create_with_events

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
# So that on a busy machine, too, all that is claimed is in one batch.
LONG_BATCH_SECONDS = 30.0
_PUT = """
    INSERT INTO archiver.events (
        id, queued_at, available_at, topic_hash, binding_id, priority, attempts, truncated, operation, topic, key,
        old_key, payload
    )
    SELECT
        nextval('archiver.incoming_events_id_seq'), clock_timestamp(), %(available_at)s,
        CASE WHEN queue THEN hashtextextended(%(topic)s, 0) END, binding_id, %(priority)s, %(attempts)s, false,
        %(operation)s, %(topic)s, %(key)s, %(old_key)s, %(payload)s
    FROM archiver.bindings WHERE binding_id = %(binding)s
    RETURNING id
"""


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
        create_with_events(server, name)
        with server.connect(name) as user:
            user.execute(SINK)
            yield cls(server, name, folder, user)
        with server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @property
    def dsn(self) -> str:
        return make_conninfo(**self.server.dsn(self.database))

    def define(self, name: str, body: str = WRITES, arguments: str = "", given: str = "event") -> None:
        """Writes a module with one function of this body."""
        header = f'@event_function("{name}"{arguments})\ndef {name}({given}, db):\n'
        (self.folder / f"{name}.py").write_text(f"{HEAD}\n\n{header}{indent(dedent(body).strip(), '    ')}\n")

    def bind(self, function: str, *, config: Any = None, table: str | None = None, **settings: Any) -> int:
        """A binding of a job that runs this function, of a channel or of a table; returns its number."""
        number = len(self.sql("SELECT 1 FROM archiver.bindings")) + 1
        ((job,),) = self.sql(
            "INSERT INTO archiver.jobs (job_name, action, function_name, config) VALUES (%s, 'function', %s, %s)"
            " RETURNING job_id",
            f"{function} {number}",
            function,
            Jsonb(config or {}),
        )
        where = {"source": table} if table else {"channel": f"/{number}"}
        row = {"job_id": job, "job_name": f"{function} {number}", "log": "all", **where, **settings}
        statement = sql.SQL("INSERT INTO archiver.bindings ({}) VALUES ({}) RETURNING binding_id").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() * len(row))
        )
        ((binding,),) = self.user.execute(statement, list(row.values()))
        return int(binding)

    def put(self, function: str = "writes", *, own: bool = False, ordered: bool = True, **values: Any) -> int:
        """Puts an event into the queue, as if it had been taken in, and returns its number."""
        settings: dict[str, Any] = {
            "transaction": "own" if own else "with_event",
            "queue": ordered,
            "max_attempts": values.pop("max_attempts", 10),
            "table": values.pop("table", None),
            "config": values.pop("config", None),
        }
        found = self.sql(
            "SELECT binding_id FROM archiver.bindings JOIN archiver.jobs USING (job_id) WHERE channel IS NOT NULL"
            " AND config = '{}' AND (function_name, transaction, queue, max_attempts) = (%s, %s, %s, %s)",
            function,
            settings["transaction"],
            ordered,
            settings["max_attempts"],
        )
        plain = settings["table"] is None and settings["config"] is None
        binding = found[0][0] if found and plain else self.bind(function, **settings)
        return self.put_for(binding, **values)

    def put_for(self, binding: int, **values: Any) -> int:
        """Puts an event of this binding into the queue."""
        row: dict[str, Any] = {"topic": "", "operation": "INSERT", "key": {}, "old_key": None, "payload": None}
        row |= {"priority": 1, "attempts": 0, "available_at": None, "binding": binding} | values
        row |= {name: Jsonb(row[name]) for name in ("key", "old_key", "payload") if row[name] is not None}
        ((number,),) = self.user.execute(_PUT, row)
        return int(number)

    def sql(self, statement: str, *values: object) -> list[Any]:
        with self.user.cursor() as cursor:
            cursor.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def worker(self, limits: WorkLimits = AT_ONCE, watchdog: Watchdog | None = None) -> Worker:
        connections = connect_worker(self.dsn, limits, self.stop)
        return Worker(connections, load_functions(self.folder), limits, self.stop, watchdog)

    def work(self, **changes: Any) -> WorkResult:
        """Works until nothing is left."""
        return self.worker(replace(AT_ONCE, **changes)).run()

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a worker as a process of its own, as the command line does; whoever asks ends it."""
        command = ["-m", "pg_archiver.events.work", self.dsn, "--functions", str(self.folder), *arguments]
        return subprocess.Popen(
            [sys.executable, *command],
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT / "include")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def start(self, *arguments: str) -> Generator[subprocess.Popen[str]]:
        """A worker as a process of its own, killed at the end of the block: a test that fails in it does not hang."""
        with self.spawn(*arguments) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: str, seconds: float = 60.0) -> tuple[int, str]:
        """Lets a process work until nothing is left, so long at most; returns how it ended, and its log."""
        with self.start("--until-empty", "--linger", "0", *arguments) as process:
            _, log = process.communicate(timeout=seconds)
        return process.returncode, log

    @property
    def sink(self) -> list[int]:
        """The events that were written, in the order in which that was."""
        return [row[0] for row in self.sql("SELECT event_id FROM sink ORDER BY position")]

    def waiting(self, columns: str = "id") -> list[Any]:
        """The events that are in the queue."""
        return self.sql(f"SELECT {columns} FROM (SELECT * FROM archiver.events ORDER BY id) AS event")

    def left(self) -> int:
        """How many events are in the queue, or not even taken in."""
        ((number,),) = self.sql(
            "SELECT (SELECT count(*) FROM archiver.events) + (SELECT count(*) FROM archiver.incoming_events)"
        )
        return int(number)

    def dead(self, columns: str = "id, reason") -> list[Any]:
        return self.sql(f"SELECT {columns} FROM (SELECT * FROM archiver.dead_events ORDER BY id) AS event")

    def log(self, columns: str = "event_id, succeeded") -> list[Any]:
        return self.sql(f"SELECT {columns} FROM (SELECT * FROM archiver.event_log ORDER BY started_at) AS log")

    def make_due(self) -> None:
        """Lets no event wait for its time any more."""
        self.sql("UPDATE archiver.events SET available_at = NULL; DELETE FROM archiver.blocked_topics")
