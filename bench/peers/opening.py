"""What our own ways of archiving open of a task: its one client and table, the order, the bucket and connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg

from pg_archiver.airflow.selection import make_order
from pg_archiver.archive.plan import Plan, plan
from pg_archiver.archive.run_span import Limits
from pg_archiver.domain.work import WorkOrder
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.policies.yaml_file import load
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import CLIENT, Bucket


@dataclass(frozen=True)
class Opened:
    """A task's one table, and where it is archived from and to."""

    database: str
    postgres: Mapping[str, Any]
    policy: TablePolicy
    order: WorkOrder
    bucket: Bucket
    keep: KeepDays

    def connect(self) -> psycopg.Connection[Any]:
        """A new connection to the database."""
        return psycopg.connect(**self.postgres)

    def plan(self, session: Session) -> Plan:
        """What is due as of now."""
        limits = Limits(datetime.now(UTC), None, None)
        return plan(session, self.bucket, self.order, self.policy, self.keep, limits)


def open_task(task: Mapping[str, Any]) -> Opened:
    """Reads the task's policy file; nothing is asked yet."""
    (client,) = load(Path(task["policies"])).clients
    (policy,) = client.tables
    return Opened(
        client.database,
        task["postgres"],
        policy,
        make_order(client, policy, "bench", dry_run=False),
        Bucket(boto3.client("s3", **task["s3"], config=CLIENT), policy.bucket_name),
        KeepDays(task["keep_days"], "the benchmark"),
    )
