"""What was found about a table: its parts, its indexes, what could be given back and how that was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pg_archiver.domain.sizes import Sizes, format_bytes
from pg_archiver.domain.tables import TableName
from pg_archiver.postgres.snapshot_holders import SnapshotHolder


class Method(StrEnum):
    """How it was found out what could be given back, the best first."""

    MEASURED = "measured with pgstattuple"
    FREE_SPACE_MAP = "from the free space map"
    STATISTICS = "estimated from statistics"


@dataclass(frozen=True)
class IndexCondition:
    """One index: what it takes up, and what a fresh one would, None where nobody knows; both in bytes."""

    oid: int
    name: TableName
    size: int
    fresh: int | None
    valid: bool
    method: str
    leads: bool
    is_exclusion: bool = False

    @property
    def free(self) -> int:
        """What a rebuild would give back; all of it where the index is of no use."""
        if not self.valid:
            return self.size
        return 0 if self.fresh is None else max(0, self.size - self.fresh)

    def __str__(self) -> str:
        return f"{self.name.name} {format_bytes(self.size)}{'' if self.valid else ' (invalid)'}"


@dataclass(frozen=True)
class TablePart:
    """One table with a file of its own: the table itself, a partition or a child of it.

    `is_known` is whether the length of its rows is; else `free` of the heap goes by the share of dead rows alone.
    """

    oid: int
    table: TableName
    sizes: Sizes
    free: Sizes
    live: int
    dead: int
    may_maintain: bool
    owner: str
    indexes: tuple[IndexCondition, ...] = ()
    is_known: bool = True


@dataclass(frozen=True)
class Inspection:
    """What was found about a table, its partitions and children included."""

    table: TableName
    partitioned: bool
    parts: tuple[TablePart, ...]
    method: Method
    timestamp_index: str | None
    holders: tuple[SnapshotHolder, ...] = ()
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
        """The percentage of the total that a rewrite would give back."""
        return 100 * self.free.total / self.sizes.total if self.sizes.total else 0.0

    @property
    def live(self) -> int:
        """Rows that are there."""
        return sum(part.live for part in self.parts)

    @property
    def dead(self) -> int:
        """Row versions that VACUUM has not removed yet."""
        return sum(part.dead for part in self.parts)
