"""The walk of a service that runs the tenants' procedures: two databases of two clusters, through Airflow's scheduler.

A job that works, one that fails and one whose procedure is missing; statistics as TimescaleDB shows them, looked at
from outside with plain SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from dev.airflow_api import AirflowApi
from dev.postgres import PostgresServer
from dev.stack import DATABASE_CONNECTION
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import jobs_dag_id, jobs_pool_name
from tests.acceptance.conftest import RUN_SECONDS, Tenants
from tests.acceptance.settings import MEASURED, PROCEDURES, PROCESSED, SECOND_CLUSTER, SECOND_PROCEDURES

pytestmark = pytest.mark.more

LOGIN, PASSWORD = "procedures", "call-me-4711"
DAGS = {PROCESSED: jobs_dag_id(DATABASE_CONNECTION), MEASURED: jobs_dag_id(SECOND_CLUSTER)}
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

    def wait_until_quiet(self) -> None:
        wait_until(
            lambda: all(run["state"] in {"success", "failed"} for run in self.runs()),
            f"the runs of {self.dag_id} to end",
            RUN_SECONDS,
            0.5,
        )

    def logs(self) -> str:
        """All that Airflow has written about the tasks of the DAG's runs."""
        texts = []
        for run in self.runs():
            for task in self.api.task_instances(self.dag_id, run["dag_run_id"]):
                for number in range(1, task["try_number"] + 1):
                    where = self.dag_id, run["dag_run_id"], task["task_id"], number, task["map_index"]
                    texts.append(self.api.task_log(*where))
        return "\n".join(texts)


