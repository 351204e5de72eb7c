"""The demo's event: an insert that a Python function turns into a row of another table, through Airflow."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from dev.demo_checks import Check
from dev.demo_jobs import CLIENT, DAG
from dev.postgres import PostgresServer
from dev.stack import FUNCTIONS_LOGIN, Stack
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import events_dag_id

EVENTS_DAG = events_dag_id(CLIENT.name)
FUNCTION = "example.note_change"
ORDERS = 3

_SQL = Path(__file__).parent / "demo_functions.sql"
_TIMEOUT_SECONDS = 300.0
_JOB = "INSERT INTO archiver.jobs (job_name, action, function_name) VALUES ('note orders', 'function', %s)"
_WATCH = "SELECT archiver.watch('app.orders', 'note orders', topic => '.id')"
_CHECKED = """
    SELECT FROM archiver.job_state AS state JOIN archiver.jobs AS job USING (job_id)
    WHERE job.job_name = 'note orders' AND state.state = 'idle' AND state.definition <> ''
"""
# What a worker takes and ends events by; include/sql/roles/events.sql grants the same.
_OF_WORKERS = """
    SELECT format('GRANT EXECUTE ON FUNCTION %%s TO %%I', routine.oid::regprocedure, %s::text)
    FROM pg_proc AS routine
    WHERE
        routine.pronamespace = 'archiver'::regnamespace
        AND routine.proname IN (
            'begin_worker', 'join_worker', 'note_in_hand', 'end_worker', 'recover_workers', 'take_in_events',
            'claim_events', 'complete_events', 'fail_event', 'put_off_event', 'release_event', 'seconds_to_next_event'
        )
"""


def set_up_functions(postgres: PostgresServer) -> None:
    """Make the login for functions, and the tables."""
    login = sql.Identifier(FUNCTIONS_LOGIN)
    with postgres.connect(CLIENT.database) as connection:
        there = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [FUNCTIONS_LOGIN]).rowcount
        if not there:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(login))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(login, sql.Literal(postgres.password)))
        connection.execute(_SQL.read_bytes())


def run_functions(stack: Stack) -> Iterator[Check]:
    """Let a function run for orders that come, change and are rolled back, and yield what must hold then."""
    api = stack.airflow.api()
    api.unpause(DAG)
    api.unpause(EVENTS_DAG)
    with stack.postgres.connect(CLIENT.database) as connection:
        wait_until(lambda: _has_queue(connection), "the queue of events", _TIMEOUT_SECONDS)
        _grant(connection)
        connection.execute(_JOB, [FUNCTION])
        connection.execute(_WATCH)
        wait_until(lambda: connection.execute(_CHECKED).rowcount == 1, "the function's job", _TIMEOUT_SECONDS)
        connection.execute("INSERT INTO app.orders SELECT id, 'a book' FROM generate_series(1, %s) AS id", [ORDERS])
        connection.execute("BEGIN; INSERT INTO app.orders VALUES (0, 'never'); ROLLBACK")
        wait_until(lambda: len(list_changes(connection)) >= ORDERS, "the function to run", _TIMEOUT_SECONDS)
        connection.execute("UPDATE app.orders SET article = 'two books' WHERE id = 1")
        wait_until(lambda: len(list_changes(connection)) > ORDERS, "the function to run again", _TIMEOUT_SECONDS)
        found = list_changes(connection)
    expected = [("INSERT", order) for order in range(1, ORDERS + 1)] + [("UPDATE", 1)]
    yield Check("a function ran once for each order that came or changed", found == expected, f"{len(found)} rows")


def list_changes(connection: psycopg.Connection) -> list[tuple[str, int]]:
    """Return what the function has written: what happened, and to which order."""
    rows = connection.execute("SELECT operation, (key ->> 'id')::integer FROM app.changes ORDER BY operation, 2")
    return [(operation, order) for operation, order in rows.fetchall()]


def describe_functions(stack: Stack) -> str:
    """Return a line that says what the function has made of what happened."""
    with stack.postgres.connect(CLIENT.database) as connection:
        rows = len(list_changes(connection))
    return (
        f"{CLIENT.name}: {ORDERS} orders that came and one that changed are {rows} rows of app.changes, by the Python "
        f"function {FUNCTION}; one that was rolled back is none"
    )


def _has_queue(connection: psycopg.Connection) -> bool:
    return connection.execute("SELECT to_regclass('archiver.events')").fetchone() != (None,)


def _grant(connection: psycopg.Connection) -> None:
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA archiver TO {}").format(sql.Identifier(FUNCTIONS_LOGIN)))
    for (grant,) in connection.execute(_OF_WORKERS, [FUNCTIONS_LOGIN]).fetchall():
        connection.execute(grant.encode())
