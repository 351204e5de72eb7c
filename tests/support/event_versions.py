"""A database in which a table keeps its last versions by events: the job, the watched table, and who works on it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psycopg import sql

from dev.postgres import PostgresServer
from pg_archiver.jobs.event_versions import EventVersions
from pg_archiver.jobs.run import Ending
from pg_archiver.ledger.event_queue import EventQueue
from pg_archiver.ledger.version_events import VersionEvents
from pg_archiver.policies.jobs import Action
from tests.support.job_place import JobPlace

ROOT = Path(__file__).parents[2]
DOCS = "CREATE TABLE app.docs (doc_id int, version bigint, body text, PRIMARY KEY (doc_id, version))"
JOB = "docs"
KEEP = 3
COUNTED = "total_keys, total_rows, highest_version"


@dataclass(frozen=True)
class EventDocs:
    """The table `app.docs`, of which a job keeps the newest 3 versions of each document."""

    place: JobPlace

    @classmethod
    @contextmanager
    def made(cls, server: PostgresServer, name: str, table: str = DOCS) -> Generator[EventDocs]:
        with JobPlace.made(server, name) as place:
            settings = {"actions": (Action.DELETE,), "approve": (), "grace_minutes": 0, "min_keep_days": 0}
            made = cls(replace(place.with_settings(**settings), functions=(), targets=(name,)))
            made.place.plan()
            made.sql(table)
            made.grant("SELECT, DELETE, UPDATE (body) ON app.docs")
            made.grant(f"TEMPORARY ON DATABASE {name}")
            yield made

    @property
    def database(self) -> str:
        return self.place.control

    def sql(self, statement: str, *values: object) -> list[Any]:
        return self.place.sql(self.database, statement, *values)

    def grant(self, right: str) -> None:
        grant = sql.SQL(f"GRANT {right} TO {{}}").format(sql.Identifier(self.place.archive))
        self.sql(grant.as_string())

    def add(self, **config: Any) -> int:
        """The job, which has not been looked at yet."""
        whole = {
            "table": "app.docs",
            "keep_days": 0,
            "keep_versions": KEEP,
            "key_columns": ["doc_id"],
            "version_column": "version",
            **config,
        }
        row = {"action": "delete", "proc_schema": None, "proc_name": None, "database_name": None}
        return self.place.job(JOB, config=json.dumps(whole), **row)

    def rehearse(self) -> None:
        (result,) = self.place.run_due()
        assert result.ending is Ending.REHEARSED, result.told

    def watch(self, **settings: Any) -> int:
        given = "".join(f", {name} => %s" for name in {"merge": True} | settings)
        values = ({"merge": True} | settings).values()
        ((binding,),) = self.sql(f"SELECT archiver.watch('app.docs', %s{given})", JOB, *values)
        return int(binding)

    def ready(self, **config: Any) -> EventDocs:
        """With a job that may act, and the table watched."""
        self.add(**config)
        self.rehearse()
        self.watch()
        return self

    def put(self, keys: int, versions: int, first: int = 1) -> None:
        """Writes versions of so many documents."""
        self.sql(
            "INSERT INTO app.docs SELECT doc, version, 'body'"
            " FROM generate_series(1, %s::int) AS doc, generate_series(%s::int, %s::int) AS version",
            keys,
            first,
            first + versions - 1,
        )

    @contextmanager
    def opened(self, **changes: Any) -> Generator[EventVersions]:
        with EventVersions.opened(self.place.source, self.place.connections, **changes) as own:
            yield own

    def take_in(self, own: EventVersions) -> None:
        while EventQueue(own.session).take_in():
            pass

    def work(self, batches: int = 1_000, **changes: Any) -> int:
        """Works until nothing is left, or so many batches; returns how many there were, or were about to be."""
        with self.opened(**changes) as own:
            self.take_in(own)
            done = 0
            while done < batches and own.run_batch():
                done += 1
            return done

    def is_bound(self) -> bool:
        """Whether there is a job whose events may run."""
        with self.opened() as own:
            return bool(VersionEvents(own.session).list_bound())

    def left(self, key: int = 1) -> list[int]:
        return [row[0] for row in self.sql("SELECT version FROM app.docs WHERE doc_id = %s ORDER BY version", key)]

    def all_left(self) -> dict[int, list[int]]:
        found = self.sql("SELECT doc_id, array_agg(version ORDER BY version) FROM app.docs GROUP BY 1 ORDER BY 1")
        return {row[0]: row[1] for row in found}

    def waiting(self) -> int:
        """How many events are in the queue, or not even taken in."""
        ((number,),) = self.sql(
            "SELECT (SELECT count(*) FROM archiver.events) + (SELECT count(*) FROM archiver.incoming_events)"
        )
        return int(number)

    def counted(self) -> tuple[Any, ...]:
        """How many keys and rows were counted, and the highest version that went."""
        return tuple(self.place.state(JOB, COUNTED))

    def ripen(self) -> None:
        """No event waits for its time any more, nor for others of its batch."""
        self.sql("UPDATE archiver.events SET available_at = NULL, queued_at = queued_at - interval '1 second'")

    @contextmanager
    def worker(self, *, until_empty: bool = False) -> Generator[subprocess.Popen[str]]:
        """A worker as a process of its own, killed at the end of the block."""
        place = self.place
        told = {
            "dsn": place.server.dsn(self.database),
            "archive": place.archive,
            "database": self.database,
            "until_empty": until_empty,
        }
        with subprocess.Popen(
            [sys.executable, "-m", "tests.support.event_versions_worker", json.dumps(told, default=str)],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT / 'include'}:{ROOT}"},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()
