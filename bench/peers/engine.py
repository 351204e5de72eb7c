"""Ours as a library: the steps of a run, in one process, side by side."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg

from bench.peers.protocol import serve
from pg_archiver.airflow.selection import make_order
from pg_archiver.archive.pipeline import archive
from pg_archiver.archive.plan import plan
from pg_archiver.archive.run_span import Limits
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.yaml_file import load
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import CLIENT, Bucket


def work(task: dict[str, Any]) -> None:
    """Plans the policy file's one table as of now and archives all that is due."""
    (client,) = load(Path(task["policies"])).clients
    (policy,) = client.tables
    order = make_order(client, policy, "bench", dry_run=False)
    bucket = Bucket(boto3.client("s3", **task["s3"], config=CLIENT), policy.bucket_name)
    keep = KeepDays(task["keep_days"], "the benchmark")

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**task["postgres"])

    def open_session(step: str) -> AbstractContextManager[Session]:
        return Session.connect(connect, client.database, f"archiver bench {step}")

    with open_session("plan") as session:
        due = plan(session, bucket, order, policy, keep, Limits(datetime.now(UTC), None, None))
        WindowLedger(session, order).migrate()
    windows = (window for batch in due.batches for window in batch)
    archive(open_session, bucket, order, windows, lambda: False)


if __name__ == "__main__":
    serve(work)
