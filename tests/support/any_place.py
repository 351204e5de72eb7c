"""A client database and a bucket to archive to, as the integration tests and the fault tests share them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from psycopg import sql

from dev.postgres import PostgresServer
from dev.s3 import S3Server
from pg_archiver.domain.work import WorkOrder
from pg_archiver.policies.settings import TablePolicy
from pg_archiver.s3.bucket import Bucket
from tests.support.migrated_databases import create_with_ledger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def hours_ago(hours: float) -> datetime:
    """A naive UTC timestamp, that long before the beginning of this hour."""
    return (NOW - timedelta(hours=hours)).replace(tzinfo=None)


@dataclass(frozen=True)
class AnyPlace:
    """Where one table is archived from and to."""

    server: PostgresServer
    database: str
    s3: S3Server
    client: S3Client
    bucket: str
    order: WorkOrder
    policy: TablePolicy

    def ordered(self, **changes: Any) -> Self:
        """The same place with another order: a run's id, a batch size, a compression."""
        return replace(self, order=replace(self.order, **changes))

    @property
    def relation(self) -> str:
        """The table's name as SQL writes it."""
        return sql.Identifier(self.order.table.schema, self.order.table.name).as_string()

    @property
    def store(self) -> Bucket:
        return Bucket(self.client, self.bucket)

    def read(self, key: str) -> bytes:
        """An object's bytes, asked of the S3 server itself."""
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()


def founded(server: PostgresServer, s3: S3Server, name: str, run_id: str, *, ledger: bool = False) -> dict[str, Any]:
    """An empty database, with a ledger or without, an empty bucket of this name, and what else a place is made of."""
    if ledger:
        create_with_ledger(server, name)
    else:
        server.create_database(name)
    s3.create_bucket(name)
    policy = TablePolicy(bucket=name)
    order = WorkOrder(
        client=name,
        table=policy.name,
        timestamp_column=policy.timestamp_column,
        timezone=policy.timezone,
        run_id=run_id,
        dry_run=False,
        batch_size=10,
        bucket=name,
        prefix="",
        compression="gzip",
    )
    parts = {"server": server, "database": name, "s3": s3, "client": s3.client(), "bucket": name}
    return {**parts, "order": order, "policy": policy}
