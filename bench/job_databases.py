"""Databases of tenants on one server, and the jobs of a control database that call a procedure in each of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from bench.place import BUCKET
from dev.postgres import PostgresServer
from dev.stack import DATABASE_CONNECTION

CONTROL, TENANT, TEMPLATE = "control", "tenant", "tenant_template"
PROCEDURES_CONNECTION = f"{DATABASE_CONNECTION}_procedures"
PROCEDURES_LOGIN = "bench_procedures"
NOOP, NOTE_START = "noop", "note_start"
SLOTS = 4
# What a job calls: the one does nothing, the other notes when it was begun, by the server's clock.
PROCEDURES = """
    CREATE SCHEMA app;
    CREATE TABLE app.starts (job_id int, started_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE PROCEDURE app.noop(job_id int, config jsonb) LANGUAGE plpgsql AS 'BEGIN END';
    CREATE PROCEDURE app.note_start(job_id int, config jsonb) LANGUAGE sql AS 'INSERT INTO app.starts VALUES ($1)';
"""
# The least that the procedures' login needs.
RIGHTS = f"""
    GRANT USAGE ON SCHEMA app TO {PROCEDURES_LOGIN};
    GRANT INSERT ON app.starts TO {PROCEDURES_LOGIN};
"""
START_DELAYS = """
    SELECT extract(epoch FROM started_at - date_trunc('minute', started_at))::float8 FROM app.starts ORDER BY started_at
"""
_INSERT = """
    INSERT INTO archiver.jobs
        (job_name, action, database_name, proc_schema, proc_name, schedule_interval, cron_schedule, initial_start)
    SELECT
        'job ' || number, 'call', 'tenant' || number %% %(tenants)s, 'app', %(procedure)s,
        %(interval)s::interval, %(cron)s, %(first)s::timestamptz
    FROM generate_series(1, %(jobs)s) AS number
"""
# Policies as rows: each archives a table of its own, and the last one keeps less than it may.
_INSERT_POLICIES = """
    INSERT INTO archiver.jobs (job_name, action, database_name, config, cron_schedule)
    SELECT
        'policy ' || number, 'archive', 'tenant' || number %% %(tenants)s,
        jsonb_build_object(
            'table', 'app.events_' || number, 'timestamp_column', 'triggered_at', 'batch_size', 1000,
            'keep_days', CASE WHEN number = %(jobs)s THEN 0 ELSE 30 END
        ),
        '0 0 * * *'
    FROM generate_series(1, %(jobs)s) AS number
"""
_RUNS = """
    SELECT job_id, started_at, finished_at, succeeded FROM archiver.job_runs WHERE job_id IS NOT NULL
"""


@dataclass(frozen=True)
class JobRun:
    """One run of a job, as its own database has it."""

    job_id: int
    started_at: datetime
    finished_at: datetime | None
    succeeded: bool | None


@dataclass(frozen=True)
class JobDatabases:
    """A control database, and so many databases in which its jobs act."""

    server: PostgresServer
    tenants: int

    @property
    def names(self) -> list[str]:
        """The databases in which jobs act."""
        return [f"{TENANT}{number}" for number in range(self.tenants)]

    def make(self) -> None:
        """Creates them and the login by which procedures are called."""
        with self.server.connect() as connection:
            login, password = sql.Identifier(PROCEDURES_LOGIN), sql.Literal(self.server.password)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(login, password))
        self.server.create_database(CONTROL)
        self.server.create_database(TEMPLATE)
        with self.server.connect(TEMPLATE) as connection:
            connection.execute(f"{PROCEDURES}{RIGHTS}".encode())
        with self.server.connect() as connection:
            for name in self.names:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}".encode())

    def connection(self, procedures: bool) -> dict[str, Any]:
        """What Airflow is told of the archiver's connection, or of that of the procedures."""
        return {
            "conn_type": "postgres",
            "host": self.server.host,
            "port": self.server.port,
            "login": PROCEDURES_LOGIN if procedures else self.server.user,
            "password": self.server.password,
        }

    def write_policies(self, folder: Path) -> Path:
        """Writes the policy file of the one instance into the folder."""
        jobs = {
            "database": CONTROL,
            "databases": [f"{TENANT}[0-9]*"],
            "actions": ["archive", "call"],
            "procedures": ["app.*"],
            "procedures_conn_id": PROCEDURES_CONNECTION,
            "slots": SLOTS,
        }
        instance = {"conn_id": DATABASE_CONNECTION, "jobs": jobs, "clients": [{"name": f"{TENANT}0"}]}
        path = folder / "jobs.yaml"
        path.write_text(json.dumps({"defaults": {"bucket": BUCKET}, "instances": [instance]}), encoding="utf-8")
        return path

    def insert(self, jobs: int, procedure: str, first: datetime | None = None, cron: str | None = None) -> None:
        """Inserts so many jobs, in the databases in turn: due once a day from that time or from now on, or by cron."""
        values = {
            "jobs": jobs,
            "tenants": self.tenants,
            "procedure": procedure,
            "interval": None if cron else "1 day",
            "cron": cron,
            "first": first,
        }
        with self.server.connect(CONTROL) as connection:
            connection.execute(_INSERT.encode(), values)

    def insert_policies(self, jobs: int) -> None:
        """Inserts so many jobs that archive, in the databases in turn; the last of them cannot be used."""
        with self.server.connect(CONTROL) as connection:
            connection.execute(_INSERT_POLICIES.encode(), {"jobs": jobs, "tenants": self.tenants})

    def delete_jobs(self) -> None:
        """Deletes all jobs, and with them what was counted of them."""
        with self.server.connect(CONTROL) as connection:
            connection.execute("DELETE FROM archiver.jobs")

    def runs(self) -> list[JobRun]:
        """All runs of jobs, of all databases."""
        found = []
        for name in self.names:
            with self.server.connect(name) as connection:
                if connection.execute("SELECT to_regclass('archiver.job_runs')").fetchone() != (None,):
                    found += [JobRun(*row) for row in connection.execute(_RUNS.encode())]
        return found


def most_at_once(runs: list[JobRun]) -> int:
    """The most of these runs that were at work in one moment."""
    steps = [(run.started_at, 1) for run in runs] + [(run.finished_at, -1) for run in runs if run.finished_at]
    most = now = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most
