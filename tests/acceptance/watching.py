"""A database whose tables make events, and what Airflow's scheduler does about them, looked at from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from dev.airflow_api import AirflowApi
from dev.stack import Stack
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import events_dag_id, events_pool_name, jobs_dag_id, jobs_pool_name
from tests.acceptance.settings import FUNCTIONS_LOGIN, WATCHED, WATCHING
from tests.support.role_scripts import run_role_script

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


@contextmanager
def start_watching(stack: Stack, api: AirflowApi) -> Iterator[Watching]:
    """The database with its tables, and a login for functions that has no right but what it needs."""
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