@pytest.fixture(scope="module")
def clusters(tenants: Tenants, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cluster]]:
    api = tenants.api
    with PostgresServer(tmp_path_factory.mktemp("second")) as second:
        second.create_database(MEASURED)
        servers = {PROCESSED: tenants.stack.postgres, MEASURED: second}
        connections = {PROCESSED: PROCEDURES, MEASURED: SECOND_PROCEDURES}
        api.set_connection(
            SECOND_CLUSTER,
            "postgres",
            host=second.host,
            port=second.port,
            login=second.user,
            password=second.password,
        )
        for name, server in servers.items():
            with server.connect(name) as connection:
                connection.execute(f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'".encode())
                connection.execute(PROCEDURES_OF_TENANTS.encode())
            api.set_connection(
                connections[name], "postgres", host=server.host, port=server.port, login=LOGIN, password=PASSWORD
            )
        for conn_id in (DATABASE_CONNECTION, SECOND_CLUSTER):
            api.set_pool(jobs_pool_name(conn_id), 2)
        for dag in DAGS.values():
            api.unpause(dag)
        yield {name: Cluster(server, name, api) for name, server in servers.items()}
        for dag in DAGS.values():
            api.pause(dag)


def test_procedures_of_two_databases_of_two_clusters_run_and_are_counted(clusters: dict[str, Cluster]) -> None:
    measured, processed = clusters[MEASURED], clusters[PROCESSED]

    # By default there is nothing to do, and it says so.
    for one in clusters.values():
        run = one.api.trigger(one.dag_id)
        assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "success"
        assert one.sql("SELECT count(*) FROM archiver.jobs WHERE source = 'table'") == [(0,)]

    works = measured.add("app.works", '{"days": 2}')
    fails = processed.add("app.fails", '{"by": 0}')
    also_works = processed.add("app.works")
    missing = measured.add("app.missing")
    for one, job in ((measured, works), (processed, fails), (processed, also_works)):
        one.wait_until_planned(job)
        assert one.stats(job) == (None, "Scheduled", 0, 0, 0, False)

    measured.call(works)
    processed.call(fails)
    processed.call(also_works)
    measured.wait_for(works, ("Success", "Scheduled", 1, 1, 0, True))
    processed.wait_for(also_works, ("Success", "Scheduled", 1, 1, 0, True))
    processed.wait_for(fails, ("Failed", "Scheduled", 1, 0, 1, False))
    measured.wait_for(missing, (None, "Refused", 0, 0, 0, False))
    assert measured.sql("SELECT job_id, config, who FROM app.calls") == [(works, {"days": 2}, LOGIN)]
    of_ours = "SELECT job_id, who FROM app.calls WHERE job_id = %s"
    assert processed.sql(of_ours, also_works) == [(also_works, LOGIN)]
    ((reason,),) = measured.sql("SELECT reason FROM archiver.job_stats WHERE job_id = %s", missing)
    assert "app.missing" in reason

    # What failed and why stands with the tenant; Airflow's logs have its code, and no word of the tenant's rows.
    ((code, message),) = processed.sql(
        "SELECT sqlerrcode, err_message FROM archiver.job_errors WHERE job_id = %s", fails
    )
    assert code == "22012"
    assert "division by zero" in message
    for one in clusters.values():
        one.wait_until_quiet()
    assert "22012" in processed.logs()
    assert CONTENT not in processed.logs() + measured.logs()
    ((output,),) = measured.sql("SELECT output FROM archiver.job_runs WHERE job_id = %s", works)
    assert CONTENT in output
    assert {run["state"] for run in processed.runs()} == {"success", "failed"}

    # The statistics go on.
    measured.call(works)
    measured.wait_for(works, ("Success", "Scheduled", 2, 2, 0, True))
    history = measured.sql(
        "SELECT succeeded, crashed, finished_at >= started_at FROM archiver.job_runs WHERE job_id = %s", works
    )
    assert history == [(True, False, True)] * 2


def test_the_form_starts_named_jobs_of_one_application_and_a_dry_run_starts_none(clusters: dict[str, Cluster]) -> None:
    one = clusters[PROCESSED]
    ours, theirs = one.add("app.works", application="ours"), one.add("app.works", application="theirs")
    for job in (ours, theirs):
        one.wait_until_planned(job)
    names = [name for (name,) in one.sql("SELECT job_name FROM archiver.jobs WHERE job_id IN (%s, %s)", ours, theirs)]
    conf = {"jobs": names, "application_name": "ours", "run_now": True, "reason": "a test"}

    run = one.api.trigger(one.dag_id, {**conf, "dry_run": True})
    assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "success"
    assert [one.stats(job) for job in (ours, theirs)] == [(None, "Scheduled", 0, 0, 0, False)] * 2

    run = one.api.trigger(one.dag_id, conf)
    assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "success"
    one.wait_for(ours, ("Success", "Scheduled", 1, 1, 0, True))
    assert one.stats(theirs) == (None, "Scheduled", 0, 0, 0, False)

    run = one.api.trigger(one.dag_id, {"run_now": True})
    assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "failed"
    assert "run_now" in one.api.task_error(one.dag_id, run, "choose")


def test_jobs_of_the_policy_file_run_by_their_schedule(clusters: dict[str, Cluster]) -> None:
    one = clusters[PROCESSED]

    def runs() -> int:
        ((count,),) = one.sql(
            "SELECT coalesce(sum(total_runs), 0) FROM archiver.job_stats WHERE job_name = 'every few seconds'"
        )
        return int(count)

    wait_until(lambda: runs() >= 2, "two runs of the file's job", RUN_SECONDS, 0.5)
    with pytest.raises(psycopg.Error, match="permission denied"), psycopg.connect(**_login(one)) as connection:
        connection.execute("UPDATE archiver.jobs SET config = '{}' WHERE source = 'file'")


def _login(one: Cluster) -> dict[str, Any]:
    return one.server.dsn(one.database) | {"user": LOGIN, "password": PASSWORD}


def test_while_the_variable_is_set_nothing_starts_and_then_it_does(clusters: dict[str, Cluster]) -> None:
    one = clusters[MEASURED]
    job = one.add("app.works", application="paused")
    one.wait_until_planned(job)
    variable = f"archive_jobs_paused__{SECOND_CLUSTER}"
    one.api.set_variable(variable, "true")
    try:
        one.call(job)
        run = one.api.trigger(one.dag_id)
        assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "success"
        one.wait_until_quiet()
        assert one.stats(job) == (None, "Scheduled", 0, 0, 0, False)
        one.api.set_variable(variable, "yes")
        run = one.api.trigger(one.dag_id)
        assert one.api.wait_for_run(one.dag_id, run, RUN_SECONDS) == "failed"
        assert "neither true nor false" in one.api.task_error(one.dag_id, run, "choose")
    finally:
        one.api.delete_variable(variable)
    one.wait_for(job, ("Success", "Scheduled", 1, 1, 0, True))


def test_the_sweep_wakes_what_nobody_was_woken_for(clusters: dict[str, Cluster]) -> None:
    one = clusters[MEASURED]
    job = one.add("app.works", application="swept")
    one.wait_until_planned(job)
    one.wait_until_quiet()
    # A paused DAG has no watcher, and what is due meanwhile is nobody's news.
    one.api.pause(one.dag_id)
    one.call(job)
    one.api.unpause(one.dag_id)
    one.api.unpause("sweep")
    started = datetime.now(UTC)
    run = one.api.trigger("sweep")
    one.api.wait_for_run("sweep", run, RUN_SECONDS)
    one.api.pause("sweep")
    one.wait_for(job, ("Success", "Scheduled", 1, 1, 0, True))
    assert started < datetime.now(UTC)
