"""An archive of very many small windows, made without archiving them: objects, manifests and the ledger's rows.

What S3 would hold is written as the files that the local S3 server serves, by the project's own writer of objects and
with its own manifest; the ledger is filled through its own statements. No table ever held the rows.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pg_archiver.archive.make_manifest import Written, describe_snapshot, make_manifest
from pg_archiver.domain.row_numbers import NONE
from pg_archiver.domain.tables import Member, TableShape
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.window_generation import Generation
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.manifest import Manifest, ObjectDescription, ServerDescription
from pg_archiver.objects.object_keys import manifest_key, sidecar_key
from pg_archiver.objects.object_writer import Packer
from pg_archiver.postgres.catalog import describe_table, identity_columns
from pg_archiver.postgres.session import Session

HOUR = timedelta(hours=1)
FIRST = datetime(2016, 1, 1)  # noqa: DTZ001 (column time)
ROWS_A_WINDOW = 2
_WINDOWS_A_COMMIT = 500


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
        ledger, order = WindowLedger(session, self.order), self.order
        ledger.migrate()
        shape = describe_table(session, order.table, order.timestamp_column)
        numbers = iter(range(self.windows))
        while some := list(itertools.islice(numbers, _WINDOWS_A_COMMIT)):
            with session.transaction():
                server, _ = describe_snapshot(session, shape, [])
                for number in some:
                    cell = Window(FIRST + number * HOUR, FIRST + (number + 1) * HOUR)
                    row = ledger.begin(DueWindow(cell, cell), 1)
                    _note(ledger, row, self._write(bucket, row, number, shape, server))

    def _write(
        self, bucket: Path, row: Generation, number: int, shape: TableShape, server: ServerDescription
    ) -> Manifest:
        order = self.order
        first = number * ROWS_A_WINDOW + 1
        columns = [column.name for column in shape.columns]
        data = _packed(bucket, row.object_key, order, [columns, *_rows(row.cell, first)])
        identities = [identity_columns(shape), *_identities(shape.oid, first)]
        keys = _packed(bucket, sidecar_key(row.object_key), order, identities)
        members = {
            str(shape.oid): Member(table_schema=order.table.schema, table=order.table.name, file_node=1, columns="-")
        }
        manifest = make_manifest(order, shape, row, Written(ROWS_A_WINDOW, data, keys, None), members, server)
        (bucket / manifest_key(row.object_key)).write_bytes(manifest.to_json())
        return manifest


def _note(ledger: WindowLedger, row: Generation, manifest: Manifest) -> None:
    ledger.mark_exported(row, manifest)
    ledger.mark_stored(row, "none")
    ledger.note_progress(row, 0, manifest.rows, manifest.rows, NONE)
    ledger.mark_deleted(row, None)


def _rows(cell: Window, first: int) -> Iterator[list[str]]:
    for row in range(ROWS_A_WINDOW):
        moment = cell.start + row * timedelta(seconds=1)
        yield [str(first + row), str(moment), "event", '{"page": "start"}']


def _identities(oid: int, first: int) -> Iterator[list[str]]:
    for row in range(ROWS_A_WINDOW):
        yield ["1", str(oid), f"(0,{row + 1})", str(first + row)]


class _File:
    """An object on its way into the file that the S3 server serves."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = bytearray()

    def write(self, data: bytes) -> None:
        self._content += data

    def finish(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(self._content)


def _packed(bucket: Path, key: str, order: WorkOrder, lines: Iterable[Iterable[str]]) -> ObjectDescription:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    packer = Packer(_File(bucket / key), order.compression)
    packer.add(text.getvalue().encode())
    packer.finish()
    return packer.description(key)
