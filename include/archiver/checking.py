"""Reading back: what S3 holds, compared with what a manifest says was sent. The check of every step that reads."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Self, cast

from include.archiver.codec import Compression, RecordCounter, TalliedReader, Tally, decompressed
from include.archiver.errors import CheckFailed, StorageInterrupted
from include.archiver.manifest import Manifest, ObjectDescription, cell_of_key, manifest_key, table_folder
from include.archiver.models import MOST_WINDOW_HOURS, Window, WorkOrder
from include.archiver.overlap import ahead
from include.archiver.progress import Pace
from include.archiver.stopping import Stop
from include.archiver.storage import Download, ObjectStore

log = logging.getLogger(__name__)

_MANIFEST = ".manifest.json"
# How many pieces of 1 MiB may be fetched and decompressed before the first of them is looked at.
_MOST_AHEAD = 2


@dataclass
class ReadBack:
    """One object on its way back; whoever uses up its chunks without an error has seen what was sent."""

    bucket: ObjectStore
    expected: ObjectDescription
    rows: int
    compression: Compression
    columns: tuple[str, ...] | None = None
    etag: str = ""
    _download: Download | None = None
    _broken_off: bool = False

    @property
    def where(self) -> str:
        """The object's place, for messages."""
        return f"s3://{self.bucket.bucket}/{self.expected.key}"

    def chunks(self) -> Generator[bytes]:
        """The content, piece by piece; the comparison comes after the last piece.

        A thread fetches and decompresses a little ahead; it ends with the generator, so close that.

        Raises:
            CheckFailed: size, checksum or rows are not what was sent, or the stream is damaged.
            ObjectMissing: there is no such object.
            CancelledError: the reading was broken off.
        """
        content = Tally()
        counter = RecordCounter()
        pace = Pace()
        head = bytearray()
        with self.bucket.reading(self.expected.key) as answer:
            self._download = answer
            if self._broken_off:
                # Whoever broke it off had no download to wake yet.
                raise CancelledError
            reader = TalliedReader(answer.body)
            try:
                unpacked = decompressed(cast(IO[bytes], reader), self.compression)
                with ahead(unpacked, _MOST_AHEAD, answer.wake, "read") as pieces:
                    for chunk in pieces:
                        if self._broken_off:
                            raise CancelledError
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
            CancelledError: the reading was broken off.
        """
        with closing(self.chunks()) as chunks:
            for _ in chunks:
                pass
        return self.etag

    def break_off(self) -> None:
        """Ends a reading in another thread, now or as soon as it begins."""
        self._broken_off = True
        if self._download:
            self._download.wake()

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
    return ReadBack(bucket, manifest.sidecar, manifest.rows, manifest.compression)


class Checks:
    """Objects that a thread reads back, each with its sidecar, in the order in which they were begun."""

    def __init__(self, bucket: ObjectStore, stop: Stop | None = None) -> None:
        """Begins nothing yet; `stop` tells when the process has to end, and a reading is broken off."""
        self._bucket = bucket
        self._stop = stop or Stop()
        self._watch = ExitStack()
        self._threads = ThreadPoolExecutor(1, "check")
        self._begun: dict[str, list[tuple[ReadBack, Future[str]]]] = {}

    def __enter__(self) -> Self:
        """Begins nothing yet."""
        self._watch.enter_context(self._stop.breaking_off(self._break_off))
        return self

    def __exit__(self, *_: object) -> None:
        """Breaks off what nobody has asked for, and ends the threads."""
        self._watch.close()
        self._break_off()
        self._threads.shutdown(cancel_futures=True)

    def begin(self, manifest: Manifest) -> None:
        """Begins to read the manifest's object and sidecar back, unless that has begun already."""
        if manifest.data.key not in self._begun:
            parts = (data_of(self._bucket, manifest), sidecar_of(self._bucket, manifest))
            self._begun[manifest.data.key] = [(part, self._threads.submit(part.check)) for part in parts]

    def etag(self, manifest: Manifest) -> str:
        """The object's etag, when object and sidecar were read to their last byte and are what was sent.

        Raises:
            CheckFailed: one of them is not.
            ObjectMissing: one of them is not there.
            Stopped: the process has to end.
        """
        self.begin(manifest)
        try:
            etag, _ = [future.result() for _content, future in self._begun[manifest.data.key]]
        except (CancelledError, CheckFailed, StorageInterrupted):
            # What was broken off looks like an object that is not whole.
            self._stop.refuse()
            raise
        return etag

    def _break_off(self) -> None:
        for check in list(self._begun.values()):
            for content, _future in check:
                content.break_off()


@dataclass(frozen=True)
class ListedManifest:
    """A manifest's key as a listing shows it, and the keys of the notes on the same object."""

    key: str
    notes: tuple[str, ...]


def list_manifests(bucket: ObjectStore, order: WorkOrder, spans: Sequence[Window] = ()) -> Iterator[ListedManifest]:
    """The table's manifests in S3's order; of those alone whose cell overlaps one of the spans, if there are any.

    A key that does not tell its cell is among them: whoever reads it will find out what is wrong with it. Of a span
    only its days are listed, and those before it in which a window may have begun.
    """
    folder, last = table_folder(order.prefix, order.client, order.table), None
    after = None
    if spans:
        with suppress(OverflowError):
            # Before the beginning of the calendar nothing comes.
            after = folder + _day(min(span.start for span in spans) - timedelta(hours=MOST_WINDOW_HOURS))
        last = folder + _day(max(span.end for span in spans))
    notes: list[str] = []
    for key in bucket.keys(folder, after):
        if last is not None and key[: len(last)] > last:
            return
        if ".kept." in key:
            notes.append(key)
        elif key.endswith(_MANIFEST):
            cell = cell_of_key(key)
            if not spans or cell is None or any(cell.overlaps(span) for span in spans):
                # An object's notes come just before its manifest.
                begin = key.removesuffix(_MANIFEST) + ".kept."
                yield ListedManifest(key, tuple(note for note in notes if note.startswith(begin)))
            notes = []


def _day(moment: datetime) -> str:
    return f"dt={moment.date().isoformat()}"


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
