"""By what an object is known again as one that this process wrote, though S3's answer to the write was lost.

Each write sends a random token with the object, in its metadata. A second try of the same write, which S3's client
makes by itself, finds the object of the first one under the key: with this token, this size and this checksum. Where a
store keeps no metadata, the object's bytes tell. No I/O.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import IO

# What S3 sends as `x-amz-meta-archiver-write`.
TOKEN = "archiver-write"  # noqa: S105 (the name of a header)
_READ_BYTES = 1 << 20


class Likeness(Enum):
    """What an object under our key is, by what S3 says of it without sending it."""

    SAME = auto()
    # With our token, and not what we sent: perhaps not all of it yet.
    UNFINISHED = auto()
    # With another write's token.
    ANOTHERS = auto()
    # Without a token: its bytes have to be looked at, unless there is another number of them.
    UNMARKED = auto()
    UNLIKE = auto()


@dataclass(frozen=True)
class Piece:
    """Bytes that were sent in one request: how many, and their SHA-256."""

    size: int
    sha256: bytes

    @classmethod
    def of(cls, data: bytes | bytearray) -> Piece:
        """Return the piece that these bytes are."""
        return cls(len(data), hashlib.sha256(data).digest())

    @property
    def checksum(self) -> str:
        """The checksum as S3 writes it."""
        return base64.b64encode(self.sha256).decode()


@dataclass
class Write:
    """One object on its way: the token that it bears, and the pieces that were sent of it, in their order."""

    token: str = field(default_factory=lambda: secrets.token_hex(16))
    pieces: list[Piece] = field(default_factory=list)

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the object."""
        return {TOKEN: self.token}

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(piece.size for piece in self.pieces)

    def compare(self, size: int, metadata: Mapping[str, str], checksum: str | None, *, in_parts: bool) -> Likeness:
        """Return what an object is that S3 describes so; `checksum` is its SHA-256 as S3 writes it, if S3 tells one."""
        token = next((value for name, value in metadata.items() if name.lower() == TOKEN), None)
        alike = size == self.size and (checksum is None or checksum.split("-")[0] == self._checksum(in_parts))
        if token is None:
            return Likeness.UNMARKED if size == self.size else Likeness.UNLIKE
        if token != self.token:
            return Likeness.ANOTHERS
        return Likeness.SAME if alike else Likeness.UNFINISHED

    def is_content(self, body: IO[bytes]) -> bool:
        """Return whether these are all the bytes that were sent; read to the end, or to the first difference."""
        for piece in self.pieces:
            digest, size = hashlib.sha256(), 0
            for data in _read(body, piece.size):
                digest.update(data)
                size += len(data)
            if (size, digest.digest()) != (piece.size, piece.sha256):
                return False
        return not body.read(1)

    def _checksum(self, in_parts: bool) -> str:
        """Return S3's checksum of the whole object: of its bytes, or of its parts' digests."""
        digests = b"".join(piece.sha256 for piece in self.pieces)
        return base64.b64encode(hashlib.sha256(digests).digest() if in_parts else digests).decode()


def _read(body: IO[bytes], size: int) -> Iterator[bytes]:
    while size and (data := body.read(min(size, _READ_BYTES))):
        size -= len(data)
        yield data
