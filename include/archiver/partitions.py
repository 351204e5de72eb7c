"""Partitions that are due as a whole, and what became of those that runs set out to drop."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from include.archiver.database import Database, Row
from include.archiver.errors import Superseded
from include.archiver.models import Partition, TableName, TableShape, Window, WorkOrder
from include.archiver.subscribers import find_subscribers
from include.archiver.windows import GRID_ORIGIN


@dataclass(frozen=True)
class Dropped:
    """A partition that is gone: the rows that it held, and what its files took."""

    table: TableName
    rows: int
    bytes: int

    def __str__(self) -> str:
        """For people."""
        return f"partition {self.table} dropped whole: {self.rows} rows, {self.bytes / 1e6:.1f} MB given back"


@dataclass(frozen=True)
class Found:
    """The partitions within a span that may be dropped whole, and a note on each that may not."""

    partitions: tuple[Partition, ...]
    notes: tuple[str, ...]


def whole_partitions(database: Database, shape: TableShape, due: Window, hours: int) -> Found:
    """The partitions that lie wholly within the span that is due, the largest ones where they are nested.

    Only those whose bounds are bounds of windows too: no window then has rows inside and outside.
    """
    rows = database.all("table/partitions", oid=shape.oid, column=shape.timestamp_column, start=due.start, end=due.end)
    step = timedelta(hours=hours)
    fitting = [row for row in rows if not any((bound - GRID_ORIGIN) % step for bound in (row.span_start, row.span_end))]
    others = find_subscribers(database, shape.oid) if fitting else None
    partitions: dict[int, Partition] = {}
    notes: list[str] = []
    for row in fitting:
        if hindrance := row.hindrance or (f"its subscribers would keep the rows ({others})" if others else ""):
            notes.append(
                f"partition {row.schema}.{row.name} is due as a whole, but {hindrance}: its rows are deleted in "
                f"batches and the empty partition stays"
            )
        elif not partitions.keys() & set(row.above):
            partitions[row.oid] = partition_of(row, alone=row.alone)
    return Found(tuple(partitions.values()), tuple(notes))


class Drops:
    """The drops of one table's partitions, in the ledger: begun before the detach, ended with the drop."""

    def __init__(self, database: Database, order: WorkOrder) -> None:
        """Reads and writes through this connection, for this client and table."""
        self._database = database
        self._order = order
        self._subject = {"client": order.client, "schema": order.table.schema, "table": order.table.name}

    def exist(self) -> bool:
        """Whether this ledger knows of drops; a ledger of an older version does not."""
        return bool(self._database.one("ledger/schema_exists").partitions)

    def unfinished(self) -> dict[int, Partition]:
        """What was begun and not ended, by the number of its line."""
        rows = self._database.all("partition/unfinished", **self._subject)
        return {row.id: partition_of(row, alone=True) for row in rows}

    def begin(self, partition: Partition) -> int:
        """Notes that the partition is about to be detached; returns the number of the line."""
        row = self._database.one(
            "partition/begin",
            **self._subject,
            oid=partition.oid,
            partition_schema=partition.table.schema,
            partition_name=partition.table.name,
            parent_schema=partition.parent.schema,
            parent_name=partition.parent.name,
            start=partition.span.start,
            end=partition.span.end,
            lower=partition.bounds[0],
            upper=partition.bounds[1],
            run_id=self._order.run_id,
        )
        return int(row.id)

    def ended(self, number: int, state: str, note: str | None = None, dropped: Dropped | None = None) -> None:
        """Notes how it ended: `dropped`, `attached` again, its rows `moved` into the table, or `gone` otherwise.

        Raises:
            Superseded: another run ended it first.
        """
        changed = self._database.change(
            "partition/ended",
            id=number,
            state=state,
            rows=dropped.rows if dropped else None,
            bytes=dropped.bytes if dropped else None,
            note=note,
            run_id=self._order.run_id,
        )
        if changed != 1:
            raise Superseded("another run dealt with the partition while this one worked on it")

    def of_run(self) -> list[Dropped]:
        """What this run dropped."""
        rows = self._database.all("partition/of_run", **self._subject, run_id=self._order.run_id)
        return [Dropped(TableName(row.schema, row.name), row.rows, row.bytes) for row in rows]

    def turn_name(self, parent: TableName) -> str:
        """The name of the lock under which partitions of this parent are detached, one after the other."""
        return json.dumps(["archiver", parent.schema, parent.name, "detach"])

    def lock_name(self, oid: int) -> str:
        """The name of the lock that goes with this partition."""
        table = self._order.table
        return json.dumps(["archiver", table.schema, table.name, "partition", oid])


def partition_of(row: Row, *, alone: bool) -> Partition:
    """The partition that a row of the catalog or of the ledger tells of."""
    return Partition(
        oid=row.oid,
        table=TableName(row.schema, row.name),
        parent=TableName(row.parent_schema, row.parent_name),
        span=Window(row.span_start, row.span_end),
        bounds=(row.bounds[0], row.bounds[1]),
        alone=alone,
    )
