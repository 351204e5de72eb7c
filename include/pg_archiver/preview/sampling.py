"""How large the due rows would be in S3: a bounded sample of them, read and compressed as the export does it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from pg_archiver.domain.tables import TableShape
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import Interrupted
from pg_archiver.objects.compression import Compression, make_compressor
from pg_archiver.objects.csv_rows import make_divider
from pg_archiver.postgres.catalog import identity_columns
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, NotReferenced
from pg_archiver.preview.costs import WindowSize

# The sample never grows beyond this, however large the table or its rows.
MOST_ROWS = 20_000
_MOST_BYTES = 32_000_000
_MOST_SLICES = 20
# Some rows tell how wide the others may be, before many are asked for.
_FIRST_ROWS = 20
_LONGEST = timedelta(seconds=60)
_LOCK_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class _Half:
    """One half of a slice, the rows or their identities: bytes of its first line, of one row, and how it packs."""

    head: int
    row: float
    ratio: float

    @classmethod
    def of(cls, content: bytes, rows: int, compression: Compression) -> _Half:
        packer, head = make_compressor(compression), content.index(b"\n") + 1
        packed = len(packer.compress(content)) + len(packer.flush())
        return cls(head, (len(content) - head) / rows, packed / len(content))

    def size(self, rows: float) -> float:
        """Return the bytes of so many rows as CSV."""
        return self.head + rows * self.row


@dataclass(frozen=True)
class _Slice:
    """Some rows of one window: how many, for how many of the table they stand, and both halves."""

    sampled: int
    weight: float
    sidecar: _Half
    data: _Half

    def size(self, rows: float) -> WindowSize:
        csv_bytes = self.data.size(rows)
        return WindowSize(rows, csv_bytes, csv_bytes * self.data.ratio, self.sidecar.size(rows) * self.sidecar.ratio)


@dataclass(frozen=True)
class Sample:
    """Rows from windows spread over the span that is due, and what they came to."""

    _slices: Mapping[DueWindow, _Slice]

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return sum(one.sampled for one in self._slices.values())

    def size_of(self, window: DueWindow, rows: float) -> WindowSize:
        """Return what the window comes to: by its own rows if it was sampled, else by the average of all that were."""
        own = self._slices.get(window)
        return own.size(rows) if own else self._average.size(rows)

    @cached_property
    def _average(self) -> _Slice:
        slices = list(self._slices.values())
        weights = [one.weight for one in slices]
        sidecar = _mean([one.sidecar for one in slices], weights)
        return _Slice(self.rows, sum(weights), sidecar, _mean([one.data for one in slices], weights))


def _mean(halves: Sequence[_Half], weights: Sequence[float]) -> _Half:
    """Return the average row: a window counts by its rows, and how it packs by its bytes."""
    sizes = [half.row * weight for half, weight in zip(halves, weights, strict=True)]
    packed = sum(half.ratio * size for half, size in zip(halves, sizes, strict=True))
    return _Half(halves[0].head, sum(sizes) / sum(weights), packed / sum(sizes))


def take_sample(
    session: Session, shape: TableShape, order: WorkOrder, windows: Mapping[DueWindow, float]
) -> Sample | None:
    """Read at most MOST_ROWS rows from windows spread evenly over those that are due.

    It takes a minute or so at most: what was read by then is the sample.

    Args:
        session: a session on the client database.
        shape: the table.
        order: how its objects are compressed.
        windows: those that are due, oldest first, each with its rows, of which there are some.

    Returns:
        None where no row was read.
    """
    found: dict[DueWindow, _Slice] = {}
    deadline = time.monotonic() + _LONGEST.total_seconds()
    every, slices = list(windows), min(_MOST_SLICES, len(windows))
    chosen = [every[place * len(every) // slices] for place in range(slices)]
    with session.timeouts(lock=_LOCK_TIMEOUT, statement=_LONGEST):
        try:
            width = max((_width(session, shape, window) for window in chosen[:1]), default=0)
            most = max(1, min(MOST_ROWS, int(_MOST_BYTES / max(1, width))) // max(1, slices))
            for window in chosen:
                rows, sidecar, data = _read(session, shape, window, most)
                if rows:
                    halves = (_Half.of(content, rows, order.compression) for content in (sidecar, data))
                    found[window] = _Slice(rows, windows[window], *halves)
                if time.monotonic() > deadline:
                    break
        except Interrupted:
            # A table without an index may take longer than that for one slice.
            if session.closed:
                raise
    return Sample(found) if found else None


def _width(session: Session, shape: TableShape, window: DueWindow) -> float:
    rows, _sidecar, data = _read(session, shape, window, _FIRST_ROWS)
    return len(data) / max(1, rows)


def _read(session: Session, shape: TableShape, window: DueWindow, limit: int) -> tuple[int, bytes, bytes]:
    """Read at most so many rows of the window: how many came, and both halves, cut as the export cuts them."""
    identity = identity_columns(shape)
    names: Names = {
        "table": shape.table,
        "column": shape.timestamp_column,
        "identity": identity,
        "columns": [column.name for column in shape.columns],
        "unreferenced": NotReferenced("target", shape.waits_for),
    }
    divide = make_divider(len(identity))
    sidecar, data = [], []
    with session.copy_out("preview/sample", names, start=window.span.start, end=window.span.end, limit=limit) as copy:
        for lines in copy.batches():
            first, second = divide(lines)
            sidecar.append(first)
            data.append(second)
    return copy.rows, b"".join(sidecar), b"".join(data)
