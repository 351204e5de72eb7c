"""Rows as the server writes them in CSV, counted and compared by content. Knows nothing of the archiver."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg import sql

from dev.demo_clients import DemoClient

_PROGRESS_SECONDS = 3.0


@dataclass
class Rows:
    """A multiset of rows: how often each CSV record occurs, by its digest, and what is known of them together."""

    digests: Counter[bytes] = field(default_factory=Counter)
    columns: list[str] = field(default_factory=list)
    oldest: datetime | None = None
    newest: datetime | None = None
    total: int = 0

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.digests.total()

    def add(self, records: Iterable[bytes]) -> None:
        """Take in CSV records, each with the newline at its end."""
        self.digests.update(hashlib.blake2b(record, digest_size=16).digest() for record in records)

    def note_time(self, moment: datetime) -> None:
        """Take in a row's timestamp."""
        self.oldest = min(moment, self.oldest or moment)
        self.newest = max(moment, self.newest or moment)


def in_table(connection: psycopg.Connection, client: DemoClient) -> Rows:
    """Return all rows of the client's table, in one snapshot; says how far it is every three seconds."""
    table = sql.Identifier(client.schema, client.table)
    rows = Rows()
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with cursor.copy(sql.SQL("COPY {} TO STDOUT (FORMAT csv)").format(table)) as copy:
            rows.add(_aloud((bytes(message) for message in copy), client.name))  # one message is one row
        column = sql.Identifier(client.timestamp_column)
        total = sql.SQL("sum({})").format(sql.Identifier(client.summed)) if client.summed else sql.SQL("0")
        cursor.execute(sql.SQL("SELECT min({0}), max({0}), coalesce({1}, 0) FROM {2}").format(column, total, table))
        rows.oldest, rows.newest, rows.total = cursor.fetchone() or (None, None, 0)
        rows.columns = _columns(cursor, client)
    return rows


def records(content: bytes) -> Iterator[bytes]:
    """Cut CSV at the newlines that do not stand within quotes; each record keeps its own."""
    record = b""
    for line in content.splitlines(keepends=True):
        record += line
        if record.count(b'"') % 2 == 0:
            yield record
            record = b""
    if record:
        raise ValueError("the CSV ends within quotes")


def _columns(cursor: psycopg.Cursor, client: DemoClient) -> list[str]:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " ORDER BY ordinal_position",
        [client.schema, client.table],
    )
    return [name for (name,) in cursor.fetchall()]


def _aloud(messages: Iterable[bytes], name: str) -> Iterator[bytes]:
    next_line = time.monotonic() + _PROGRESS_SECONDS
    for number, message in enumerate(messages, start=1):
        yield message
        if time.monotonic() > next_line:
            print(f"  {name}: {number:,} rows", flush=True)
            next_line = time.monotonic() + _PROGRESS_SECONDS
