"""Databases of two servers whose procedures Airflow runs, as their people see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.airflow_api import AirflowApi
from dev.postgres import PostgresServer
from dev.stack import DATABASE_CONNECTION, Stack
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import jobs_dag_id, jobs_pool_name
from tests.acceptance.settings import (
    APPROVED,
    APPROVING,
    MEASURED,
    PROCEDURES,
    PROCESSED,
    RETAINED,
    RETAINING,
    SECOND_CLUSTER,
    SECOND_PROCEDURES,
)
from tests.support.role_scripts import run_role_script

RUN_SECONDS = 240.0

LOGIN, PASSWORD = "procedures", "call-me-4711"
DAGS = {
    PROCESSED: jobs_dag_id(DATABASE_CONNECTION),
    MEASURED: jobs_dag_id(SECOND_CLUSTER),
    APPROVED: jobs_dag_id(APPROVING),
    RETAINED: jobs_dag_id(RETAINING),
}
# A row of a tenant, which is to be in no log of Airflow.
CONTENT = "own words of a tenant 5521"
PROCEDURES_OF_TENANTS = f"""
    CREATE SCHEMA app;
    CREATE TABLE app.calls (job_id integer, config jsonb, at timestamptz DEFAULT clock_timestamp(), who name DEFAULT
        current_user);
    CREATE PROCEDURE app.works(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO app.calls (job_id, config) VALUES (job_id, config);
        COMMIT;
        RAISE NOTICE 'noted: {CONTENT}';
    END $$;
    CREATE PROCEDURE app.fails(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
    BEGIN
        RAISE NOTICE '{CONTENT}';
        PERFORM 1 / (config->>'by')::integer;
    END $$;
    GRANT USAGE ON SCHEMA app TO {LOGIN};
    GRANT INSERT ON app.calls TO {LOGIN}
"""
ADD = """
    INSERT INTO archiver.postprocessing_jobs (application_name, proc_name, config) VALUES (%s, %s, %s) RETURNING job_id
"""
ERRORS = "SELECT sqlerrcode, err_message FROM archiver.job_errors WHERE job_id = %s"
ENDS_OF_A_RUN = {"success", "failed"}
RUNS_OF_FILE = "SELECT coalesce(sum(total_runs), 0) FROM archiver.job_stats WHERE job_name = 'every few seconds'"
STATS = """
    SELECT last_run_status, job_status, total_runs, total_successes, total_failures, last_successful_finish IS NOT NULL
    FROM archiver.postprocessing_jobs_stats WHERE job_id = %s
"""


@dataclass(frozen=True)
class Cluster:
    """One database of one server whose procedures Airflow runs."""

    server: PostgresServer
    database: str
    api: AirflowApi

    @property
    def dag_id(self) -> str:
        return DAGS[self.database]

    def sql(self, statement: str, *values: object) -> list[Any]:
        with self.server.connect(self.database) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def add(self, procedure: str, config: str = "{}", application: str = "hdb") -> int:
        return int(self.sql(ADD, application, procedure, config)[0][0])

    def run_role_script(self, script: str, **variables: str) -> None:
        run_role_script(self.server, self.database, script, **variables)

    def drop_jobs(self) -> None:
        """Delete the jobs of the table, if the database has had any."""
        if self.sql("SELECT 1 WHERE to_regclass('archiver.jobs') IS NOT NULL"):
            self.sql("DELETE FROM archiver.jobs WHERE source = 'table'")

    def stats(self, job: int) -> tuple[Any, ...] | None:
        found = self.sql(STATS, job)
        return found[0] if found else None

    def wait_for(self, job: int, expected: tuple[Any, ...]) -> None:
        def is_so() -> bool:
            return self.stats(job) == expected

        try:
            wait_until(is_so, f"job {job} of {self.database} to be {expected}", RUN_SECONDS, 0.5)
        except TimeoutError as error:
            states = self.sql("SELECT * FROM archiver.job_stats")
            raise AssertionError(f"{error}; it is {self.stats(job)}; {states}") from None

    def wait_until_planned(self, job: int) -> None:
        wait_until(
            lambda: bool(self.sql("SELECT 1 FROM archiver.job_stats WHERE job_id = %s AND next_start > now()", job)),
            f"job {job} of {self.database} to have a next start",
            RUN_SECONDS,
            0.5,
        )

    def call(self, job: int) -> None:
        self.sql("CALL archiver.run_job(%s)", job)

    def runs(self) -> list[dict[str, Any]]:
        return self.api.runs(self.dag_id)

    def ended_states(self) -> set[str]:
        return {run["state"] for run in self.runs()} & ENDS_OF_A_RUN

    def wait_for_its_runs(self) -> None:
        """Wait until the runs that there are now have ended. Others may have begun meanwhile."""
        open_now = {run["dag_run_id"] for run in self.runs() if run["state"] not in ENDS_OF_A_RUN}

        def have_ended() -> bool:
            states = {run["dag_run_id"]: run["state"] for run in self.runs()}
            return all(states[run] in ENDS_OF_A_RUN for run in open_now)

        wait_until(have_ended, f"the runs of {self.dag_id} to end", RUN_SECONDS, 0.5)

    def logs(self) -> str:
        """All that Airflow has written about the tasks of the DAG's runs."""
        texts = []
        for run in self.runs():
            for task in self.api.task_instances(self.dag_id, run["dag_run_id"]):
                for number in range(1, task["try_number"] + 1):
                    where = self.dag_id, run["dag_run_id"], task["task_id"], number, task["map_index"]
                    texts.append(self.api.task_log(*where))
        return "\n".join(texts)


@contextmanager
def run_clusters(stack: Stack, api: AirflowApi, folder: Path) -> Iterator[dict[str, Cluster]]:
    """Starts the second server, makes the logins and procedures, and unpauses the DAGs of jobs."""
    with PostgresServer(folder) as second:
        second.create_database(MEASURED)
        servers = {PROCESSED: stack.postgres, APPROVED: stack.postgres, MEASURED: second}
        for conn_id, server in ((SECOND_CLUSTER, second), (RETAINING, second), (APPROVING, stack.postgres)):
            address = {"host": server.host, "port": server.port}
            api.set_connection(conn_id, "postgres", login=server.user, password=server.password, **address)
        for server in (stack.postgres, second):
            with server.connect() as connection:
                connection.execute(f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'".encode())
        for name, server in servers.items():
            with server.connect(name) as connection:
                connection.execute(PROCEDURES_OF_TENANTS.encode())
        for conn_id, server in ((PROCEDURES, stack.postgres), (SECOND_PROCEDURES, second)):
            address = {"host": server.host, "port": server.port}
            api.set_connection(conn_id, "postgres", login=LOGIN, password=PASSWORD, **address)
        for conn_id in (DATABASE_CONNECTION, SECOND_CLUSTER, APPROVING):
            api.set_pool(jobs_pool_name(conn_id), 2)
        # One job after the other.
        api.set_pool(jobs_pool_name(RETAINING), 1)
        for dag in DAGS.values():
            api.unpause(dag)
        yield {name: Cluster(server, name, api) for name, server in (servers | {RETAINED: second}).items()}
        for dag in DAGS.values():
            api.pause(dag)
