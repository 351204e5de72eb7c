"""Airflow's SqlToS3Operator for every hour, each followed by a DELETE of the same range; without a scheduler."""

from __future__ import annotations

from typing import Any

import pandas  # noqa: F401 (the operator imports it in its first run)
import psycopg
from airflow.providers.amazon.aws.transfers.sql_to_s3 import SqlToS3Operator
from airflow.providers.postgres.hooks.postgres import PostgresHook

from bench.peers.hours import hours_before_cutoff
from bench.peers.protocol import serve

READ = "SELECT * FROM analytics.events WHERE triggered_at >= %(start)s AND triggered_at < %(end)s"
DELETE = "DELETE FROM analytics.events WHERE triggered_at >= %(start)s AND triggered_at < %(end)s"


def work(task: dict[str, Any]) -> None:
    """The connections `bench` and `aws_default` come from the environment."""
    with psycopg.connect(**task["postgres"]) as connection:
        hours = list(hours_before_cutoff(connection, task["keep_days"]))
    hook = PostgresHook(postgres_conn_id="bench")
    for start, end in hours:
        span = {"start": start, "end": end}
        SqlToS3Operator(
            task_id="archive",
            query=READ,
            parameters=span,
            s3_bucket=task["bucket"],
            s3_key=f"events/{start:%Y-%m-%d-%H}.csv",
            sql_conn_id="bench",
            aws_conn_id="aws_default",
            file_format="csv",
            df_kwargs={"index": False},
        ).execute({})
        hook.run(DELETE, parameters=span)


if __name__ == "__main__":
    serve(work)
