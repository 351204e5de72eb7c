"""The walk of a service that runs Python functions for what changes in tables: through Airflow's scheduler.

Its README's example, by insert, update and delete; a function that commits by itself; schedules; failures; what happens
while nobody is there. Looked at from outside, with plain SQL and Airflow's API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dev.airflow_api import AirflowApi
from dev.stack import Stack
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import (
    events_dag_id,
    events_paused_variable,
    events_pool_name,
    jobs_dag_id,
    jobs_pool_name,
)
from tests.acceptance.conftest import Tenants
from tests.acceptance.settings import FUNCTIONS_LOGIN, WATCHED, WATCHING
from tests.support.role_scripts import run_role_script

pytestmark = pytest.mark.more

SECONDS = 120.0
PASSWORD = "run-me-4711"
# What a function prints and raises, which is to be in no log of Airflow.
CONTENT = "own words of a tenant 8841"
TABLES = """
    CREATE TABLE IF NOT EXISTS test_source (id serial PRIMARY KEY, input text);
    CREATE TABLE IF NOT EXISTS test_sink (id serial PRIMARY KEY, data text);
    CREATE TABLE test_failing (id int PRIMARY KEY);
    CREATE TABLE test_own (id int PRIMARY KEY);
    CREATE TABLE test_switch ()
