"""Counting and checksumming what streams through."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import IO, Any, Literal

import xxhash

from pg_archiver.objects.compression import READ_BYTES

# SHA-256 tells what somebody forged, too. XXH3 tells every accident, for a hundredth of the time.
DigestKind = Literal["sha256", "xxh3_128"]


@dataclass
class Checksum:
    """How many bytes went by, and a digest of them."""

    kind: DigestKind = "sha256"
    size: int = 0

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self._hash: Any = hashlib.sha256() if self.kind == "sha256" else xxhash.xxh3_128()

    def add(self, data: bytes) -> bytes:
        """Count the bytes and hand them on."""
        self.size += len(data)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        """The digest of all bytes so far, in hexadecimal."""
        return str(self._hash.hexdigest())


class ChecksumReader(io.RawIOBase):
    """A readable stream that counts and checksums what is read from it."""

    def __init__(self, source: IO[bytes]) -> None:
        """Wrap `source`, which is read but never closed here."""
        self._source = source
        self.tally = Checksum()

    def readable(self) -> bool:
        """Return true, always."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes of the source, as far as they come."""
        return self.tally.add(self._source.read(size) if size >= 0 else self._source.read())

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer with the next bytes of the source, as far as they come."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def drain(self) -> None:
        """Read what is left, so that the tally covers the whole object, trailing bytes too."""
        while self.read(READ_BYTES):
            pass
