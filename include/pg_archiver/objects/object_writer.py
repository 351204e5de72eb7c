"""An object on its way out: its content is compressed into a sink, piece by piece, with an account of both sides."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from pg_archiver.objects.checksums import Checksum
from pg_archiver.objects.compression import Compression, make_compressor
from pg_archiver.objects.manifest import (
    ObjectDescription,
)

# A row comes from the server whole, however large a value it holds; what is made of it is made in pieces.
PIECE_BYTES = 1 << 20


class Sink(Protocol):
    """Where an object's bytes go."""

    def write(self, data: bytes) -> None:
        """Take in the next bytes."""

    def finish(self) -> None:
        """Make the object exist."""


OpenSink = Callable[[str], AbstractContextManager[Sink]]


class Packer:
    """A compressor from a stream into a sink that counts and checksums both sides."""

    def __init__(self, sink: Sink, compression: Compression) -> None:
        """Start empty."""
        self._sink = sink
        self._compressor = make_compressor(compression)
        self._content = Checksum("xxh3_128")
        self._packed = Checksum()

    @property
    def content_bytes(self) -> int:
        """Bytes of content taken in so far."""
        return self._content.size

    def add(self, chunk: bytes) -> None:
        """Take in the next bytes of the content."""
        for start in range(0, len(chunk), PIECE_BYTES):
            piece = chunk[start : start + PIECE_BYTES]
            self._sink.write(self._packed.add(self._compressor.compress(self._content.add(piece))))

    def finish(self) -> None:
        """End the compressed stream, and make the object exist."""
        self._sink.write(self._packed.add(self._compressor.flush()))
        self._sink.finish()

    def description(self, key: str) -> ObjectDescription:
        """Sizes and checksums of both sides, for the manifest."""
        return ObjectDescription(
            key=key,
            bytes=self._packed.size,
            sha256=self._packed.digest,
            content_bytes=self._content.size,
            content_xxh3_128=self._content.digest,
        )


class _Nowhere:
    def write(self, data: bytes) -> None:
        pass

    def finish(self) -> None:
        pass


@contextmanager
def open_nowhere(_key: str) -> Generator[_Nowhere]:
    """Open the sink of a dry run."""
    yield _Nowhere()
