"""Which tables of a client were archived, whether or not anybody lists them: by its ledger, and by what lies in S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import CheckFailed
from pg_archiver.ledger.migrations import LedgerTables
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import client_folder, table_folder, table_of_key
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

_MANIFEST = ".manifest.json"
# Keys of a table that are looked through for a manifest that can be read.
_MOST_KEYS = 1000


@dataclass(frozen=True)
class ArchivedTable:
    """A table of which objects are known, and how its time was told when they were written; `bucket` is one of them.

    Both settings are None where that could not be read.
    """

    table: TableName
    timestamp_column: str | None
    timezone: str | None
    bucket: str


def list_known_tables(session: Session, client: str) -> list[ArchivedTable]:
    """Return the tables of which the ledger of this database knows objects, by name; none if it has no ledger."""
    if not LedgerTables(session).exists():
        return []
    return [
        ArchivedTable(TableName(row.schema, row.name), row.timestamp_column, row.timezone, row.bucket)
        for row in session.fetch_all("ledger/windows/archived_tables", client=client)
    ]


def list_stored_tables(bucket: Bucket, prefix: str, client: str) -> Iterator[ArchivedTable]:
    """Yield the tables of which objects lie below this prefix, for where the ledger is lost.

    Raises:
        StorageRefused: the bucket cannot be listed.
    """
    folder = client_folder(prefix, client)
    after: str | None = None
    while (key := next(bucket.list_keys(f"{folder}schema=", after), None)) is not None:
        table = table_of_key(folder, key)
        own = table_folder(prefix, client, table) if table else ""
        if table is None or not key.startswith(own):
            after = key
            continue
        column, timezone = _find_time(bucket, own)
        yield ArchivedTable(table, column, timezone, bucket.name)
        # Past the table's folder: of all characters that may follow its name, "0" is the one after the slash.
        after = f"{own[:-1]}0"


def _find_time(bucket: Bucket, folder: str) -> tuple[str | None, str | None]:
    """Return the timestamp column and its zone by the first manifest that can be read."""
    for key in islice(bucket.list_keys(folder), _MOST_KEYS):
        if key.endswith(_MANIFEST):
            with suppress(CheckFailed), bucket.open(key) as answer:
                manifest = Manifest.parse(answer.body.read(), f"s3://{bucket.name}/{key}")
                return manifest.timestamp_column, manifest.timezone
    return None, None
