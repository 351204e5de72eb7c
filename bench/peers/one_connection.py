"""Ours as the one task of a small table does it: the steps one after the other, by one connection.

`BENCH_TOGETHER=1` has each window go through them by itself, as one does that no other follows.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg

from pg_archiver.airflow.selection import make_order
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.grouping import MOST_TOGETHER
from pg_archiver.archive.plan import plan
from pg_archiver.archive.remove import remove
from pg_archiver.archive.run_span import Limits
from pg_archiver.archive.store import store_all
from pg_archiver.archive.take_over import take_over
from pg_archiver.domain.work import Batch
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.yaml_file import load
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import CLIENT, Bucket

_TOGETHER = int(os.environ.get("BENCH_TOGETHER", MOST_TOGETHER))


def work(task: dict[str, Any]) -> None:
    """Plans the policy file's one table as of now and archives all that is due."""
    (client,) = load(Path(task["policies"])).clients
    (policy,) = client.tables
    order = make_order(client, policy, "bench", dry_run=False)
    bucket = Bucket(boto3.client("s3", **task["s3"], config=CLIENT), policy.bucket_name)
    keep = KeepDays(task["keep_days"], "the benchmark")

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**task["postgres"])

    with Session.connect(connect, client.database, "archiver bench archive") as session:
        found = plan(session, bucket, order, policy, keep, Limits(datetime.now(UTC), None, None))
        take_over(session, bucket, order, found)
        windows = [window for batch in found.batches for window in batch]
        ownership = Ownership(session, bucket, order)
        for first in range(0, len(windows), _TOGETHER):
            batch = Batch(tuple(windows[first : first + _TOGETHER]))
            export_all(session, bucket, order, batch.windows)
            store_all(session, bucket, order, batch.windows)
            ownership.confirm()
            remove(session, bucket, order, batch, lambda: False, ownership.confirm)
