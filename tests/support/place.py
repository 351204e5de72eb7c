"""A client database and a bucket to archive to: what every integration test works on."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from dev.postgres import PostgresServer
from dev.s3 import S3Server
from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.archive.export import export
from pg_archiver.archive.plan import Plan, plan
from pg_archiver.archive.run_span import Limits
from pg_archiver.archive.store import store
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.windows import DueWindow
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.compression import decompress
from pg_archiver.objects.manifest import Manifest
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.settings import parse_table
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket
from tests.support.any_place import NOW, AnyPlace, founded, hours_ago

__all__ = ["EVENTS", "NOW", "Place", "hours_ago"]

EVENTS = """
    CREATE SCHEMA IF NOT EXISTS analytics;
    CREATE TABLE analytics.events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        triggered_at timestamp NOT NULL,
        name text,
        data jsonb
    );
    CREATE INDEX events_triggered_at ON analytics.events (triggered_at)
"""


@dataclass(frozen=True)
class Place(AnyPlace):
    """One client's database and bucket, and the protocol's steps upon them."""

    user: psycopg.Connection[Any]
    role: str | None = None

    @classmethod
    @contextmanager
    def made(cls, server: PostgresServer, s3: S3Server, number: int, *, ledger: bool = False) -> Generator[Place]:
        name = f"place{number}"
        parts = founded(server, s3, name, run_id="run 1", ledger=ledger)
        with server.connect(name) as user:
            user.prepare_threshold = None
            yield cls(**parts, user=user)
        with server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def on(self, table: str, timestamp_column: str = "triggered_at", **changes: Any) -> Place:
        """The same place, for another table or with another order."""
        name: TableName = parse_table(table)
        order = replace(self.order, table=name, timestamp_column=timestamp_column, **changes)
        policy = self.policy.model_copy(update={"table": table, "timestamp_column": timestamp_column})
        return replace(self, order=order, policy=policy)

    def with_policy(self, **changes: Any) -> Place:
        """The same place with another policy."""
        return replace(self, policy=self.policy.model_copy(update=changes))

    def as_role(self, name: str, *rights: str) -> Place:
        """The same place for a role of this database alone, which has just these rights."""
        role = f"{name}_{self.database}"
        identifier = sql.Identifier(role)
        self.user.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(self.server.password))
        )
        for right in rights:
            self.user.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(right), identifier))
        return replace(self, role=role)

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Runs a statement as a user of the database would, and commits it."""
        with self.user.cursor() as cursor:
            cursor.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def events(self, *moments: datetime) -> None:
        """Inserts one event at each of these moments."""
        with self.user.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO analytics.events (triggered_at, name, data) VALUES (%s, %s, '{\"a\": [1, null]}')",
                [(moment, f"event at {moment}") for moment in moments],
            )

    @contextmanager
    def session(self) -> Generator[Session]:
        with Session.connect(self.connect, self.database, "test") as session:
            yield session

    @contextmanager
    def session_and_connection(self) -> Generator[tuple[Session, psycopg.Connection[Any]]]:
        """A session, and the connection that it works on, through which a test asks what the session has set."""
        connection = self.connect()
        with Session.connect(lambda: connection, self.database, "test") as session:
            yield session, connection

    def connect(self) -> psycopg.Connection[Any]:
        dsn = self.server.dsn(self.database)
        return psycopg.connect(**{**dsn, "user": self.role or dsn["user"]})

    def plan(self, keep_days: int = 2, **limits: Any) -> Plan:
        wanted = Limits(**{"run_time": NOW, "start": None, "end": None, **limits})
        with self.session() as session:
            return plan(session, self.store, self.order, self.policy, KeepDays(keep_days, "the test"), wanted)

    def windows(self, keep_days: int = 2) -> list[DueWindow]:
        with self.session() as session:
            WindowLedger(session, self.order).migrate()
        return [window for batch in self.plan(keep_days).batches for window in batch]

    def window(self) -> DueWindow:
        """The one window that is due."""
        (window,) = self.windows()
        return window

    def stored_window(self) -> DueWindow:
        """The one window that is due, exported and checked, not yet deleted."""
        window = self.window()
        self.export(window)
        self.check(window)
        return window

    def export(self, window: DueWindow, bucket: Bucket | None = None) -> None:
        with self.session() as session:
            export(session, bucket or self.store, self.order, window)

    def check(self, window: DueWindow) -> int:
        with self.session() as session:
            return store(session, self.store, self.order, window)

    def delete(self, window: DueWindow, stopping: Callable[[], bool] = lambda: False) -> Deleted:
        with self.session() as session:
            return delete(session, self.store, self.order, window, stopping)

    def archive(self, keep_days: int = 2) -> list[Deleted]:
        """A whole run on one table."""
        deleted = []
        for window in self.windows(keep_days):
            self.export(window)
            self.check(window)
            deleted.append(self.delete(window))
        return deleted

    def live(self) -> Counter[tuple[str, ...]]:
        """The table's rows as text."""
        return Counter(tuple(row) for row in self.sql(f"SELECT t.*::text FROM {self.relation} AS t"))

    def csv_of_table(self) -> Counter[tuple[str, ...]]:
        """The table's rows as COPY writes them, for comparing with what is archived."""
        statement = f"COPY (SELECT * FROM {self.relation}) TO STDOUT (FORMAT csv, HEADER)"
        with self.user.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            content = b"".join(bytes(piece) for piece in copy)
        return _rows(content)

    def keys(self) -> list[str]:
        """All keys in the bucket."""
        found = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return sorted(entry["Key"] for entry in found)

    def has_ledger(self) -> bool:
        return bool(self.sql("SELECT to_regnamespace('archiver') IS NOT NULL")[0][0])

    def data_keys(self) -> list[str]:
        return [key for key in self.keys() if "/_" not in key]

    def manifests(self) -> list[Manifest]:
        return [Manifest.parse(self.read(key), key) for key in self.keys() if key.endswith(".manifest.json")]

    def write(self, key: str, content: bytes) -> None:
        """Puts other content under a key, as somebody with the right to do so might."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def content(self, manifest: Manifest) -> bytes:
        """What comes out of a data object, decompressed."""
        return b"".join(decompress(io.BytesIO(self.read(manifest.data.key)), manifest.compression))

    def archived(self) -> Counter[tuple[str, ...]]:
        """All rows of all objects that have a manifest, read without the archiver's own reader of rows."""
        rows: Counter[tuple[str, ...]] = Counter()
        for manifest in self.manifests():
            rows += self.rows_of(manifest)
        return rows

    def rows_of(self, manifest: Manifest) -> Counter[tuple[str, ...]]:
        """The rows of one object, read in the same way."""
        return _rows(self.content(manifest))

    def ledger(self, columns: str = "state, rows, deleted_rows") -> list[tuple[Any, ...]]:
        return self.sql(f"SELECT {columns} FROM archiver.windows ORDER BY cell_start, generation")


def _rows(content: bytes) -> Counter[tuple[str, ...]]:
    reader: Sequence[list[str]] = list(csv.reader(io.StringIO(content.decode(), newline="")))
    return Counter(tuple(row) for row in reader[1:])
