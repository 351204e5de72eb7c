"""A client whose events the workers of the cluster share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from dev.airflow_api import AirflowApi
from dev.postgres import PostgresServer
from dev.stack import FUNCTIONS_CONNECTION, FUNCTIONS_LOGIN
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import events_dag_id, jobs_dag_id
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.postgres.session import Session
from tests.acceptance.conftest import RUN_SECONDS
from tests.support.role_scripts import run_role_script

# A server of its own in the policy file, with one lane more than a worker takes tasks.
WATCHED, WATCHING, LANES = "watched", "watching", 3
INSTANCE = {
    "conn_id": WATCHING,
    "jobs": {"actions": ["function"]},
    "clients": [
        {
            "name": WATCHED,
            "own_jobs": True,
            # Long enough for workers that are sent for to find each other there.
            "events": {"conn_id": FUNCTIONS_CONNECTION, "lanes": LANES, "linger": 10},
        }
    ],
}
DAGS = {events_dag_id(WATCHED), jobs_dag_id(WATCHING)}
_TOPICS = 60
_TABLES = """
    CREATE TABLE source (id int PRIMARY KEY, topic int NOT NULL);
    CREATE TABLE noted (position bigint GENERATED ALWAYS AS IDENTITY, event_id bigint, topic text, machine text);
"""


@dataclass(frozen=True)
class Watched:
    """The database whose table is watched."""

    postgres: PostgresServer
    api: AirflowApi

    def sql(self, statement: str, *values: object) -> list[Any]:
        with self.postgres.connect(WATCHED) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def prepare(self) -> None:
        """Makes the database, its queue, a login for functions and a job."""
        server = self.postgres
        server.create_database(WATCHED)
        with Session.connect(lambda: psycopg.connect(**server.dsn(WATCHED)), WATCHED, "test") as session:
            EventTables(session).migrate()
        self.sql(_TABLES)
        login = sql.Identifier(FUNCTIONS_LOGIN)
        with server.connect(WATCHED) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(login, server.password))
            connection.execute(sql.SQL("GRANT INSERT ON noted TO {}").format(login))
        run_role_script(server, WATCHED, "events", role=FUNCTIONS_LOGIN, archive=server.user)
        self.sql(
            "INSERT INTO archiver.jobs (job_name, action, function_name) VALUES ('note', 'function', 'note_machine')"
        )
        self.sql("SELECT archiver.watch('source', 'note', topic => '.topic', key_columns => '{id,topic}')")

    def insert(self, first: int, last: int) -> None:
        """Makes an event of each of these numbers, each in a transaction of its own."""
        with self.postgres.connect(WATCHED) as connection:
            for number in range(first, last + 1):
                connection.execute("INSERT INTO source VALUES (%s, %s)", [number, number % _TOPICS])

    def until(self, statement: str, what: str) -> None:
        try:
            wait_until(lambda: self.sql(statement)[0][0], what, RUN_SECONDS)
        except TimeoutError as error:
            told = {name: self.sql(f"SELECT * FROM archiver.{name} LIMIT 9") for name in ("job_stats", "event_log")}
            runs = [(run["dag_id"], run["state"]) for dag in DAGS for run in self.api.runs(dag)]
            raise AssertionError(f"{error}; {told}; {runs}") from None

    def until_drained(self) -> None:
        self.until("SELECT count(*) = 0 FROM archiver.queue_status", "the queue to be empty")

    def machines(self) -> set[str]:
        """The machines on which functions ran."""
        return {machine for (machine,) in self.sql("SELECT DISTINCT machine FROM noted")}

    def until_workers(self, number: int) -> None:
        self.until(f"SELECT count(*) >= {number} FROM archiver.workers", f"{number} workers of events")

    def check_each_once(self, last: int) -> None:
        """Checks that each event, up to the one of this row, was done once, and in the order of its topic."""
        ids = [event for (event,) in self.sql("SELECT event_id FROM noted ORDER BY position")]
        assert len(ids) == len(set(ids)) == last, f"{len(ids)} runs of {len(set(ids))} events, of {last}"
        disorder = """
            SELECT count(*) FROM (
                SELECT event_id, lag(event_id) OVER (PARTITION BY topic ORDER BY position) AS before FROM noted
            ) AS run WHERE event_id < before
        """
        assert self.sql(disorder) == [(0,)]
