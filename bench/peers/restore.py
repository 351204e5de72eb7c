"""Ours the other way: everything that was archived comes back, into a new table or into the table itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg

from bench.peers.protocol import serve
from pg_archiver.airflow.selection import make_order
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import RestoreOrder
from pg_archiver.policies.yaml_file import load
from pg_archiver.postgres.session import Session
from pg_archiver.restore.restore import restore
from pg_archiver.s3.bucket import CLIENT, Bucket

TEN_YEARS = timedelta(days=3652)


def work(task: dict[str, Any]) -> None:
    """Restores all of the policy file's one table."""
    (client,) = load(Path(task["policies"])).clients
    (policy,) = client.tables
    bucket = Bucket(boto3.client("s3", **task["s3"], config=CLIENT), policy.bucket_name)
    now = datetime.now(UTC)
    into = TableName(*task["into"]) if task["into"] else None
    order = RestoreOrder(make_order(client, policy, "bench", dry_run=False), now - TEN_YEARS, now, into)

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**task["postgres"])

    with Session.connect(connect, client.database, "archiver bench restore") as session:
        restore(session, bucket, order).refuse_failures()


if __name__ == "__main__":
    serve(work)