"""
GRANTS = ("SELECT ON test_source, test_switch", "INSERT ON test_sink", "USAGE ON SEQUENCE test_sink_id_seq")
NOT_ITS_OWN = ("DELETE FROM archiver.windows", "SELECT key FROM archiver.events", "SELECT * FROM archiver.jobs")
ENDS_OF_A_RUN = {"success", "failed"}


@dataclass(frozen=True)
class Watching:
    """The database, and the DAG that works on its events."""

    stack: Stack
    api: AirflowApi
    dag_id: str = events_dag_id(WATCHED)

    def sql(self, statement: str, *values: object) -> list[Any]:
        with self.stack.postgres.connect(WATCHED) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def add_job(self, name: str, function: str, **columns: Any) -> int:
        row = {"job_name": name, "action": "function", "function_name": function, **columns}
        statement = (
            f"INSERT INTO archiver.jobs ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))}) RETURNING job_id"
        )
        return int(self.sql(statement, *row.values())[0][0])

    def watch(self, table: str, job: str, **settings: Any) -> int:
        given = "".join(f", {name} => %s" for name in settings)
        ((number,),) = self.sql(f"SELECT archiver.watch(%s::regclass, %s{given})", table, job, *settings.values())
        return int(number)

    def sink(self, like: str = "%") -> list[str]:
        return [data for (data,) in self.sql("SELECT data FROM test_sink WHERE data LIKE %s ORDER BY id", like)]

    def until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            wait_until(holds, what, SECONDS, 0.2)
        except TimeoutError as error:
            told = {
                table: self.sql(f"SELECT * FROM archiver.{table} LIMIT 20")
                for table in ("job_stats", "queue_status", "event_log", "dead_events")
            }
            runs = [(one["dag_run_id"], one["state"]) for one in self.api.runs(self.dag_id)]
            raise AssertionError(f"{error}; {told}; {runs}") from None

    def until_sink(self, *expected: str, like: str = "%") -> None:
        self.until(lambda: self.sink(like) == list(expected), f"the sink to hold {expected}")

    def until_drained(self) -> None:
        waiting = "SELECT count(*) FROM archiver.queue_status WHERE state <> 'dead'"
        self.until(lambda: self.sql(waiting) == [(0,)], "the queue to be empty")

    def until_nobody_works(self) -> None:
        """Waits until the workers that there are have ended, and the runs that there are too."""
        at_work = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = %s"
        self.until(lambda: self.sql(at_work, FUNCTIONS_LOGIN) == [(0,)], "the last worker to end")
        open_now = {run["dag_run_id"] for run in self.api.runs(self.dag_id) if run["state"] not in ENDS_OF_A_RUN}
        for run in open_now:
            self.api.wait_for_run(self.dag_id, run, SECONDS)

    def run(self, **conf: object) -> tuple[str, str]:
        """A run by hand; its id, and how it ended."""
        run = self.api.trigger(self.dag_id, conf)
        return run, self.api.wait_for_run(self.dag_id, run, SECONDS)

    def told(self) -> str:
        """All that Airflow has written about the runs that have ended, and what they handed on."""
        texts = [str(self.api.asset_events())]
        for run in self.api.runs(self.dag_id):
            if run["state"] in ENDS_OF_A_RUN:
                for task in self.api.task_instances(self.dag_id, run["dag_run_id"]):
                    if task["state"] == "skipped":
                        # What was mapped over nothing has no log.
                        continue
                    where = self.dag_id, run["dag_run_id"], task["task_id"]
                    if task["state"] == "success":
                        texts.append(str(self.api.xcom(*where, map_index=task["map_index"])))
                    texts.append(self.api.task_log(*where, max(1, task["try_number"]), task["map_index"]))
        return "\n".join(texts)


@pytest.fixture(scope="module")
def watching(tenants: Tenants) -> Iterator[Watching]:
    """The database with its tables, and a login for functions that has no right but what it needs."""
    stack, api = tenants.stack, tenants.api
    server = stack.postgres
    one = Watching(stack, api)
    login = sql.Identifier(FUNCTIONS_LOGIN)
    one.sql(TABLES)
    with server.connect(WATCHED) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(login, PASSWORD))
        for grant in (
            "SELECT ON test_source, test_switch",
            "INSERT ON test_sink",
            "USAGE ON SEQUENCE test_sink_id_seq",
        ):
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(grant), login))
    address = {"host": server.host, "port": server.port}
    api.set_connection(WATCHING, "postgres", login=server.user, password=server.password, **address)
    api.set_connection(FUNCTIONS_LOGIN, "postgres", login=FUNCTIONS_LOGIN, password=PASSWORD, **address)
    api.set_pool(jobs_pool_name(WATCHING), 1)
    api.set_pool(events_pool_name(WATCHING), 2)
    dags = jobs_dag_id(WATCHING), one.dag_id
    for dag in dags:
        api.unpause(dag)
    one.until(lambda: one.sql("SELECT to_regclass('archiver.events')") != [(None,)], "the tables of events")
    run_role_script(server, WATCHED, "events", role=FUNCTIONS_LOGIN, archive=server.user)
    yield one
    for dag in dags:
        api.pause(dag)


def test_the_example_of_the_readme(watching: Watching) -> None:
    watching.add_job("copy input", "copy_input")
    watching.watch("test_source", "copy input", topic=".id", log="all")
    watching.sql("INSERT INTO test_source (input) VALUES ('test input')")
    watching.until_sink("INSERT test input")

    watching.sql("UPDATE test_source SET input = 'another input'")
    watching.until_sink("INSERT test input", "UPDATE another input")

    watching.sql("BEGIN; INSERT INTO test_source (input) VALUES ('rolled back'); ROLLBACK")
    watching.sql("DELETE FROM test_source")
    ran = "SELECT operation, succeeded, output FROM archiver.event_log ORDER BY started_at"
    expected = [(operation, True, f"{CONTENT}\n") for operation in ("INSERT", "UPDATE", "DELETE")]
    watching.until(lambda: watching.sql(ran) == expected, "the log of three events")
    assert watching.sink() == ["INSERT test input", "UPDATE another input"]
    watching.until_drained()

    # What functions do costs no run a row, and nothing of it is in Airflow.
    watching.sql("INSERT INTO test_source (input) SELECT 'many ' || number FROM generate_series(1, 200) AS number")
    watching.until(lambda: len(watching.sink("INSERT many %")) == 200, "200 rows in the sink")
    assert len(set(watching.sink("INSERT many %"))) == 200
    watching.until_nobody_works()
    told = watching.told()
    assert "events: " in told
    for word in (CONTENT, "test input", "another input", "many 7"):
        assert word not in told


def test_a_function_that_commits_by_itself_runs_as_it_stands(watching: Watching) -> None:
    watching.sql("INSERT INTO test_source (id, input) VALUES (9001, 'committed')")
    watching.until(lambda: "INSERT committed" in watching.sink(), "the other function")
    watching.add_job("commits", "commits")
    watching.watch("test_own", "commits", topic=".id", transaction="own")
    watching.sql("INSERT INTO test_own VALUES (9001)")
    watching.until_sink("committed", like="committed")
    watching.until_drained()


def test_a_schedule_fires_once_each_time(watching: Watching) -> None:
    job = watching.add_job("tick", "tick", schedule_interval="5 seconds")
    watching.until(lambda: len(watching.sink("tick")) >= 2, "two ticks")
    watching.sql("SELECT archiver.alter_job(%s, scheduled => false)", job)
    fires = "SELECT count(*) FROM archiver.job_runs WHERE job_id = %s AND caused_by = 'schedule' AND succeeded"
    # What waits of a job that is paused waits; each fire is one event.
    left = "SELECT count(*) FROM archiver.queue_status"

    def adds_up() -> bool:
        ((fired,),), ((waits,),) = watching.sql(fires, job), watching.sql(left)
        return bool(fired == len(watching.sink("tick")) + waits)

    watching.until(adds_up, "each fire to be one tick")
    status = "SELECT last_run_status, job_status, total_runs >= 2 FROM archiver.job_stats WHERE job_id = %s"
    assert watching.sql(status, job) == [("Success", "Paused", True)]
    watching.sql("DELETE FROM archiver.events; DELETE FROM archiver.incoming_events")


def test_what_fails_is_dead_after_its_attempts_and_comes_back_by_the_form(watching: Watching) -> None:
    watching.add_job("fails", "fails")
    binding = watching.watch("test_failing", "fails", max_attempts=2)
    watching.sql("INSERT INTO test_switch DEFAULT VALUES")
    watching.sql("INSERT INTO test_failing VALUES (1)")
    dead = "SELECT binding_id, attempts, reason FROM archiver.dead_events"
    watching.until(lambda: watching.sql(dead) == [(binding, 2, "failed 2 times")], "the event to be dead")
    watching.api.unpause("sweep")
    run = watching.api.trigger("sweep")
    assert watching.api.wait_for_run("sweep", run, SECONDS) == "failed"
    error = watching.api.task_error("sweep", run, "report")
    assert f"client {WATCHED}, binding {binding} (public.test_failing, job fails): 1 dead event" in error
    assert "which nobody tries again" in error
    assert CONTENT not in error

    watching.sql("DELETE FROM test_switch")
    run, state = watching.run(retry_dead=True, bindings=[binding])
    assert state == "success"
    watching.until_sink("at last 1", like="at last%")
    assert watching.sql(dead) == []
    watching.api.pause("sweep")
    assert CONTENT not in watching.told()


def test_what_happens_while_the_scheduler_is_dead_runs_once_when_it_is_back(watching: Watching) -> None:
    watching.until_drained()
    watching.stack.airflow.kill()
    watching.sql("INSERT INTO test_source (input) SELECT 'meanwhile ' || number FROM generate_series(1, 20) AS number")
    watching.stack.airflow.restart()
    watching.until(lambda: len(watching.sink("INSERT meanwhile%")) >= 20, "what happened meanwhile")
    watching.until_drained()
    assert len(set(watching.sink("INSERT meanwhile%"))) == len(watching.sink("INSERT meanwhile%")) == 20


def test_while_the_variable_is_set_nothing_starts_and_then_it_does(watching: Watching) -> None:
    watching.until_drained()
    variable = events_paused_variable(WATCHED)
    watching.api.set_variable(variable, "true")
    try:
        # Whoever is at work goes on to its end.
        watching.until_nobody_works()
        watching.sql("INSERT INTO test_source (input) VALUES ('paused')")
        assert watching.run()[1] == "success"
        assert watching.sink("INSERT paused") == []
        watching.api.set_variable(variable, "yes")
        run, state = watching.run()
        assert state == "failed"
        assert "neither true nor false" in watching.api.task_error(watching.dag_id, run, "survey")
    finally:
        watching.api.delete_variable(variable)
    watching.run()
    watching.until_sink("INSERT paused", like="INSERT paused")


def test_the_login_of_functions_may_not_touch_the_queue_itself(watching: Watching) -> None:
    dsn = watching.stack.postgres.dsn(WATCHED) | {"user": FUNCTIONS_LOGIN, "password": PASSWORD}
    with psycopg.connect(**dsn) as connection:
        for statement in (
            "DELETE FROM archiver.windows",
            "SELECT key FROM archiver.events",
            "SELECT * FROM archiver.jobs",
        ):
            with pytest.raises(psycopg.Error, match="permission denied"), connection.transaction():
                connection.execute(statement.encode())
