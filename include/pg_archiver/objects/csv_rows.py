"""Rows as CSV: telling them apart and counting them, whatever the chunks they come in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pg_archiver.postgres.session import Line

_ALL_BUT_QUOTE_AND_NEWLINE = bytes(set(range(256)) - {ord('"'), ord("\n")})


def make_divider(fields: int) -> Callable[[Sequence[Line]], tuple[bytes, bytes]]:
    """Cut CSV rows, as PostgreSQL writes them, after their first fields.

    Returns:
        A function from rows to two pieces of CSV with as many rows each: the first fields, and the others.
    """
    head = re.compile(rb'(?:(?:"(?:[^"]|"")*"|[^",]*),){%d}' % fields)

    def divide(rows: Sequence[Line]) -> tuple[bytes, bytes]:
        matches = [head.match(row) for row in rows]
        if not all(matches):
            raise ValueError("a row of CSV has fewer fields than were asked for")
        ends = [match.end() for match in matches if match]
        heads = [row[: end - 1] for row, end in zip(rows, ends, strict=True)]
        return b"\n".join(heads) + b"\n", b"".join([row[end:] for row, end in zip(rows, ends, strict=True)])

    return divide


@dataclass
class RecordCounter:
    """Counts the records of a CSV stream as PostgreSQL writes it, where a quoted value may hold newlines.

    A newline ends a record exactly when an even number of quotes stands before it; an escaped quote is two.
    Everything but quotes and newlines is dropped before anything is split, and where a newline stands inside quotes
    neighbouring quotes cancel out first, so the work is done at the speed of `memchr`.
    """

    records: int = 0
    _inside: bool = False

    def add(self, data: bytes) -> None:
        """Take in the next piece of the stream, cut anywhere."""
        marks = data.translate(None, _ALL_BUT_QUOTE_AND_NEWLINE)
        if self._inside:
            marks = b'"' + marks
        *lines, rest = [len(quotes) & 1 for quotes in marks.split(b"\n")]
        if 1 not in lines:
            # No newline of these stands inside quotes, as in most data.
            self.records += len(lines)
            self._inside = rest == 1
            return
        pieces = marks.replace(b'""', b"").split(b'"')
        self.records += sum(map(len, pieces[::2]))
        self._inside = len(pieces) % 2 == 0

    @property
    def complete(self) -> bool:
        """Whether the stream so far ends outside quotes."""
        return not self._inside


def split_records(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the records of a CSV stream of PostgreSQL, each with its newline; quoted values may hold newlines."""
    pieces: list[bytes] = []
    inside = False
    for chunk in chunks:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            pieces += (line, b"\n")
            inside ^= line.count(b'"') % 2 == 1
            if not inside:
                yield b"".join(pieces)
                pieces.clear()
        if rest:
            pieces.append(rest)
            inside ^= rest.count(b'"') % 2 == 1
    if pieces:
        yield b"".join(pieces)
