"""The walk of a worker that keeps its retention policies in a table: three INSERTs, one of a database that is missing.

Nothing is restarted and no file is changed. Tables, objects and statistics are looked at from outside, with plain SQL
and plain S3.
"""

from __future__ import annotations

import csv
import gzip
import io
from typing import Any

import pytest

from dev.stack import BUCKET
from dev.waiting import wait_until
from tests.acceptance.clusters import RUN_SECONDS, Cluster
from tests.acceptance.conftest import Tenants
from tests.acceptance.settings import RETAINED, RETAINING
from tests.support.policies import INSERTS

pytestmark = pytest.mark.more

DAYS, ROWS = 30, 40
OLD = ROWS - DAYS
PRODUCTS = f"""
    CREATE TABLE public.products (id serial PRIMARY KEY, name text NOT NULL, inserted_at timestamptz NOT NULL);
    INSERT INTO public.products (name, inserted_at)
    SELECT 'product "' || day || E'", of\\nZürich', now() - make_interval(days => day) - interval '1 hour'
    FROM generate_series(0, {ROWS - 1}) AS day
"""
POLICIES = "SELECT id, database_name, state, reason FROM public.data_retention_policy ORDER BY id"
LEFT = "SELECT count(*), coalesce(min(inserted_at) >= now() - interval '30 days', true) FROM public.products"
STATS = """
    SELECT job_status, total_runs, total_successes, total_failures, total_rows, subject FROM archiver.job_stats
    WHERE job_id = %s
"""
REHEARSED = "SELECT rehearsed_at IS NOT NULL FROM archiver.job_state WHERE job_id = %s"


def test_policies_that_people_insert_are_rehearsed_and_then_rows_are_archived(
    tenants: Tenants, clusters: dict[str, Cluster]
) -> None:
    one = clusters[RETAINED]
    one.server.create_database("db1")
    products = {}
    for database in (RETAINED, "db1"):
        with one.server.connect(database) as connection:
            connection.execute(PRODUCTS.encode())
            products[database] = read(one, database, "SELECT id, name, inserted_at::text FROM public.products")
    # The first look makes the tables; the script makes the name by which the document knows them.
    assert one.api.wait_for_run(one.dag_id, one.api.trigger(one.dag_id), RUN_SECONDS) == "success"
    one.run_role_script("data_retention_policy", role=one.server.user, archive=one.server.user)
    versions = one.api.versions(one.dag_id)

    with one.server.connect(RETAINED) as connection:
        connection.execute(INSERTS.encode())
    (here, _, _, _), (there, _, _, _), (nowhere, _, _, _) = one.sql(POLICIES)

    # Rehearsed at once, and nothing has gone.
    for policy in (here, there):
        wait_until(lambda: one.sql(REHEARSED, policy) == [(True,)], f"policy {policy} rehearsed", RUN_SECONDS, 0.5)  # noqa: B023
    wait_until(
        lambda: status(one, nowhere)[0] == "Refused", "the policy of no database to be refused", RUN_SECONDS, 0.5
    )
    for database in (RETAINED, "db1"):
        assert read(one, database, LEFT) == [(ROWS, False)]
    ((_, _, told, reason),) = [row for row in one.sql(POLICIES) if row[0] == nowhere]
    assert told == "Refused"
    assert "database db2 does not exist on the server of instance retaining" in reason

    # They are due.
    for policy in (here, there):
        one.sql("SELECT archiver.alter_job(%s, next_start => clock_timestamp())", policy)
    for policy in (here, there):
        done = ("Scheduled", 1, 1, 0, OLD, "public.products")
        wait_until(lambda: status(one, policy) == done, f"the rows of policy {policy} to go", RUN_SECONDS, 0.5)  # noqa: B023
    for database, rows in products.items():
        assert read(one, database, LEFT) == [(DAYS, True)]
        kept = read(one, database, "SELECT id, name, inserted_at::text FROM public.products")
        gone = archived(tenants, database)
        assert sorted([*kept, *gone]) == sorted(rows)
        assert len(gone) == OLD
    assert read(one, "db1", "SELECT rows, succeeded FROM archiver.job_runs WHERE NOT dry_run") == [(OLD, True)]

    # One job after the other, and no version of the DAG for any of it.
    ((overlaps,),) = one.sql(
        "SELECT count(*) FROM archiver.job_state AS a JOIN archiver.job_state AS b ON a.job_id < b.job_id"
        " AND (a.last_start, a.last_finish) OVERLAPS (b.last_start, b.last_finish)"
    )
    assert overlaps == 0
    assert one.api.versions(one.dag_id) == versions

    # A changed row counts within a minute, a row that is dropped is gone.
    one.sql("UPDATE public.data_retention_policy SET retention_days = 300 WHERE id = %s", there)
    again = "SELECT rehearsed_definition = definition FROM archiver.job_state WHERE job_id = %s"
    wait_until(lambda: one.sql(again, there) == [(True,)], "the changed policy to be rehearsed", 60, 0.5)
    one.sql("DELETE FROM public.data_retention_policy WHERE id = %s", here)
    assert [row[0] for row in one.sql(POLICIES)] == [there, nowhere]


def test_a_policy_that_says_delete_deletes_and_writes_no_object(tenants: Tenants, clusters: dict[str, Cluster]) -> None:
    one = clusters[RETAINED]
    assert one.api.wait_for_run(one.dag_id, one.api.trigger(one.dag_id), RUN_SECONDS) == "success"
    one.server.create_database("db2")
    with one.server.connect("db2") as connection:
        connection.execute(PRODUCTS.encode())
    ((policy,),) = one.sql(
        "INSERT INTO archiver.data_retention_policy (database_name, schema_name, table_name, retention_days,"
        " timestamp_column_name, batch_size, cron_schedule, action)"
        " VALUES ('db2', 'public', 'products', 30, 'inserted_at', 3, '0 0 * * *', 'delete') RETURNING id"
    )
    wait_until(lambda: one.sql(REHEARSED, policy) == [(True,)], "its rehearsal", RUN_SECONDS, 0.5)
    assert read(one, "db2", LEFT) == [(ROWS, False)]
    one.sql("SELECT archiver.alter_job(%s, next_start => clock_timestamp())", policy)
    done = ("Scheduled", 1, 1, 0, OLD, "public.products")
    wait_until(lambda: status(one, policy) == done, "its rows to go", RUN_SECONDS, 0.5)
    assert read(one, "db2", LEFT) == [(DAYS, True)]
    assert archived(tenants, "db2") == []
    named = "SELECT database_name, subject FROM archiver.job_stats WHERE action = 'delete'"
    assert one.sql(named) == [("db2", "public.products")]


def status(one: Cluster, policy: int) -> tuple[Any, ...]:
    found = one.sql(STATS, policy)
    return tuple(found[0]) if found else ("",)


def read(one: Cluster, database: str, statement: str) -> list[Any]:
    with one.server.connect(database) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        return connection.execute(statement.encode()).fetchall()


def archived(tenants: Tenants, database: str) -> list[tuple[Any, ...]]:
    """The rows of the database's objects, read by nothing of ours."""
    client, rows = tenants.stack.s3.client(), []
    folder = f"client={RETAINING}.{database}/"
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=folder):
        for found in page.get("Contents", []):
            if found["Key"].endswith(".csv.gz") and "/_" not in found["Key"]:
                content = gzip.decompress(client.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read())
                header, *lines = csv.reader(io.StringIO(content.decode(), newline=""))
                assert header == ["id", "name", "inserted_at"]
                rows += [(int(line[0]), line[1], line[2]) for line in lines]
    return rows
