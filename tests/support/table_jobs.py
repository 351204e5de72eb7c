"""Jobs that take rows away from a table of another database, with a bucket to which they go."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from dev.postgres import PostgresServer
from dev.s3 import S3Server
from pg_archiver.jobs.run import Ending, JobResult
from pg_archiver.jobs.source import Claim
from pg_archiver.policies.jobs import Action
from pg_archiver.s3.bucket import Bucket
from tests.support.concurrency import in_background, until
from tests.support.job_place import JobPlace

# Of each hour for five days one row; N of the tests is 2.
ROWS, KEEP_DAYS = 120, 2
EVENTS = f"""
    CREATE TABLE app.events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, name text);
    INSERT INTO app.events (at, name)
    SELECT date_trunc('hour', now()) - make_interval(hours => n) - interval '1 minute', 'event ' || n
    FROM generate_series(0, {ROWS - 1}) AS n;
    CREATE INDEX events_at ON app.events (at)
"""
LEFT = "SELECT count(*), count(*) FILTER (WHERE at < now() - interval '2 days') FROM app.events"
DUE = "SELECT count(*) FROM app.events WHERE at < now() - interval '2 days'"
WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
STATS = "total_runs, total_successes, total_rows, reason"


@dataclass(frozen=True)
class TableJobs:
    """A place whose first target database has a table of events, and jobs that name it."""

    place: JobPlace

    @classmethod
    @contextmanager
    def made(cls, server: PostgresServer, s3: S3Server, name: str, targets: int = 1) -> Generator[TableJobs]:
        bucket = name.replace("_", "-")
        client = s3.client()
        client.create_bucket(Bucket=bucket)
        with JobPlace.made(server, name, targets) as place:
            settings = place.settings.model_copy(
                update={"actions": (Action.ARCHIVE, Action.DELETE), "approve": (), "grace_minutes": 0}
            )
            made = cls(replace(place, settings=settings, bucket=Bucket(client, bucket)))
            for target in place.targets:
                made.add_events(target)
            yield made

    def add_events(self, database: str) -> None:
        """Makes the table, and lets the archiver's login take rows from it."""
        self.place.sql(database, EVENTS)
        grants = "GRANT SELECT, DELETE ON app.events TO {}", "GRANT TEMPORARY ON DATABASE {} TO {}"
        archive = sql.Identifier(self.place.archive)
        self.place.sql(database, sql.SQL(grants[0]).format(archive).as_string())
        self.place.sql(database, sql.SQL(grants[1]).format(sql.Identifier(database), archive).as_string())

    def add(self, action: str = "archive", name: str = "old events", **changes: Any) -> int:
        """A row that names the table."""
        config = {"table": "app.events", "timestamp_column": "at", "keep_days": KEEP_DAYS, "batch_size": 10}
        config |= changes.pop("config", {})
        row = {"schedule_interval": "1 hour", **changes}
        return self.place.job(name, action=action, proc_schema=None, proc_name=None, config=json.dumps(config), **row)

    def rehearse(self) -> JobResult:
        """Lets it be rehearsed, as it is at once."""
        (result,) = self.place.run_due()
        assert result.ending is Ending.REHEARSED, result.told
        return result

    def act(self, name: str = "old events") -> JobResult:
        """Lets it be due, and act."""
        return self.place.run_once(name)

    def run_while_held(self, claim: Claim, change: str) -> JobResult:
        """Runs it, and changes its row while a batch waits for the lock 4711 in its database."""
        place = self.place
        with place.server.connect(place.target) as holder:
            holder.execute("SELECT pg_advisory_lock(4711)")
            with in_background(lambda: place.run(claim)) as running:
                until(lambda: bool(place.sql(place.target, WAITING)))
                place.sql(place.control, change)
                holder.execute("SELECT pg_advisory_unlock(4711)")
                return running.result()

    def left(self, database: str | None = None) -> tuple[int, int]:
        """How many rows are there, and how many of them are old enough to go."""
        ((rows, due),) = self.place.sql(database or self.place.target, LEFT)
        return rows, due

    def stats(self, name: str = "old events") -> tuple[Any, ...]:
        """Runs, successes, rows that went, and what is told."""
        return tuple(self.place.state(name, STATS))

    def objects(self) -> list[str]:
        """The keys of the objects with rows."""
        assert self.place.bucket is not None
        return [key for key in self.place.bucket.list_keys("") if key.endswith(".csv.gz") and "/_" not in key]
