"""What restores have put into which table, and what the archive has to leave alone because of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from include.archiver.database import Database
from include.archiver.manifest import Manifest
from include.archiver.models import RestoreOrder, TableName, Window, WorkOrder


@dataclass(frozen=True)
class Hold:
    """Restored rows of this span stay in the table until then."""

    span: Window
    until: datetime

    def __str__(self) -> str:
        return f"{self.span}, held by a restore until {self.until:%Y-%m-%d %H:%M} UTC"


class Restores:
    """The restores of one table of one client."""

    def __init__(self, database: Database, order: WorkOrder) -> None:
        """Reads and writes through this connection, for this client and table."""
        self._database = database
        self._subject = {"client": order.client, "schema": order.table.schema, "table": order.table.name}
        self._run_id = order.run_id

    def holds(self, span: Window) -> list[Hold]:
        """The holds on this table that overlap the span and have not ended, by the server's clock."""
        if not self._database.one("ledger/schema_exists").restores:
            return []
        rows = self._database.all(
            "ledger/holds",
            schema=self._subject["schema"],
            table=self._subject["table"],
            start=span.start,
            end=span.end,
        )
        return [Hold(Window(row.span_start, row.span_end), row.hold_until) for row in rows]

    def note(
        self, manifest: Manifest, bucket: str, order: RestoreOrder, target_oid: int, span: Window, rows: int
    ) -> datetime | None:
        """An object's rows were put into the target; runs in their transaction. Returns until when they are held."""
        row = self._database.one(
            "ledger/restored",
            **self._subject,
            bucket=bucket,
            object_key=manifest.data.key,
            generation=manifest.generation,
            target_schema=order.target.schema,
            target_table=order.target.name,
            target_oid=target_oid,
            span_start=span.start,
            span_end=span.end,
            rows=rows,
            run_id=self._run_id,
            hold_days=order.hold_days if order.into_itself and order.hold_days else None,
        )
        return cast("datetime | None", row.hold_until)

    def spans(self, manifest: Manifest, bucket: str, target_oid: int) -> list[Window]:
        """The spans of an object that were put into this target before."""
        rows = self._database.all(
            "ledger/restored_spans", bucket=bucket, object_key=manifest.data.key, target_oid=target_oid
        )
        return [Window(row.span_start, row.span_end) for row in rows]

    def note_target(self, target: TableName, oid: int) -> None:
        """A restore of this table made the target; runs in the same transaction."""
        self._database.change("ledger/made_target", **self._target(target, oid), run_id=self._run_id)

    def made(self, target: TableName, oid: int) -> bool:
        """Whether a restore of this table made the target."""
        return bool(self._database.one("ledger/is_target", **self._target(target, oid)).made)

    def _target(self, target: TableName, oid: int) -> dict[str, object]:
        return {
            **self._subject,
            "target_schema": target.schema,
            "target_table": target.name,
            "target_oid": oid,
        }
