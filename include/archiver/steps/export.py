"""export: one window's rows into an object of their own, and their identities and versions into a sidecar.

Both are read in one snapshot. Nothing is kept in a file, and no more than a few MiB in memory. The object counts
for nothing until `store` has read it back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from include.archiver.codec import Compression, RecordCounter, Tally, compressor
from include.archiver.database import Database
from include.archiver.errors import CheckFailed
from include.archiver.ledger import Ledger
from include.archiver.manifest import (
    ColumnDescription,
    Manifest,
    ObjectDescription,
    ServerDescription,
    keys_key,
    object_key,
)
from include.archiver.models import DueWindow, LedgerRow, State, TableShape, WorkOrder
from include.archiver.statements import Names
from include.archiver.storage import ObjectStore
from include.archiver.table import describe, file_nodes, identity_of_rows

log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 5.0
# More generations of one hour than this are no history but a loop.
_MOST_GENERATIONS = 9999


class Sink(Protocol):
    """Where an object's bytes go."""

    def write(self, data: bytes) -> None:
        """Takes in the next bytes."""

    def finish(self) -> None:
        """Makes the object exist."""


OpenSink = Callable[[str], AbstractContextManager[Sink]]


@dataclass(frozen=True)
class Exported:
    """What became of one window."""

    window: DueWindow
    rows: int
    csv_bytes: int
    object_bytes: int


def export(database: Database, store: ObjectStore, order: WorkOrder, window: DueWindow) -> Exported:
    """Exports one window, or finds that an earlier run has done so and leaves it at that.

    Raises:
        Busy: another run has the window in hand.
        Superseded: another run took the window over.
    """
    ledger = Ledger(database, order)
    with database.locked(ledger.lock_name(window.cell), f"window {window}"):
        last = ledger.latest(window.cell)
        if last is not None and _still_good(last, window, ledger):
            log.info("window %s: already %s by run %s", window, last.state, last.run_id)
            return Exported(window, last.rows or 0, last.csv_bytes or 0, last.object_bytes or 0)
        row = _begin(ledger, store, window, last.generation + 1 if last else 1)
        manifest = _copied(database, order, window, row, store.upload)
        if manifest is None:
            ledger.void(row, "no rows were there any more")
            return Exported(window, 0, 0, 0)
        ledger.exported(row, manifest)
        return _told(window, manifest)


def rehearse(database: Database, order: WorkOrder, window: DueWindow) -> Exported:
    """A dry run of one window: the same reading and compressing, but nothing is sent or noted anywhere."""
    key = object_key(order.prefix, order.client, order.table, window.cell, 1, order.compression)
    row = LedgerRow(
        id=0,
        generation=1,
        state=State.PLANNED,
        cell=window.cell,
        span=window.span,
        bucket=order.bucket,
        object_key=key,
        run_id=order.run_id,
    )
    manifest = _copied(database, order, window, row, _nowhere)
    return _told(window, manifest) if manifest else Exported(window, 0, 0, 0)


def _still_good(last: LedgerRow, window: DueWindow, ledger: Ledger) -> bool:
    """Whether the newest generation is one to go on with; if it is a leftover that is not, its life ends here."""
    if last.state is State.PLANNED:
        ledger.void(last, f"run {last.run_id} began this object and did not finish it")
        return False
    if last.state not in {State.EXPORTED, State.STORED}:
        return False
    if last.span.start < window.span.start or last.span.end > window.span.end:
        ledger.abandon(last, "more of the window was exported than is due now")
        return False
    return True


def _begin(ledger: Ledger, store: ObjectStore, window: DueWindow, generation: int) -> LedgerRow:
    """The first generation from this one on whose keys are free; a lost ledger may have used some before."""
    while generation <= _MOST_GENERATIONS:
        row = ledger.begin(window, generation)
        if store.head(row.object_key) is None and store.head(keys_key(row.object_key)) is None:
            return row
        ledger.void(row, "its key was taken by an object that this ledger does not know")
        generation += 1
    raise CheckFailed(f"window {window.cell} has {_MOST_GENERATIONS} generations; look into the bucket")


