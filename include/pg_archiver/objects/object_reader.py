"""Reading back: what S3 holds, compared with what a manifest says was sent. The check of every step that reads."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Generator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import IO, Self, cast

from pg_archiver.errors import CheckFailed, StorageInterrupted
from pg_archiver.objects.checksums import Checksum, ChecksumReader
from pg_archiver.objects.compression import Compression, decompress
from pg_archiver.objects.csv_rows import RecordCounter
from pg_archiver.objects.manifest import Manifest, ObjectDescription
from pg_archiver.runtime.background import prefetch
from pg_archiver.runtime.log_interval import LogInterval
from pg_archiver.runtime.stopping import Stop
from pg_archiver.s3.bucket import Bucket, Download

log = logging.getLogger(__name__)
# How many pieces of 1 MiB may be fetched and decompressed before the first of them is looked at.
_MOST_AHEAD = 2


@dataclass
class ObjectReader:
    """One object on its way back; whoever uses up its chunks without an error has seen what was sent.

    `recount` has the rows told apart and counted once more, which whoever holds a manifest of unknown origin needs.
    Equal bytes hold equally many rows, so the check of what this program has just sent goes without.
    """

    bucket: Bucket
    expected: ObjectDescription
    rows: int
    compression: Compression
    columns: tuple[str, ...] | None = None
    recount: bool = True
    etag: str = ""
    _download: Download | None = None
    _broken_off: bool = False

    @property
    def where(self) -> str:
        """The object's place, for messages."""
        return f"s3://{self.bucket.name}/{self.expected.key}"

    def read_chunks(self) -> Generator[bytes]:
        """Yield the content, piece by piece; the comparison comes after the last piece.

        A thread fetches and decompresses a little ahead; it ends with the generator, so close that.

        Raises:
            CheckFailed: size, checksum or rows are not what was sent, or the stream is damaged.
            ObjectMissing: there is no such object.
            CancelledError: the reading was broken off.
        """
        content = Checksum(self.expected.digest_kind)
        counter = RecordCounter()
        pace = LogInterval()
        head = bytearray()
        with self.bucket.open(self.expected.key) as answer:
            self._download = answer
            if self._broken_off:
                # Whoever broke it off had no download to wake yet.
                raise CancelledError
            reader = ChecksumReader(answer.body)
            try:
                unpacked = decompress(cast(IO[bytes], reader), self.compression)
                with prefetch(unpacked, _MOST_AHEAD, answer.wake, "read") as pieces:
                    for chunk in pieces:
                        if self._broken_off:
                            raise CancelledError
                        named = bool(counter.records)
                        content.add(chunk)
                        if self.recount or not named:
                            counter.add(chunk)
                        if not named:
                            head += chunk
                            self._compare_columns(bytes(head), complete=bool(counter.records))
                        yield chunk
                        if pace.due():
                            log.info("%s: read back %d of %d bytes", self.where, reader.tally.size, self.expected.bytes)
            except ValueError as damage:
                raise CheckFailed(f"{self.where}: {damage}. Nothing was deleted") from None
            reader.drain()
            self.etag = answer.etag
        self._compare(reader.tally, content, counter)

    def check(self) -> str:
        """Read the object to its last byte; return its etag, if it is what was sent.

        Raises:
            CheckFailed: it is not.
            ObjectMissing: there is no such object.
            CancelledError: the reading was broken off.
        """
        with closing(self.read_chunks()) as chunks:
            for _ in chunks:
                pass
        return self.etag

    def break_off(self) -> None:
        """End a reading in another thread, now or as soon as it begins."""
        self._broken_off = True
        if self._download:
            self._download.wake()

    def _compare_columns(self, head: bytes, *, complete: bool) -> None:
        """Compare the header with the manifest's columns; no checksum tells whether the order is right."""
        if self.columns is None or not complete:
            return
        found = next(csv.reader(io.StringIO(head.decode(errors="replace"), newline="")))
        if tuple(found) != self.columns:
            raise CheckFailed(f"{self.where} has other columns than its manifest says. Nothing was deleted")

    def _compare(self, packed: Checksum, content: Checksum, counter: RecordCounter) -> None:
        same = (packed.size, packed.digest) == (self.expected.bytes, self.expected.sha256)
        if not (same and self.expected.has_content(content)):
            raise CheckFailed(
                f"{self.where} came back as {packed.size} bytes that are not what was sent. Nothing was deleted"
            )
        if self.recount and (counter.records != self.rows + 1 or not counter.complete):
            raise CheckFailed(
                f"{self.where} holds {counter.records - 1} rows instead of {self.rows}. Nothing was deleted"
            )


def open_data(bucket: Bucket, manifest: Manifest, *, recount: bool = True) -> ObjectReader:
    """Open the manifest's object."""
    columns = tuple(column.name for column in manifest.columns)
    return ObjectReader(bucket, manifest.data, manifest.rows, manifest.compression, columns, recount)


def open_sidecar(bucket: Bucket, manifest: Manifest) -> ObjectReader:
    """Open the manifest's sidecar."""
    return ObjectReader(bucket, manifest.sidecar, manifest.rows, manifest.compression)


def open_all(bucket: Bucket, manifest: Manifest, *, recount: bool = True) -> list[ObjectReader]:
    """Open the manifest's object, and its sidecar if it has one, whose rows are counted in any case."""
    listing = [open_sidecar(bucket, manifest)] if manifest.keys else []
    return [open_data(bucket, manifest, recount=recount), *listing]


class ReadBackQueue:
    """Objects that a thread reads back, each with its sidecar if it has one, in the order in which they were begun."""

    def __init__(self, bucket: Bucket, stop: Stop | None = None) -> None:
        """Begin nothing yet; `stop` tells when the process has to end, and a reading is broken off."""
        self._bucket = bucket
        self._stop = stop or Stop()
        self._watch = ExitStack()
        self._threads = ThreadPoolExecutor(1, "check")
        self._begun: dict[str, list[tuple[ObjectReader, Future[str]]]] = {}

    def __enter__(self) -> Self:
        """Begin nothing yet."""
        self._watch.enter_context(self._stop.breaking_off(self._break_off))
        return self

    def __exit__(self, *_: object) -> None:
        """Break off what nobody has asked for, and end the threads."""
        self._watch.close()
        self._break_off()
        self._threads.shutdown(cancel_futures=True)

    def begin(self, manifest: Manifest) -> None:
        """Begin to read all that the manifest describes back, unless that has begun already."""
        if manifest.data.key not in self._begun:
            parts = open_all(self._bucket, manifest, recount=False)
            self._begun[manifest.data.key] = [(part, self._threads.submit(part.check)) for part in parts]

    def wait_for_etag(self, manifest: Manifest) -> str:
        """Return the object's etag, when it and its sidecar were read to their last byte and are what was sent.

        Raises:
            CheckFailed: one of them is not.
            ObjectMissing: one of them is not there.
            Stopped: the process has to end.
        """
        self.begin(manifest)
        try:
            etag, *_ = [future.result() for _content, future in self._begun[manifest.data.key]]
        except (CancelledError, CheckFailed, StorageInterrupted):
            # What was broken off looks like an object that is not whole.
            self._stop.refuse()
            raise
        return etag

    def _break_off(self) -> None:
        for check in list(self._begun.values()):
            for content, _future in check:
                content.break_off()
