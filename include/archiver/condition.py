"""The nouns of maintenance: what a table takes up on disk, what could be given back, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from include.archiver.models import TableName
from include.archiver.wording import say_count

_KB = 1000


def in_words(size: float) -> str:
    """Bytes as a person reads them, in decimal units: `1.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(size) < _KB:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= _KB
    return f"{size:.1f} TB"


def say_given_back(size: int) -> str:
    """What became of a table's size; others may have made it larger meanwhile."""
    if size < 0:
        return f"the table grew by {in_words(-size)} meanwhile"
    return f"{in_words(size)} given back" if size else "nothing given back"


@dataclass(frozen=True)
class Sizes:
    """Bytes on disk, of the heap, of its indexes, and of the TOAST table with its index."""

    heap: int = 0
    indexes: int = 0
    toast: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.heap + self.indexes + self.toast

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(self.heap + other.heap, self.indexes + other.indexes, self.toast + other.toast)

    def __sub__(self, other: Sizes) -> Sizes:
        return Sizes(self.heap - other.heap, self.indexes - other.indexes, self.toast - other.toast)

    def __str__(self) -> str:
        return f"heap {in_words(self.heap)}, indexes {in_words(self.indexes)}, TOAST {in_words(self.toast)}"


class Method(StrEnum):
    """How it was found out what could be given back, the best first."""

    MEASURED = "measured with pgstattuple"
    FREE_SPACE_MAP = "from the free space map"
    STATISTICS = "estimated from statistics"


@dataclass(frozen=True)
class IndexCondition:
    """One index: what it takes up, and what of that a rebuild would give back."""

    oid: int
    name: TableName
    size: int
    free: int
    valid: bool
    method: str
    leads: bool

    def __str__(self) -> str:
        return f"{self.name.name} {in_words(self.size)}{'' if self.valid else ' (invalid)'}"


@dataclass(frozen=True)
class Part:
    """One table with a file of its own: the table itself, a partition or a child of it."""

    oid: int
    table: TableName
    sizes: Sizes
    free: Sizes
    live: int
    dead: int
    may_maintain: bool
    owner: str
    indexes: tuple[IndexCondition, ...] = ()


@dataclass(frozen=True)
class Holder:
    """Something whose snapshot keeps VACUUM from removing dead rows."""

    kind: str
    name: str
    pid: int | None
    user: str | None
    application: str | None
    age: timedelta | None
    transactions: int
    verb: str | None = None

    def __str__(self) -> str:
        told = [f"{self.kind} {self.name}" if self.name else self.kind]
        told += [f"pid {self.pid}"] if self.pid else []
        told += [f"user {self.user}"] if self.user else []
        told += [f"application {self.application!r}"] if self.application else []
        told += [f"for {self.age // timedelta(seconds=1)} s"] if self.age is not None else []
        told += [f"{say_count(self.transactions, 'transaction')} back"]
        told += [f"last statement {self.verb}"] if self.verb else []
        return ", ".join(told)


@dataclass(frozen=True)
class Inspection:
    """What was found about a table, its partitions and children included."""

    table: TableName
    partitioned: bool
    parts: tuple[Part, ...]
    method: Method
    timestamp_index: str | None
    holders: tuple[Holder, ...] = ()
    running: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def sizes(self) -> Sizes:
        """What it takes up."""
        return sum((part.sizes for part in self.parts), Sizes())

    @property
    def free(self) -> Sizes:
        """What of that a rewrite would give back."""
        return sum((part.free for part in self.parts), Sizes())

    @property
    def free_percent(self) -> float:
        """The same as a percentage."""
        return 100 * self.free.total / self.sizes.total if self.sizes.total else 0.0

    @property
    def live(self) -> int:
        """Rows that are there."""
        return sum(part.live for part in self.parts)

    @property
    def dead(self) -> int:
        """Row versions that VACUUM has not removed yet."""
        return sum(part.dead for part in self.parts)
