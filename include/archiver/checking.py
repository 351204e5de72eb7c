"""Reading back: what S3 holds, compared with what a manifest says was sent. The check of every step that reads."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

from include.archiver.codec import Compression, RecordCounter, TalliedReader, Tally, decompressed
from include.archiver.errors import CheckFailed
from include.archiver.manifest import Manifest, ObjectDescription, cell_of_key, manifest_key, table_folder
from include.archiver.models import Window, WorkOrder
from include.archiver.progress import Pace
from include.archiver.storage import ObjectStore

log = logging.getLogger(__name__)


@dataclass
class ReadBack:
    """One object on its way back; whoever uses up its chunks without an error has seen what was sent."""

    bucket: ObjectStore
    expected: ObjectDescription
    rows: int
    compression: Compression
    columns: tuple[str, ...] | None = None
    etag: str = ""

    @property
    def where(self) -> str:
        """The object's place, for messages."""
        return f"s3://{self.bucket.bucket}/{self.expected.key}"

    def chunks(self) -> Iterator[bytes]:
        """The content, piece by piece; the comparison comes after the last piece.

        Raises:
            CheckFailed: size, checksum or rows are not what was sent, or the stream is damaged.
            ObjectMissing: there is no such object.
        """
        content = Tally()
        counter = RecordCounter()
        pace = Pace()
        head = bytearray()
        with self.bucket.reading(self.expected.key) as answer:
            reader = TalliedReader(answer.body)
            try:
                for chunk in decompressed(cast(IO[bytes], reader), self.compression):
                    named = bool(counter.records)
                    counter.add(content.add(chunk))
                    if not named:
                        head += chunk
                        self._compare_columns(bytes(head), complete=bool(counter.records))
                    yield chunk
                    if pace.due():
                        log.info("%s: read back %d of %d bytes", self.where, reader.tally.size, self.expected.bytes)
            except ValueError as damage:
                raise CheckFailed(f"{self.where}: {damage}; nothing was deleted") from None
            reader.drain()
            self.etag = answer.etag
        self._compare(reader.tally, content, counter)

    def check(self) -> str:
        """Reads the object to its last byte; its etag, if it is what was sent.

        Raises:
            CheckFailed: it is not.
            ObjectMissing: there is no such object.
        """
        for _ in self.chunks():
            pass
        return self.etag

    def _compare_columns(self, head: bytes, *, complete: bool) -> None:
        """The first record names the columns; no checksum tells whether the manifest names them in that order."""
        if self.columns is None or not complete:
            return
        found = next(csv.reader(io.StringIO(head.decode(errors="replace"), newline="")))
        if tuple(found) != self.columns:
            raise CheckFailed(f"{self.where} has other columns than its manifest says; nothing was deleted")

    def _compare(self, packed: Tally, content: Tally, counter: RecordCounter) -> None:
        found = ObjectDescription(
            key=self.expected.key,
            bytes=packed.size,
            sha256=packed.sha256,
            content_bytes=content.size,
            content_sha256=content.sha256,
        )
        if found != self.expected:
            raise CheckFailed(
                f"{self.where} came back as {found.bytes} bytes that are not what was sent; nothing was deleted"
            )
        if counter.records != self.rows + 1 or not counter.complete:
            raise CheckFailed(
                f"{self.where} holds {counter.records - 1} rows instead of {self.rows}; nothing was deleted"
            )


def data_of(bucket: ObjectStore, manifest: Manifest) -> ReadBack:
    """The manifest's object."""
    columns = tuple(column.name for column in manifest.columns)
    return ReadBack(bucket, manifest.data, manifest.rows, manifest.compression, columns)


def sidecar_of(bucket: ObjectStore, manifest: Manifest) -> ReadBack:
    """The manifest's sidecar."""
    return ReadBack(bucket, manifest.keys, manifest.rows, manifest.compression)


def manifest_keys(bucket: ObjectStore, order: WorkOrder, span: Window | None = None) -> list[str]:
    """The keys of the table's manifests, of those alone whose cell overlaps the span if there is one.

    A key that does not tell its cell is among them: whoever reads it will find out what is wrong with it.
    """
    found = []
    for key in bucket.keys(table_folder(order.prefix, order.client, order.table)):
        if key.endswith(".manifest.json"):
            cell = cell_of_key(key)
            if span is None or cell is None or cell.overlaps(span):
                found.append(key)
    return found


def read_manifest(bucket: ObjectStore, order: WorkOrder, key: str) -> Manifest:
    """The manifest under this key, if it speaks of this client's table and lies where it should.

    Raises:
        CheckFailed: it is no manifest, another one's, or not in its place.
        ObjectMissing: there is no such object.
    """
    where = f"s3://{bucket.bucket}/{key}"
    with bucket.reading(key) as answer:
        manifest = Manifest.parse(answer.body.read(), where)
    named = (manifest.client, manifest.table_schema, manifest.table)
    if named != (order.client, order.table.schema, order.table.name):
        raise CheckFailed(
            f"{where} speaks of table {manifest.table_schema}.{manifest.table} of client {manifest.client!r}, not of "
            f"{order.table} of {order.client!r}; take it away from there"
        )
    if manifest_key(manifest.expected_key(order.prefix)) != key or manifest.data.key != manifest.expected_key(
        order.prefix
    ):
        raise CheckFailed(
            f"{where} is not where it should lie, beside {manifest.expected_key(order.prefix)}; put it back there"
        )
    return manifest
