"""A client database and a bucket for the fault tests, and tables in them that are told apart by name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from include.archiver.models import TableName, WorkOrder
from include.archiver.policy import TablePolicy
from include.archiver.storage import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def hours_ago(hours: float) -> datetime:
    """A naive UTC timestamp, that long before the beginning of this hour."""
    return (NOW - timedelta(hours=hours)).replace(tzinfo=None)


@dataclass(frozen=True)
class Place:
    """Where one table is archived from and to. Every statement has a connection of its own: servers die here."""

    server: PostgresServer
    database: str
    s3: RcloneS3
    client: S3Client
    bucket: str
    order: WorkOrder
    policy: TablePolicy

    @classmethod
    @contextmanager
    def made(cls, server: PostgresServer, s3: RcloneS3, name: str) -> Generator[Place]:
        server.create_database(name)
        s3.create_bucket(name)
        policy = TablePolicy(bucket=name)
        order = WorkOrder(
            client=name,
            table=policy.name,
            timestamp_column=policy.timestamp_column,
            timezone=policy.timezone,
            run_id="run",
            dry_run=False,
            batch_size=10,
            bucket=name,
            prefix="",
            compression="gzip",
        )
        yield cls(server, name, s3, s3.client(), name, order, policy)

    def on(self, table: str, **order: Any) -> Place:
        """The same place, for another table of the schema `analytics` and with another order."""
        policy = self.policy.model_copy(update={"table": f"analytics.{table}"})
        return replace(self, order=replace(self.order, table=TableName("analytics", table), **order), policy=policy)

    def ordered(self, **changes: Any) -> Place:
        """The same place with another order: a run's id, a batch size, a compression."""
        return replace(self, order=replace(self.order, **changes))

    @property
    def relation(self) -> str:
        """The table's name as SQL writes it."""
        return sql.Identifier(self.order.table.schema, self.order.table.name).as_string()

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.client, self.bucket)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self.server.dsn(self.database), connect_timeout=10)

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Runs a statement as a user of the database would, and commits it."""
        with self.server.connect(self.database) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> int:
        """How many rows the table holds."""
        return int(self.sql(f"SELECT count(*) FROM {self.relation}")[0][0])

    def has_ledger(self) -> bool:
        return bool(self.sql("SELECT to_regclass('archiver.windows') IS NOT NULL")[0][0])

    def read(self, key: str) -> bytes:
        """An object's bytes, asked of the S3 server itself."""
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
