"""How large the due rows would be in S3: a bounded sample of them, read and compressed as the export does it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from include.archiver.codec import Compression, compressor, divider
from include.archiver.costs import WindowSize
from include.archiver.database import Database
from include.archiver.errors import Interrupted
from include.archiver.models import DueWindow, TableShape, WorkOrder
from include.archiver.statements import Names, Unreferenced
from include.archiver.table import identity_of_rows

# The sample never grows beyond this, however large the table or its rows.
MOST_ROWS = 20_000
_MOST_BYTES = 32_000_000
_MOST_SLICES = 20
# Some rows tell how wide the others may be, before many are asked for.
_FIRST_ROWS = 20
_LONGEST = timedelta(seconds=60)
_LOCK_TIMEOUT = timedelta(seconds=10)


@dataclass
class _Stream:
    """One of the two halves of the sampled rows: bytes of its first lines, of all of it, and compressed."""

    heads: int = 0
    content: int = 0
    packed: int = 0

    def add(self, head: int, content: bytes, compression: Compression) -> None:
        packer = compressor(compression)
        self.heads += head
        self.content += len(content)
        self.packed += len(packer.compress(content)) + len(packer.flush())

    def sizes(self, rows: float, sampled: int, slices: int) -> tuple[float, float]:
        """The bytes of an object of so many rows, as CSV and compressed."""
        content = self.heads / slices + rows * (self.content - self.heads) / sampled
        return content, content * self.packed / self.content


@dataclass
class Sample:
    """Rows from slices spread over the span that is due, and what they came to."""

    rows: int = 0
    slices: int = 0
    _data: _Stream = field(default_factory=_Stream)
    _sidecar: _Stream = field(default_factory=_Stream)

    def size_of(self, rows: float) -> WindowSize:
        """What a window of so many rows would come to; a window without any makes no object."""
        if not rows:
            return WindowSize(0, 0, 0, 0)
        csv_bytes, data_bytes = self._data.sizes(rows, self.rows, self.slices)
        _, sidecar_bytes = self._sidecar.sizes(rows, self.rows, self.slices)
        return WindowSize(rows, csv_bytes, data_bytes, sidecar_bytes)

    def add(self, rows: int, halves: tuple[bytes, bytes], compression: Compression) -> None:
        """Takes in one slice: its sidecar's and its data's lines, each with the names of the columns first."""
        sidecar, data = halves
        self.rows += rows
        self.slices += 1
        self._sidecar.add(sidecar.index(b"\n") + 1, sidecar, compression)
        self._data.add(data.index(b"\n") + 1, data, compression)


def take_sample(database: Database, shape: TableShape, order: WorkOrder, windows: Sequence[DueWindow]) -> Sample | None:
    """Reads at most MOST_ROWS rows from windows spread evenly over those that are due.

    It takes a minute or so at most: what was read by then is the sample.

    Returns:
        None where no row was read.
    """
    sample, deadline = Sample(), time.monotonic() + _LONGEST.total_seconds()
    slices = min(_MOST_SLICES, len(windows))
    chosen = [windows[place * len(windows) // slices] for place in range(slices)]
    with database.limits(lock=_LOCK_TIMEOUT, statement=_LONGEST):
        try:
            width = max((_read(database, shape, window, _FIRST_ROWS)[2] for window in chosen[:1]), default=0)
            most = max(1, min(MOST_ROWS, int(_MOST_BYTES / max(1, width))) // max(1, slices))
            for window in chosen:
                rows, halves, _width = _read(database, shape, window, most)
                if rows:
                    sample.add(rows, halves, order.compression)
                if time.monotonic() > deadline:
                    break
        except Interrupted:
            # A table without an index may take longer than that for one slice.
            if database.closed:
                raise
    return sample if sample.rows else None


def _read(
    database: Database, shape: TableShape, window: DueWindow, limit: int
) -> tuple[int, tuple[bytes, bytes], float]:
    """So many rows of the window at most, cut in two as the export cuts them, and how wide one is on average."""
    identity = identity_of_rows(shape)
    names: Names = {
        "table": shape.table,
        "column": shape.timestamp_column,
        "identity": identity,
        "columns": [column.name for column in shape.columns],
        "unreferenced": Unreferenced("target", shape.waits_for),
    }
    divide = divider(len(identity))
    sidecar, data = [], []
    with database.copy_out("preview/sample", names, start=window.span.start, end=window.span.end, limit=limit) as copy:
        for lines in copy.batches():
            first, second = divide(lines)
            sidecar.append(first)
            data.append(second)
    halves = b"".join(sidecar), b"".join(data)
    return copy.rows, halves, len(halves[1]) / max(1, copy.rows)
