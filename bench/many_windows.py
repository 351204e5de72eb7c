"""An archive of very many small windows, made without archiving them: objects, manifests and the ledger's rows.

What S3 would hold is written as the files that the local S3 server serves, with the project's own manifest and codec;
the ledger is filled through its own statements. No table ever held the rows.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pg_archiver.domain.row_numbers import NONE
from pg_archiver.domain.tables import Member, RowIdentity
from pg_archiver.domain.windows import DueWindow, TimestampKind, Window
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.checksums import Checksum
from pg_archiver.objects.compression import make_compressor
from pg_archiver.objects.manifest import (
    FORMAT,
    TOOL_VERSION,
    ColumnDescription,
    Manifest,
    ObjectDescription,
    ServerDescription,
)
from pg_archiver.objects.object_keys import manifest_key, object_key
from pg_archiver.postgres.session import Session

HOUR = timedelta(hours=1)
FIRST = datetime(2016, 1, 1)  # noqa: DTZ001 (column time)
ROWS_A_WINDOW = 2
_WINDOWS_A_COMMIT = 500
_COLUMNS = (
    ColumnDescription(name="id", type="bigint", number=1),
    ColumnDescription(name="triggered_at", type="timestamp without time zone", number=2),
    ColumnDescription(name="name", type="text", number=3),
    ColumnDescription(name="data", type="jsonb", number=4),
)


@dataclass(frozen=True)
class ManyWindows:
    """So many hours, one after the other, with a few rows each."""

    order: WorkOrder
    windows: int

    @property
    def span(self) -> Window:
        """All of them."""
        return Window(FIRST, FIRST + self.windows * HOUR)

    def make(self, session: Session, bucket: Path) -> None:
        """Writes all of it; the ledger says of each window that its rows were deleted.

        Args:
            session: a session on the client database; the table is in it, and empty.
            bucket: the folder that the S3 server serves as the bucket.
        """
        ledger = WindowLedger(session, self.order)
        ledger.migrate()
        numbers = iter(range(self.windows))
        while some := list(itertools.islice(numbers, _WINDOWS_A_COMMIT)):
            with session.transaction():
                for number in some:
                    cell = Window(FIRST + number * HOUR, FIRST + (number + 1) * HOUR)
                    self._note(ledger, DueWindow(cell, cell), self._stored(bucket, cell, number))

    def _note(self, ledger: WindowLedger, window: DueWindow, manifest: Manifest) -> None:
        row = ledger.begin(window, manifest.generation)
        ledger.mark_exported(row, manifest)
        ledger.mark_stored(row, "none")
        ledger.note_progress(row, 0, manifest.rows, manifest.rows, NONE)
        ledger.mark_deleted(row, None)

    def _stored(self, bucket: Path, cell: Window, number: int) -> Manifest:
        order = self.order
        key = object_key(order.prefix, order.client, order.table, cell, 1, order.compression)
        content, stream = _content(cell, number), make_compressor(order.compression)
        packed = stream.compress(content) + stream.flush()
        manifest = Manifest(
            format=FORMAT,
            tool_version=TOOL_VERSION,
            client=order.client,
            table_schema=order.table.schema,
            table=order.table.name,
            timestamp_column=order.timestamp_column,
            timestamp_kind=TimestampKind.TIMESTAMP,
            timezone=order.timezone,
            cell_start=cell.start,
            cell_end=cell.end,
            span_start=cell.start,
            span_end=cell.end,
            generation=1,
            run_id=order.run_id,
            columns=_COLUMNS,
            identity=RowIdentity.PRIMARY_KEY,
            identity_columns=("id",),
            members={"1": Member(table_schema=order.table.schema, table=order.table.name, file_node=1, columns="-")},
            rows=ROWS_A_WINDOW,
            compression=order.compression,
            data=_described(key, packed, content),
            server=ServerDescription(
                system_identifier="1",
                database=order.client,
                version="17",
                snapshot="1:1:",
                read_at=cell.end.replace(tzinfo=UTC) + 48 * HOUR,
            ),
        )
        for name, body in ((key, packed), (manifest_key(key), manifest.to_json())):
            (bucket / name).parent.mkdir(parents=True, exist_ok=True)
            (bucket / name).write_bytes(body)
        return manifest


def _content(cell: Window, number: int) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([[column.name for column in _COLUMNS], *_rows(cell, number)])
    return text.getvalue().encode()


def _rows(cell: Window, number: int) -> Iterator[list[str]]:
    for row in range(ROWS_A_WINDOW):
        moment = cell.start + row * timedelta(seconds=1)
        yield [str(number * ROWS_A_WINDOW + row + 1), str(moment), "event", '{"page": "start"}']


def _described(key: str, packed: bytes, content: bytes) -> ObjectDescription:
    there, inside = Checksum(), Checksum()
    there.add(packed)
    inside.add(content)
    return ObjectDescription(
        key=key,
        bytes=there.size,
        sha256=there.sha256,
        content_bytes=inside.size,
        content_sha256=inside.sha256,
    )
