"""Ours as a library: the steps of a run, in one process and on one connection, in batches as long as a task's."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg

from bench.peers.protocol import serve
from include.archiver.database import Database
from include.archiver.ledger import Ledger
from include.archiver.policy import KeepDays, load
from include.archiver.steps.delete import delete_all
from include.archiver.steps.export import export
from include.archiver.steps.plan import LONGEST_AUTO_BATCH, Limits, plan
from include.archiver.steps.store import store_all
from include.archiver.storage import ObjectStore
from include.archiver.windows import batches
from include.orders import work_order


def work(task: dict[str, Any]) -> None:
    """Plans the policy file's one table as of now and archives all that is due."""
    (client,) = load(Path(task["policies"])).clients
    (policy,) = client.tables
    order = work_order(client, policy, "bench", dry_run=False)
    bucket = ObjectStore(boto3.client("s3", **task["s3"]), policy.bucket_name)
    keep = KeepDays(task["keep_days"], "the benchmark")

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**task["postgres"])

    with Database.connected(connect, client.database, "archiver bench") as database:
        due = plan(database, bucket, order, policy, keep, Limits(datetime.now(UTC), None, None))
        Ledger(database, order).migrate()
        windows = [window for batch in due.batches for window in batch]
        for part in batches(windows, LONGEST_AUTO_BATCH):
            for window in part:
                export(database, bucket, order, window)
            store_all(database, bucket, order, part)
            delete_all(database, bucket, order, part, lambda: False)


if __name__ == "__main__":
    # What an Airflow task imports counts as a task's memory.
    importlib.import_module("include.archive_tasks")
    serve(work)
