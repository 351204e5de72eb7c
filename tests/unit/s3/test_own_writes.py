"""By what an own write is known again: a token, a size, a checksum; where a store keeps no token, the bytes."""

from __future__ import annotations

import base64
import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.s3.own_writes import Likeness, Piece, Write

PARTS = (b"first", b"second", b"third")
SIZE = sum(map(len, PARTS))


def write_of(*parts: bytes) -> Write:
    return Write(pieces=[Piece.of(part) for part in parts])


def checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


@pytest.mark.parametrize("name", ["archiver-write", "Archiver-Write"])
def test_an_object_with_token_size_and_checksum_is_the_writes_own(name: str) -> None:
    write = write_of(*PARTS)
    metadata = {"another": "x", name: write.token}
    composite = checksum(b"".join(hashlib.sha256(part).digest() for part in PARTS))
    for told in (None, f"{composite}-3", composite):
        assert write.compare(SIZE, metadata, told, in_parts=True) is Likeness.SAME
    whole = write_of(b"whole")
    assert whole.compare(5, whole.metadata, checksum(b"whole"), in_parts=False) is Likeness.SAME


def test_one_of_another_size_or_checksum_is_not_whole() -> None:
    write = write_of(*PARTS)
    assert write.compare(SIZE - 1, write.metadata, None, in_parts=True) is Likeness.UNFINISHED
    assert write.compare(SIZE, write.metadata, checksum(b"other"), in_parts=True) is Likeness.UNFINISHED


def test_another_token_is_anothers_and_none_leaves_it_to_the_bytes() -> None:
    write = write_of(*PARTS)
    assert write.compare(SIZE, write_of(*PARTS).metadata, None, in_parts=True) is Likeness.ANOTHERS
    assert write.compare(SIZE, {}, None, in_parts=True) is Likeness.UNMARKED
    assert write.compare(SIZE, {"another": write.token}, None, in_parts=True) is Likeness.UNMARKED
    assert write.compare(SIZE + 1, {}, None, in_parts=True) is Likeness.UNLIKE


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.data())
def test_the_bytes_are_the_writes_own_if_all_of_them_are(parts: list[bytes], data: st.DataObject) -> None:
    write, content = write_of(*parts), b"".join(parts)
    assert write.is_content(BytesIO(content))
    assert not write.is_content(BytesIO(content + b"x"))
    if content:
        place = data.draw(st.integers(0, len(content) - 1))
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        assert not write.is_content(BytesIO(changed))
        assert not write.is_content(BytesIO(content[:place]))
