"""What became of the partitions that runs set out to drop."""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.domain.tables import Partition, TableName
from pg_archiver.domain.windows import Window
from pg_archiver.domain.work import TableOrder
from pg_archiver.errors import Superseded
from pg_archiver.postgres.session import Row, Session


@dataclass(frozen=True)
class Dropped:
    """A partition that is gone: the rows that it held, and what its files took."""

    table: TableName
    rows: int
    bytes: int

    def __str__(self) -> str:
        """Return the drop in a human-readable form."""
        return f"partition {self.table} dropped whole: {self.rows} rows, {self.bytes / 1e6:.1f} MB given back"


class PartitionDropLog:
    """The drops of one table's partitions, in the ledger: begun before the detach, ended with the drop."""

    def __init__(self, session: Session, order: TableOrder) -> None:
        """Read and write through this connection, for this client and table."""
        self._session = session
        self._order = order
        self._subject = {"client": order.client, "schema": order.table.schema, "table": order.table.name}

    def exists(self) -> bool:
        """Return whether this ledger knows of drops; a ledger of an older version does not."""
        return bool(self._session.fetch_one("ledger/schema/schema_exists").partitions)

    def list_unfinished(self) -> dict[int, Partition]:
        """Return what was begun and not ended, by the number of its line."""
        rows = self._session.fetch_all("ledger/partition_drops/unfinished", **self._subject)
        return {row.id: partition_of(row, alone=True) for row in rows}

    def begin(self, partition: Partition) -> int:
        """Note that the partition is about to be detached; return the number of the line."""
        row = self._session.fetch_one(
            "ledger/partition_drops/begin",
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

    def end(self, number: int, state: str, note: str | None = None, dropped: Dropped | None = None) -> None:
        """Note how it ended: `dropped`, `attached` again, its rows `moved` into the table, or `gone` otherwise.

        Raises:
            Superseded: another run ended it first.
        """
        changed = self._session.execute(
            "ledger/partition_drops/end",
            id=number,
            state=state,
            rows=dropped.rows if dropped else None,
            bytes=dropped.bytes if dropped else None,
            note=note,
            run_id=self._order.run_id,
        )
        if changed != 1:
            raise Superseded("another run processed the partition while this one worked on it")

    def list_of_run(self) -> list[Dropped]:
        """Return what this run dropped."""
        rows = self._session.fetch_all("ledger/partition_drops/of_run", **self._subject, run_id=self._order.run_id)
        return [Dropped(TableName(row.schema, row.name), row.rows, row.bytes) for row in rows]


def partition_of(row: Row, *, alone: bool) -> Partition:
    """Return the partition that a row of the catalog or of the ledger tells of."""
    return Partition(
        oid=row.oid,
        table=TableName(row.schema, row.name),
        parent=TableName(row.parent_schema, row.parent_name),
        span=Window(row.span_start, row.span_end),
        bounds=(row.bounds[0], row.bounds[1]),
        alone=alone,
    )
