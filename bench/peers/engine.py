"""Ours as a library: the steps of a run, in one process, side by side."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg

from bench.peers.protocol import serve
from include.archiver.database import Database
from include.archiver.ledger import Ledger
from include.archiver.pipeline import archive
from include.archiver.policy import KeepDays, load
from include.archiver.steps.plan import Limits, plan
from include.archiver.storage import CLIENT, ObjectStore
from include.orders import work_order


def work(task: dict[str, Any]) -> None:
    """Plans the policy file's one table as of now and archives all that is due."""
    (client,) = load(Path(task["policies"])).clients
    (policy,) = client.tables
    order = work_order(client, policy, "bench", dry_run=False)
    bucket = ObjectStore(boto3.client("s3", **task["s3"], config=CLIENT), policy.bucket_name)
    keep = KeepDays(task["keep_days"], "the benchmark")

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**task["postgres"])

    def session(step: str) -> AbstractContextManager[Database]:
        return Database.connected(connect, client.database, f"archiver bench {step}")

    with session("plan") as database:
        due = plan(database, bucket, order, policy, keep, Limits(datetime.now(UTC), None, None))
        Ledger(database, order).migrate()
    windows = (window for batch in due.batches for window in batch)
    archive(session, bucket, order, windows, lambda: False)


if __name__ == "__main__":
    serve(work)
