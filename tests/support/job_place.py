"""Databases with jobs in them, and the two logins of the archiver and of procedures, which have no right too many."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from dev.postgres import PostgresServer
from pg_archiver.jobs.choose import EVERYTHING, JobsPlan, Selection, plan_jobs
from pg_archiver.jobs.run import AirflowRun, JobResult, run_claimed
from pg_archiver.jobs.source import Claim, JobConnections, JobsSource
from pg_archiver.policies.jobs import Action, Job
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.table_jobs import Tenant
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Session
from pg_archiver.runtime.stopping import Stop
from pg_archiver.s3.bucket import Bucket
from tests.support.procedures import APP, procedure
from tests.support.role_scripts import run_role_script

_Session = TypeVar("_Session", bound=Session)
RUN = AirflowRun("jobs__rds_main", "run 1", "worker")
STATE = (
    "SELECT state.state, state.total_runs, state.total_successes, state.total_failures, state.total_crashes"
    " FROM archiver.job_state AS state JOIN archiver.jobs AS job USING (job_id)"
    " WHERE job.job_name = %s ORDER BY state.database_name"
)


@dataclass(frozen=True)
class JobPlace:
    """A control database and others of the same server, each with a schema `app` of procedures.

    `opened` is every session that was opened, by the login's word and the database. `bucket` is where rows of jobs go,
    and `stops` is why they may not, as a person sets it in Airflow.
    """

    server: PostgresServer
    control: str
    targets: tuple[str, ...]
    archive: str
    login: str
    settings: JobsSettings
    file_jobs: tuple[Job, ...] = ()
    stop: Stop = field(default_factory=Stop)
    opened: list[tuple[str, str]] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    bucket: Bucket | None = None
    tenants: dict[str, tuple[Tenant, ...]] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    functions: tuple[str, ...] | None = None
    """The functions that there are, where somebody works on the events of the control database."""

    @classmethod
    @contextmanager
    def made(cls, server: PostgresServer, name: str, targets: int = 1) -> Generator[JobPlace]:
        databases = [name, *(f"{name}_{chr(ord('a') + number)}" for number in range(targets))]
        archive, login = roles = (f"archive_{name}", f"procedures_{name}")
        with server.connect() as connection:
            for role in roles:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), server.password)
                )
        for database in databases:
            server.create_database(database)
            with server.connect(database) as connection:
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
                for role in roles:
                    grant = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
                    connection.execute(grant.format(sql.Identifier(database), sql.Identifier(role)))
                connection.execute("CREATE SCHEMA archiver")
                grant = sql.SQL("GRANT USAGE, CREATE ON SCHEMA archiver TO {}")
                connection.execute(grant.format(sql.Identifier(archive)))
                connection.execute(APP)
        settings = JobsSettings(
            database=name, actions=(Action.CALL,), procedures=("app.*",), procedures_conn_id="rds_main_procedures"
        )
        yield cls(server, name, tuple(databases[1:]), archive, login, settings)
        with server.connect() as connection:
            for database in databases:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
            for role in roles:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    @property
    def target(self) -> str:
        """The first database in which jobs act."""
        return self.targets[0]

    def with_settings(self, **changes: Any) -> JobPlace:
        """The same place with other settings of the instance."""
        return replace(self, settings=self.settings.model_copy(update=changes))

    def sql(self, database: str, statement: str, *values: object) -> list[Any]:
        """Runs a statement as a superuser."""
        with self.server.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    @property
    def source(self) -> JobsSource:
        file_jobs = {self.control: self.file_jobs} if self.file_jobs else {}
        defaults = {} if self.bucket is None else {"bucket": self.bucket.name}
        instance = InstanceJobs(
            "rds_main",
            self.settings,
            self.targets,
            file_jobs,
            tenants=self.tenants,
            defaults=defaults,
            event_databases=frozenset() if self.functions is None else frozenset({self.control}),
        )
        return JobsSource(instance, self.control)

    @property
    def connections(self) -> JobConnections:
        def opener(word: str, kind: type[_Session], role: str) -> Callable[[str], Any]:
            def open_session(database: str) -> Any:
                self.opened.append((word, database))
                return kind.connect(
                    lambda: psycopg.connect(**{**self.server.dsn(database), "user": role}),
                    database,
                    f"archiver {word}",
                    stop=self.stop,
                )

            return open_session

        archiver = opener("archiver", Session, self.archive)

        def open_bucket(policy: TablePolicy) -> Bucket:
            assert self.bucket is not None
            assert self.bucket.name == policy.bucket
            return self.bucket

        return JobConnections(
            archiver,
            opener("procedures", ProceduresSession, self.login),
            lambda table, _step: archiver(table.database),
            open_bucket,
            lambda _table: self.stops[0] if self.stops else None,
            lambda name: None if name in (self.functions or ()) else f"there is no function {name!r}",
        )

    def define(self, body: str, name: str = "app.job", database: str | None = None, **parts: str) -> None:
        """Makes a procedure of this body in a target database, in the place of the one that was there."""
        text = procedure(name, body, **parts).replace("CREATE ", "CREATE OR REPLACE ", 1)
        self.sql(database or self.target, text)

    def job(self, name: str = "rollup", **columns: Any) -> int:
        """Inserts a job that calls `app.job` in the first target database, and returns its number."""
        if not self.sql(self.control, "SELECT to_regclass('archiver.jobs')")[0][0]:
            self.plan()
        row = {
            "job_name": name,
            "action": "call",
            "database_name": self.target,
            "proc_schema": "app",
            "proc_name": "job",
            **columns,
        }
        names = ", ".join(row)
        places = ", ".join(["%s"] * len(row))
        statement = f"INSERT INTO archiver.jobs ({names}) VALUES ({places}) RETURNING job_id"
        return int(self.sql(self.control, statement, *row.values())[0][0])

    def plan(
        self, run_id: str = "run 1", *, most: int = 1000, selection: Selection = EVERYTHING, dry_run: bool = False
    ) -> JobsPlan:
        return plan_jobs(
            self.source,
            self.connections,
            run_id=run_id,
            most=most,
            has_ended=self.ended.__contains__,
            selection=selection,
            dry_run=dry_run,
        )

    def claim(self, name: str = "rollup", run_id: str = "run 1") -> Claim:
        """Takes a job that is made due now."""
        self.make_due(name)
        (claim,) = [claim for claim in self.plan(run_id).claims if claim.job_name == name]
        return claim

    def make_due(self, name: str = "rollup") -> None:
        self.plan(most=0)
        self.sql(
            self.control,
            "UPDATE archiver.job_state SET next_start = clock_timestamp() WHERE state = 'idle' AND job_id ="
            " (SELECT job_id FROM archiver.jobs WHERE job_name = %s)",
            name,
        )

    def claims_by_hand(self, name: str, definition: str, run_id: str = "run 1") -> Claim:
        """A claim as if that run had taken the job."""
        number = int(self.state(name, "job_id"))
        return Claim(self.control, self.target, number, name, "schedule", definition, run_id)

    def run_script(self, script: str, database: str, **variables: str) -> None:
        """One of the scripts of roles, by psql, as a superuser."""
        run_role_script(self.server, database, script, **variables)

    def run(self, claim: Claim, *, dry_run: bool = False, connections: JobConnections | None = None) -> JobResult:
        return run_claimed(claim, self.source, connections or self.connections, RUN, dry_run=dry_run)

    def run_due(self, run_id: str = "run 1") -> list[JobResult]:
        """Runs what is due, as one run of the DAG does."""
        return [self.run(claim) for claim in self.plan(run_id).claims]

    def run_once(self, name: str = "rollup") -> JobResult:
        """Lets a job be due, takes it and runs it."""
        return self.run(self.claim(name))

    def state(self, name: str = "rollup", columns: str = "state") -> Any:
        """What the state of a job in its one database says."""
        ((*found,),) = self.sql(
            self.control,
            f"SELECT {columns} FROM archiver.job_state WHERE job_id ="
            " (SELECT job_id FROM archiver.jobs WHERE job_name = %s)",
            name,
        )
        return found[0] if len(found) == 1 else tuple(found)

    def counters(self, name: str = "rollup") -> tuple[str, int, int, int, int]:
        """State, and how many runs, successes, failures and crashes."""
        ((*found,),) = self.sql(self.control, STATE, name)
        state, *numbers = found
        return (str(state), *(int(number) for number in numbers))  # type: ignore[return-value]

    def runs(self, columns: str, database: str | None = None) -> list[tuple[Any, ...]]:
        return self.sql(database or self.target, f"SELECT {columns} FROM archiver.job_runs ORDER BY id")

    def done(self, database: str | None = None) -> Sequence[Any]:
        return self.sql(database or self.target, "SELECT job_id, config, who FROM app.done ORDER BY at")
