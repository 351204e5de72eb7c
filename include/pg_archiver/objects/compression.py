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
_FRAME_BITS = 20
# The content of a frame of zstd, but for the last one's. The window is as large: a frame is searched as a whole.
_FRAME_BYTES = 1 << _FRAME_BITS
# A small table of where strings stood before stays in the processor's cache: a fifth less of its time, and on rows of
# JSON it packs no worse.
_ZSTD_HASH_BITS = 12

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
    """Return a fresh compressor; what it writes carries the format's own checksums too."""
    if compression == "zstd":
        return _FrameCompressor()
    return cast(Compressor, isal_zlib.compressobj(level=_GZIP_LEVEL, wbits=_GZIP_WINDOW_BITS))


class _FrameCompressor:
    """Writes a stream of zstd as frames that can be decompressed each by itself.

    A frame is compressed in one piece: where its content does not lie together, zstd takes a slower way.
    """

    def __init__(self) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _ZSTD_LEVEL,
            strategy=zstandard.STRATEGY_FAST,
            hash_log=_ZSTD_HASH_BITS,
            window_log=_FRAME_BITS,
            write_checksum=True,
        )
        self._compressor = zstandard.ZstdCompressor(compression_params=parameters)
        self._pieces: list[bytes] = []
        self._size = 0
        self._begun = False

    def compress(self, data: bytes, /) -> bytes:
        """Take in some bytes; give out a frame if there are enough for one."""
        self._pieces.append(data)
        self._size += len(data)
        return self._end_frame() if self._size >= _FRAME_BYTES else b""

    def flush(self) -> bytes:
        """End the stream: the last frame, which is empty only where there was no content at all."""
        return self._end_frame() if self._size or not self._begun else b""

    def _end_frame(self) -> bytes:
        content = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._size, self._begun = [], 0, True
        return self._compressor.compress(content)


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
        frames = zstandard.ZstdDecompressor()
        return cast(IO[bytes], frames.stream_reader(source, closefd=False, read_across_frames=True))
    return cast(IO[bytes], igzip.IGzipFile(fileobj=source, mode="rb"))  # type: ignore[no-untyped-call]
