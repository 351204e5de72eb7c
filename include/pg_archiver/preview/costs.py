"""What an archive takes in requests, dollars and minutes: arithmetic, no I/O.

The requests are those that export, store and delete send for each window, to a store that refuses to write a key twice,
as S3 does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pg_archiver.s3.part_sizes import PartSizes

# US dollars, list price of S3 Standard in us-east-1, 2026: without discounts, other storage classes, KMS or transfer.
PRICES = "list price of S3 Standard in us-east-1, 2026"
PUT_OR_POST = 0.005 / 1000
GET_OR_HEAD = 0.0004 / 1000
GIB_A_MONTH = 0.023
# Measured on two cores (docs/benchmarks.md): bytes of CSV a second through Airflow, and what each window and each
# task instance costs beside them, in seconds.
RATES = "101 MB of CSV a second, 0.04 s a window, 0.43 s a task instance, as measured on two cores"
CSV_A_SECOND = 101_000_000
SECONDS_A_WINDOW = 0.04
SECONDS_A_TASK = 0.43
# Data and manifest, and a sidecar where rows are listed.
OBJECTS_A_WINDOW = 2
# Each batch is exported, stored and deleted by a task of its own; a run has a plan and a report besides.
TASKS_A_BATCH = 3
TASKS_A_RUN = 2
# The JSON beside an object: what every manifest holds, and a line or two for each column.
_MANIFEST_BYTES = 1_270
_MANIFEST_BYTES_OF_A_LIST = 430
_MANIFEST_BYTES_A_COLUMN = 65
_MANIFEST_BYTES_A_SUB_RANGE = 89

_GIB = 1 << 30


@dataclass(frozen=True)
class Requests:
    """Requests to S3 by their HTTP method: parts count as PUT, the begin and the end of a multipart upload as POST."""

    put: int = 0
    post: int = 0
    get: int = 0
    head: int = 0

    def __add__(self, other: Requests) -> Requests:
        return Requests(self.put + other.put, self.post + other.post, self.get + other.get, self.head + other.head)

    @property
    def total(self) -> int:
        """All of them."""
        return self.put + self.post + self.get + self.head

    @property
    def dollars(self) -> float:
        """Their list price."""
        return (self.put + self.post) * PUT_OR_POST + (self.get + self.head) * GET_OR_HEAD


# Before a run: whether the bucket is there, and whether an upload may be begun. Giving it up is free.
OF_A_RUN = Requests(post=1, head=1)
# store: data and the manifest are read back, and the manifest is written. delete: both are asked for.
_CHECKED_AND_DELETED = Requests(put=1, get=2, head=2)
# store reads the sidecar back, and where rows leave by the list, the delete reads it.
_LISTED = _BY_LIST = Requests(get=1)


@dataclass(frozen=True)
class WindowSize:
    """What one window comes to: its rows, the bytes of its CSV, and the compressed bytes of object and sidecar.

    `sidecar_bytes` are 0 where there is none.
    """

    rows: float
    csv_bytes: float
    data_bytes: float
    sidecar_bytes: float


def requests_for(windows: Iterable[WindowSize], runs: int, *, by_list: bool) -> Requests:
    """Return all requests of so many runs that export, check and delete these windows, whose rows leave `by_list`."""
    total = Requests()
    for window in windows:
        total += _upload(window.data_bytes) + _CHECKED_AND_DELETED
        if window.sidecar_bytes:
            total += _upload(window.sidecar_bytes) + _LISTED
        if by_list:
            total += _BY_LIST
    for _ in range(runs):
        total += OF_A_RUN
    return total


def manifest_bytes(columns: int, sub_ranges: int, *, listed: bool) -> int:
    """Return about how large the manifest of a table with so many columns is, and of a window with so many parts."""
    size = _MANIFEST_BYTES + columns * _MANIFEST_BYTES_A_COLUMN + sub_ranges * _MANIFEST_BYTES_A_SUB_RANGE
    return size + _MANIFEST_BYTES_OF_A_LIST * listed


def dollars_a_month(stored_bytes: float) -> float:
    """Return the list price of keeping so many bytes for a month."""
    return stored_bytes / _GIB * GIB_A_MONTH


def seconds_for(csv_bytes: float, windows: int, tasks: int) -> float:
    """Return about how long it takes, at the rates of RATES."""
    return csv_bytes / CSV_A_SECOND + windows * SECONDS_A_WINDOW + tasks * SECONDS_A_TASK


def format_dollars(amount: float) -> str:
    """Return an estimated amount as a person reads it; nothing that costs something is told as zero."""
    smallest = 0.01
    return "less than $0.01" if amount < smallest else f"about ${amount:,.2f}"


def _upload(size: float) -> Requests:
    """Return the requests for one object under a free key; if it is large, parts, and a HEAD before its end."""
    parts = PartSizes()
    if size < parts.first:
        return Requests(put=1)
    return Requests(put=parts.count(size), post=2, head=1)
