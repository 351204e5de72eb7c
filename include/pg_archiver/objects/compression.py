"""Compression of what streams through. Memory does not grow with the stream."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import IO, Literal, Protocol, cast

import zstandard
from isal import igzip, isal_zlib

Compression = Literal["gzip", "zstd"]

# Chosen by measurement on 1.5 KB rows of JSON: level 1 of each keeps up with what COPY delivers.
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 1
_GZIP_WINDOW_BITS = 31
READ_BYTES = 1 << 20

# Not OSError: a connection that stalls in mid-read is one too, and says nothing about the object.
_DAMAGE = (gzip.BadGzipFile, EOFError, cast(type[Exception], isal_zlib.error), zstandard.ZstdError)

EXTENSIONS: dict[Compression, str] = {"gzip": "csv.gz", "zstd": "csv.zst"}


class Compressor(Protocol):
    """What both libraries' compressors can do."""

    def compress(self, data: bytes, /) -> bytes:
        """Take in some bytes and give out those that are ready."""

    def flush(self) -> bytes:
        """End the stream and give out the rest."""


def make_compressor(compression: Compression) -> Compressor:
    """Return a fresh compressor; the frame it writes carries the format's own checksum too."""
    if compression == "zstd":
        return cast(Compressor, zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj())
    return cast(Compressor, isal_zlib.compressobj(level=_GZIP_LEVEL, wbits=_GZIP_WINDOW_BITS))


def decompress(source: IO[bytes], compression: Compression) -> Iterator[bytes]:
    """Yield the content of a compressed stream, at most 1 MiB at a time however well it was compressed.

    Raises:
        ValueError: the stream is damaged or ends too early.
    """
    try:
        with _open_reader(source, compression) as reader:
            while chunk := reader.read(READ_BYTES):
                yield chunk
    except _DAMAGE as error:
        raise ValueError(f"the {compression} stream is damaged: {error}") from None


def _open_reader(source: IO[bytes], compression: Compression) -> IO[bytes]:
    if compression == "zstd":
        return cast(IO[bytes], zstandard.ZstdDecompressor().stream_reader(source, closefd=False))
    return cast(IO[bytes], igzip.IGzipFile(fileobj=source, mode="rb"))  # type: ignore[no-untyped-call]
