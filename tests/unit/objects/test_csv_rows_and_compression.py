"""What is counted, compressed and checksummed is right wherever the stream is cut, and damage never goes unseen."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import random
from collections.abc import Iterable, Iterator
from typing import IO, cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_archiver.objects.checksums import Checksum, ChecksumReader
from pg_archiver.objects.compression import Compression, decompress, make_compressor
from pg_archiver.objects.csv_rows import RecordCounter

COMPRESSIONS = list(get_args(Compression))
VALUES = st.one_of(
    st.none(),
    st.text(st.sampled_from(list('",\n\r\\. ab')), max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
LARGEST_PIECE = 1 << 20


def as_postgres_writes(rows: Iterable[list[str | None]]) -> bytes:
    """COPY's CSV: NULL is nothing, '' is quoted, and so is what holds a comma, a quote or a line's end."""

    def written(value: str | None, alone: bool) -> str:
        if value is None:
            return ""
        if value == "" or any(mark in value for mark in '",\n\r') or (alone and value == "\\."):
            return '"' + value.replace('"', '""') + '"'
        return value

    lines = [",".join(written(value, len(row) == 1) for value in row) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()


def cut(content: bytes, places: Iterable[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[start:end] for start, end in itertools.pairwise(borders)]


PLACES = st.lists(st.integers(0, 10_000), max_size=20)
CONTENTS = st.one_of(
    st.binary(max_size=5000), st.builds(lambda part, times: part * times, st.binary(max_size=50), st.integers(0, 500))
)


@given(
    st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=15)),
    PLACES,
)
def test_records_are_counted_as_a_csv_reader_counts_them_wherever_the_stream_is_cut(
    rows: list[list[str | None]], places: list[int]
) -> None:
    content = as_postgres_writes(rows)
    counter = RecordCounter()
    for piece in cut(content, places):
        counter.add(piece)
    assert counter.records == len(rows) == len(list(csv.reader(io.StringIO(content.decode(), newline=""))))
    assert counter.complete


@given(st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=5))
def test_a_stream_cut_byte_by_byte_is_counted_alike(rows: list[list[str | None]]) -> None:
    counter = RecordCounter()
    for byte in as_postgres_writes(rows):
        counter.add(bytes([byte]))
    assert counter.records == len(rows)


def test_a_stream_that_ends_inside_a_quoted_value_is_not_complete() -> None:
    counter = RecordCounter()
    counter.add(b'a,"b\n')
    assert counter.records == 0
    assert not counter.complete


def packed(content: bytes, compression: Compression, places: Iterable[int] = ()) -> bytes:
    packer = make_compressor(compression)
    return b"".join([*(packer.compress(piece) for piece in cut(content, places)), packer.flush()])


def unpacked(content: bytes, compression: Compression) -> bytes:
    return b"".join(decompress(io.BytesIO(content), compression))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@given(content=CONTENTS, places=PLACES)
def test_what_was_compressed_piece_by_piece_comes_back(
    compression: Compression, content: bytes, places: list[int]
) -> None:
    assert unpacked(packed(content, compression, places), compression) == content


class InPieces(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a network does."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._rest = content
        self._sizes = iter(sizes)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast(bytearray, buffer))
        size = min(len(view), next(self._sizes, len(view)), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


@pytest.mark.parametrize("compression", COMPRESSIONS)
@given(content=CONTENTS, sizes=st.lists(st.integers(1, 100), max_size=50))
def test_a_stream_that_comes_in_pieces_is_read_to_its_end_and_tallied(
    compression: Compression, content: bytes, sizes: list[int]
) -> None:
    sent = packed(content, compression)
    reader = ChecksumReader(cast(IO[bytes], InPieces(sent, sizes)))
    assert b"".join(decompress(cast(IO[bytes], reader), compression)) == content
    reader.drain()
    assert (reader.tally.size, reader.tally.digest) == (len(sent), hashlib.sha256(sent).hexdigest())


@pytest.mark.parametrize("compression", COMPRESSIONS)
@given(content=st.binary(min_size=1, max_size=2000), place=st.integers(0, 10_000))
def test_a_truncated_stream_raises_or_gives_less(compression: Compression, content: bytes, place: int) -> None:
    sent = packed(content, compression)
    damaged = sent[: place % len(sent)]
    try:
        found = unpacked(damaged, compression)
    except ValueError:
        return
    # A stream that lacks nothing but its own checksum may still give all: the tally of its bytes tells.
    assert found != content or (content.startswith(found) and len(damaged) < len(sent))


@pytest.mark.parametrize(("compression", "length"), [("gzip", 8), ("zstd", 4)])
@given(content=st.binary(min_size=1, max_size=2000), place=st.integers(0, 7), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_streams_own_checksum_raises(
    compression: Compression, length: int, content: bytes, place: int, bit: int
) -> None:
    sent = bytearray(packed(content, compression))
    sent[-1 - place % length] ^= 1 << bit
    with pytest.raises(ValueError, match=f"the {compression} stream is damaged"):
        unpacked(bytes(sent), compression)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@given(content=st.binary(min_size=1, max_size=2000), data=st.data())
def test_damage_anywhere_is_seen_in_the_tally_of_the_bytes_if_nowhere_else(
    compression: Compression, content: bytes, data: st.DataObject
) -> None:
    sent = packed(content, compression)
    place = data.draw(st.integers(0, len(sent) - 1))
    damaged = data.draw(
        st.sampled_from(
            [sent[:place], sent + b"\0", sent + sent, sent[:place] + bytes([sent[place] ^ 1]) + sent[place + 1 :]]
        )
    )
    reader = ChecksumReader(io.BytesIO(damaged))
    try:
        found = b"".join(decompress(cast(IO[bytes], reader), compression))
    except ValueError:
        return
    reader.drain()
    told_apart = found != content or reader.tally.digest != hashlib.sha256(sent).hexdigest()
    assert told_apart


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("content", [b"", b"no compressed stream at all", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"])
def test_what_is_no_stream_gives_no_rows(compression: Compression, content: bytes) -> None:
    try:
        assert unpacked(content, compression) == b""
    except ValueError:
        return


class Repeating(io.RawIOBase):
    """A very long stream made of little memory."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast(bytearray, buffer))
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_gigabyte_of_zeros_comes_out_a_mebibyte_at_a_time(compression: Compression) -> None:
    block, blocks = bytes(4 << 20), 256

    def pieces() -> Iterator[bytes]:
        packer = make_compressor(compression)
        for _ in range(blocks):
            yield packer.compress(block)
        yield packer.flush()

    size = 0
    for chunk in decompress(cast(IO[bytes], Repeating(pieces())), compression):
        assert len(chunk) <= LARGEST_PIECE
        size += len(chunk)
    assert size == len(block) * blocks


@given(CONTENTS, PLACES)
def test_a_tally_is_that_of_the_whole(content: bytes, places: list[int]) -> None:
    tally = Checksum()
    assert b"".join(tally.add(piece) for piece in cut(content, places)) == content
    assert (tally.size, tally.digest) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("compression", COMPRESSIONS)
@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_what_does_not_compress_comes_back_too(compression: Compression, seed: int) -> None:
    content = random.Random(seed).randbytes(3 << 20)  # noqa: S311 (no secret)
    assert unpacked(packed(content, compression, [1, 2, 1 << 20]), compression) == content
