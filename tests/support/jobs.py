"""Jobs in a place: their tables, made by the archive's own role, and logins that may do less than it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg

from pg_archiver.ledger.job_runs import EndedRun, JobRunLog, RunEnd, RunStart
from pg_archiver.ledger.jobs import JobKey, JobsTable, JobState, StateChange
from pg_archiver.ledger.migrations import JobTables
from pg_archiver.policies.jobs import Job
from pg_archiver.postgres.session import Session
from tests.support.place import EVENTS, Place
from tests.support.roles import Owned

HOUR = timedelta(hours=1)
DIGEST = "the digest of the row"


def make_job(name: str = "rollup", **settings: Any) -> dict[str, Any]:
    """A job of the policy file, by the names of the table's columns."""
    given = {"name": name, "action": "call", "procedure": "app.rollup", "schedule": "30 2 * * *"}
    return Job.from_file({**given, **settings}, "the test").to_row()


@dataclass(frozen=True)
class Jobs:
    """The jobs of a place, by a session of whoever the place is for."""

    place: Place
    session: Session
    table: JobsTable
    runs: JobRunLog

    @classmethod
    @contextmanager
    def of(cls, place: Place) -> Generator[Jobs]:
        with place.session() as session:
            JobTables(session).migrate()
            yield cls(place, session, JobsTable(session), JobRunLog(session))

    def add(self, name: str = "rollup", **columns: Any) -> JobKey:
        """One more row of the table."""
        values = {"job_name": name, "action": "call", "proc_name": "rollup", "schedule_interval": "1 hour", **columns}
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        ((job_id,),) = self.place.sql(
            f"INSERT INTO archiver.jobs ({names}) VALUES ({places}) RETURNING job_id", *values.values()
        )
        return JobKey(job_id, self.place.database)

    def plan(self, *keys: JobKey, next_start: datetime | None = None, state: JobState = JobState.IDLE) -> int:
        """Plans them, due now if nothing else is said."""
        start = next_start or self.table.now()
        return self.table.write_states([StateChange(key, DIGEST, state, next_start=start) for key in keys])

    def due(self, *names: str) -> list[JobKey]:
        """Jobs of these names that are due."""
        keys = [self.add(name) for name in names or ("rollup",)]
        self.plan(*keys)
        return keys

    def running(self, key: JobKey, airflow_run: str = "run 1") -> None:
        """Takes and begins it."""
        assert key in [claimed.key for claimed in self.table.claim_due(airflow_run, 100)]
        assert self.table.begin_run(key, DIGEST, airflow_run)

    def begin(self, key: JobKey, **changes: Any) -> int:
        """A run of it in its own database."""
        start = RunStart("rollup", "table", "call", "schedule", key.database, key.job_id, key.database)
        return self.runs.begin(replace(start, **changes))

    def ended(self, key: JobKey, end: RunEnd | None = None, **changes: Any) -> EndedRun:
        """A run of it that has ended."""
        run = self.begin(key, **changes)
        self.runs.end(run, end or RunEnd(succeeded=True))
        found = self.runs.find_ended(run)
        assert found
        return found

    def crashed(self, key: JobKey) -> EndedRun:
        """A run of it that was found to have crashed."""
        run = self.begin(key)
        assert self.runs.close_crashed(run)
        found = self.runs.find_ended(run)
        assert found
        return found

    def stats(self, key: JobKey, columns: str) -> tuple[Any, ...]:
        """What job_stats says of it in these columns."""
        (row,) = self.place.sql(f"SELECT {columns} FROM archiver.job_stats WHERE job_id = %s", key.job_id)
        return tuple(row)

    def state(self, key: JobKey, columns: str) -> tuple[Any, ...]:
        """What job_state says of it in these columns."""
        (row,) = self.place.sql(
            f"SELECT {columns} FROM archiver.job_state WHERE (job_id, database_name) = (%s, %s)",
            key.job_id,
            key.database,
        )
        return tuple(row)


@dataclass(frozen=True)
class Tenants:
    """A database of a plain master, with jobs, whose least-privileged logins are made by the scripts of `roles/`."""

    owned: Owned

    @classmethod
    def made(cls, place: Place) -> Tenants:
        place.sql(EVENTS)
        owned = Owned.made(place)
        owned.run("role")
        owned.run("table", {"schema": "analytics", "table": "events"})
        tenants = cls(owned)
        with tenants.archiver.session() as session:
            JobTables(session).migrate()
        return tenants

    @property
    def place(self) -> Place:
        """The place for its superuser."""
        return self.owned.place

    @property
    def archiver(self) -> Place:
        """The place for the archive's own role."""
        return self.owned.login()

    @property
    def master(self) -> Place:
        """The place for the owner of the database."""
        return replace(self.place, role=self.owned.master)

    def login(self, name: str) -> Place:
        """A login without any rights."""
        role = f"{name} of {self.place.database}"
        self.owned.run("role", {"role": role})
        return replace(self.place, role=role)

    def given(self, script: str, to: Place, **variables: str) -> Place:
        """Runs a script for a login."""
        assert to.role
        self.owned.run(script, {"role": to.role, "archive": self.owned.role, **variables})
        return to

    def writer(self, name: str) -> Place:
        """One that may write jobs in this database."""
        return self.given("job_writers", self.login(name), group=f"writers of {self.place.database}")


def run_as(place: Place, statement: str, *values: object) -> list[Any]:
    """Runs a statement in a session of the place's role, and commits it."""
    with place.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def refusal(place: Place, statement: str, *values: object) -> psycopg.Error:
    """What the server has against a statement of the place's role."""
    try:
        run_as(place, statement, *values)
    except psycopg.Error as error:
        return error
    raise AssertionError(f"nothing was refused: {statement}")