def _copied(
    database: Database, order: WorkOrder, window: DueWindow, row: LedgerRow, open_sink: OpenSink
) -> Manifest | None:
    """Streams rows and sidecar of one snapshot; None, and no object, if the window holds no rows."""
    with database.snapshot():
        database.change("export/hold", {"table": order.table})
        shape = describe(database, order.table, order.timestamp_column)
        nodes = file_nodes(database, shape)
        server = _server(database)
        rows, data = _stream(
            database,
            "export/rows",
            [column.name for column in shape.columns],
            row.object_key,
            order,
            row,
            open_sink,
        )
        if not rows:
            return None
        keys, sidecar = _stream(
            database, "export/keys", identity_of_rows(shape), keys_key(row.object_key), order, row, open_sink
        )
    if keys != rows:
        raise CheckFailed(f"window {window}: one snapshot gave {rows} rows and then {keys} keys; nothing was deleted")
    return _manifest(order, shape, row, rows, data, sidecar, nodes, server)


def _stream(
    database: Database,
    statement: str,
    columns: list[str],
    key: str,
    order: WorkOrder,
    row: LedgerRow,
    open_sink: OpenSink,
) -> tuple[int, ObjectDescription]:
    names: Names = {"table": order.table, "column": order.timestamp_column, "columns": columns}
    with open_sink(key) as sink:
        packer = _Packer(sink, order.compression)
        with database.copy_out(statement, names, start=row.span.start, end=row.span.end) as copy:
            for chunk in copy.chunks():
                packer.add(chunk)
                packer.tell(key)
        if packer.counter.records != copy.rows + 1 or not packer.counter.complete:
            streamed = packer.counter.records - 1
            raise CheckFailed(f"{key}: the server counted {copy.rows} rows, the stream held {streamed}")
        if copy.rows:
            packer.finish()
    return copy.rows, packer.description(key)


class _Packer:
    """Compresses a stream into a sink and keeps account of both sides."""

    def __init__(self, sink: Sink, compression: Compression) -> None:
        self._sink = sink
        self._compressor = compressor(compression)
        self._content = Tally()
        self._packed = Tally()
        self.counter = RecordCounter()
        self._started = self._told = time.monotonic()

    def add(self, chunk: bytes) -> None:
        self.counter.add(self._content.add(chunk))
        self._sink.write(self._packed.add(self._compressor.compress(chunk)))

    def finish(self) -> None:
        self._sink.write(self._packed.add(self._compressor.flush()))
        self._sink.finish()

    def tell(self, key: str) -> None:
        now = time.monotonic()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            megabytes = self._content.size / 1e6
            log.info(
                "%s: %d rows, %.0f MB, %.0f MB/s",
                key,
                self.counter.records,
                megabytes,
                megabytes / (now - self._started),
            )

    def description(self, key: str) -> ObjectDescription:
        return ObjectDescription(
            key=key,
            bytes=self._packed.size,
            sha256=self._packed.sha256,
            content_bytes=self._content.size,
            content_sha256=self._content.sha256,
        )


def _server(database: Database) -> ServerDescription:
    server = database.one("export/server")
    identifier = database.one("export/system_identifier").identifier if server.may_identify else None
    return ServerDescription(
        system_identifier=identifier,
        database=server.database,
        version=server.version,
        snapshot=server.snapshot,
        read_at=server.read_at,
    )


def _manifest(
    order: WorkOrder,
    shape: TableShape,
    row: LedgerRow,
    rows: int,
    data: ObjectDescription,
    keys: ObjectDescription,
    nodes: dict[str, int],
    server: ServerDescription,
) -> Manifest:
    return Manifest(
        client=order.client,
        table_schema=order.table.schema,
        table=order.table.name,
        timestamp_column=order.timestamp_column,
        timestamp_kind=shape.timestamp_kind,
        timezone=order.timezone,
        cell_start=row.cell.start,
        cell_end=row.cell.end,
        span_start=row.span.start,
        span_end=row.span.end,
        generation=row.generation,
        run_id=order.run_id,
        columns=tuple(ColumnDescription(name=column.name, type=column.type) for column in shape.columns),
        identity=shape.identity,
        identity_columns=shape.identity_columns,
        file_nodes=nodes,
        rows=rows,
        compression=order.compression,
        data=data,
        keys=keys,
        server=server,
    )


def _told(window: DueWindow, manifest: Manifest) -> Exported:
    data = manifest.data
    log.info(
        "window %s: %d rows, %.2f MB of CSV in %.2f MB, generation %d",
        window,
        manifest.rows,
        data.content_bytes / 1e6,
        data.bytes / 1e6,
        manifest.generation,
    )
    return Exported(window, manifest.rows, data.content_bytes, data.bytes)


class _Nowhere:
    def write(self, data: bytes) -> None:
        pass

    def finish(self) -> None:
        pass


@contextmanager
def _nowhere(_key: str) -> Generator[Sink]:
    """The sink of a dry run."""
    yield _Nowhere()
