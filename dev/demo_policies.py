"""The demo's retention policies in a table: a row that archives, and two that delete once a person approved them."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from dev.demo_checks import Check
from dev.demo_jobs import CLIENT, DAG
from dev.postgres import PostgresServer
from dev.stack import BUCKET, Stack
from dev.waiting import wait_until
from pg_archiver.airflow.approve_jobs import APPROVE_DAG

# Two months of a row an hour; so many days stay.
KEEP_DAYS, DAYS = 30, 60
POLICIES = {"clicks": ("at", "archive"), "sessions": ("seen_at", "delete"), "doc_versions": ("saved_at", "delete")}
# Twenty documents of ten versions each, of which three stay, however old they are.
DOCUMENTS, VERSIONS, KEEP_VERSIONS = 20, 10, 3

_SQL = Path(__file__).parent / "demo_policies.sql"
_TIMEOUT_SECONDS = 300.0
_INSERT = """
    INSERT INTO archiver.data_retention_policy (
        database_name, schema_name, table_name, retention_days, timestamp_column_name, batch_size, cron_schedule,
        action, keep_versions, settings
    )
    VALUES (current_database(), 'app', %s, %s, %s, 1000, '0 3 * * *', %s, %s, %s) RETURNING id
"""
_SETTINGS = '{"window_hours": 24}'
_SETTINGS_OF_VERSIONS = '{"key_columns": ["doc_id"], "version_column": "version"}'
_STATE = "SELECT rehearsed_at IS NOT NULL, state FROM archiver.job_state WHERE job_id = %s"
_STATS = "SELECT total_successes, total_failures, total_rows FROM archiver.job_stats WHERE job_id = %s"


def set_up_tables(postgres: PostgresServer) -> None:
    """Make the three tables."""
    with postgres.connect(CLIENT.database) as connection:
        connection.execute(_SQL.read_bytes())


def run_policies(stack: Stack) -> Iterator[Check]:
    """Insert the policies as a person would, approve those that delete, and yield what must hold then."""
    api = stack.airflow.api()
    api.unpause(DAG)
    api.unpause(APPROVE_DAG)
    with stack.postgres.connect(CLIENT.database) as connection:
        policies: dict[str, int] = {}
        for table, (column, action) in POLICIES.items():
            versions = table == "doc_versions"
            kept = (KEEP_VERSIONS, _SETTINGS_OF_VERSIONS) if versions else (None, _SETTINGS)
            ((policies[table],),) = connection.execute(_INSERT, [table, KEEP_DAYS, column, action, *kept]).fetchall()

        def state(table: str) -> tuple[bool, str]:
            rehearsed, word = connection.execute(_STATE, [policies[table]]).fetchone() or (False, "")
            return bool(rehearsed), str(word)

        wait_until(lambda: all(state(one)[0] for one in policies), "the rehearsal of all policies", _TIMEOUT_SECONDS)
        untouched = [_count(connection, table) for table in policies]
        whole = [DAYS * 24, DAYS * 24, DOCUMENTS * VERSIONS]
        yield Check("a new policy is rehearsed, and takes nothing", untouched == whole, f"{untouched} rows")
        deleting = [table for table, (_, action) in POLICIES.items() if action == "delete"]
        _approve(stack, len(deleting))
        wait_until(lambda: all(state(one)[1] == "idle" for one in deleting), "the approvals to count", _TIMEOUT_SECONDS)
        for policy in policies.values():
            connection.execute("CALL archiver.run_job(%s)", [policy])
        for table, policy in policies.items():
            wait_until(lambda: _stats(connection, policy)[0] == 1, f"a run of {table}", _TIMEOUT_SECONDS)  # noqa: B023 (waits for it here)
        left = {table: _count(connection, table) for table in policies}
        gone = {table: _stats(connection, policy)[2] for table, policy in policies.items()}
    # A row an hour: one of them may have become old enough since.
    kept_rows = KEEP_DAYS * 24
    versions_left = left.pop("doc_versions")
    old_gone = all(kept_rows - 1 <= rows <= kept_rows for rows in left.values())
    yield Check("rows that are old enough have left both tables", old_gone, str(left))
    yield Check(
        f"of each document the last {KEEP_VERSIONS} versions are kept",
        versions_left == DOCUMENTS * KEEP_VERSIONS,
        f"{versions_left} of {DOCUMENTS * VERSIONS} versions",
    )
    objects = {table: _count_objects(stack, table) for table in left}
    yield Check(
        "those of the one are in S3, those of the other nowhere",
        objects["clicks"] > 0 and objects["sessions"] == 0,
        f"{gone['clicks']:,} rows in {objects['clicks']:,} objects; {gone['sessions']:,} deleted",
    )


def _approve(stack: Stack, number: int) -> None:
    """Answer the questions about so many policies that delete, as a person does in the UI."""
    api = stack.airflow.api()

    def asked() -> list[str]:
        return [
            run["dag_run_id"]
            for run in api.runs(APPROVE_DAG)
            if any(task["state"] == "awaiting_input" for task in api.task_instances(APPROVE_DAG, run["dag_run_id"]))
        ]

    wait_until(lambda: len(asked()) == number, "the questions whether rows may be deleted", _TIMEOUT_SECONDS)
    # No person is as quick as a program: an answer within some seconds of the question may be lost by Airflow.
    time.sleep(5)
    for run in asked():
        api.answer(APPROVE_DAG, run, "ask", -1, "Approve")


def _stats(connection: psycopg.Connection, policy: int) -> tuple[int, int, int]:
    return connection.execute(_STATS, [policy]).fetchone() or (0, 0, 0)


def _count(connection: psycopg.Connection, table: str) -> int:
    counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("app", table))
    return int((connection.execute(counted).fetchone() or (-1,))[0])


def _count_objects(stack: Stack, table: str) -> int:
    folder = f"client={CLIENT.name}/schema=app/table={table}/"
    pages = stack.s3.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=folder)
    return sum(1 for page in pages for found in page.get("Contents", []) if "/_" not in found["Key"])
