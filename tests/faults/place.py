"""A client database and a bucket for the fault tests, and tables in them that are told apart by name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.domain.tables import TableName
from tests.support.any_place import NOW, AnyPlace, founded, hours_ago

__all__ = ["NOW", "Place", "hours_ago"]


@dataclass(frozen=True)
class Place(AnyPlace):
    """Where one table is archived from and to. Every statement has a connection of its own: servers die here."""

    s3: RcloneS3

    @classmethod
    @contextmanager
    def made(cls, server: PostgresServer, s3: RcloneS3, name: str) -> Generator[Place]:
        yield cls(**founded(server, s3, name, run_id="run"))

    def on(self, table: str, **order: Any) -> Place:
        """The same place, for another table of the schema `analytics` and with another order."""
        policy = self.policy.model_copy(update={"table": f"analytics.{table}"})
        return replace(self, order=replace(self.order, table=TableName("analytics", table), **order), policy=policy)

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
