"""What restores have put into which table, and what the archive has to leave alone because of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.windows import Window
from pg_archiver.domain.work import RestoreOrder, TableOrder
from pg_archiver.objects.manifest import Manifest
from pg_archiver.objects.object_keys import table_folder
from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class Hold:
    """Restored rows of this span stay in the table until then."""

    span: Window
    until: datetime

    def __str__(self) -> str:
        return f"{self.span}, held by a restore until {self.until:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Before:
    """What earlier restores put of one object into one target.

    `positions` are the numbers of those rows, as the server writes multiranges, `own` of those that this very run put
    in. `spans` and `rows` are of lines of an older version, which noted no numbers: so many rows of these spans.
    `elsewhere` tells that there are lines of a table of this name that had another oid.
    """

    positions: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    spans: tuple[Window, ...] = ()
    rows: int = 0
    elsewhere: bool = False


class RestoreLog:
    """The restores of one table of one client."""

    def __init__(self, session: Session, order: TableOrder) -> None:
        """Read and write through this connection, for this client and table."""
        self._session = session
        self._order = order
        self._subject = {"client": order.client, "schema": order.table.schema, "table": order.table.name}
        self._run_id = order.run_id

    def list_holds(self, span: Window) -> list[Hold]:
        """Return the holds on this table that overlap the span and have not ended, by the server's clock."""
        session = self._session
        session.notes_restores = session.notes_restores or session.fetch_one("ledger/schema/schema_exists").restores
        if not session.notes_restores:
            return []
        rows = self._session.fetch_all(
            "ledger/restores/holds",
            schema=self._subject["schema"],
            table=self._subject["table"],
            start=span.start,
            end=span.end,
        )
        return [Hold(Window(row.span_start, row.span_end), row.hold_until) for row in rows]

    def note(
        self,
        manifest: Manifest,
        bucket: str,
        order: RestoreOrder,
        target_oid: int,
        span: Window,
        rows: int,
        positions: str,
    ) -> datetime | None:
        """Note that an object's rows were put into the target, in their transaction; return the end of the hold."""
        row = self._session.fetch_one(
            "ledger/restores/note",
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
            positions=positions,
            run_id=self._run_id,
            hold_days=order.hold_days if order.into_itself and order.hold_days else None,
        )
        # As a number: a trigger may have changed how moments are written, which the driver need not understand.
        return datetime.fromtimestamp(row.hold_until, UTC) if row.hold_until is not None else None

    def find_before(self, manifest: Manifest, target: TableName, oid: int) -> Before:
        """Return what is noted of the object and this target, whatever bucket or prefix the object had then."""
        if not self._session.fetch_one("ledger/schema/schema_exists").restores:
            return Before()
        folder = table_folder("", self._order.client, self._order.table)
        _, _, name = manifest.data.key.rpartition(folder)
        found = self._session.fetch_one(
            "ledger/restores/before",
            **self._subject,
            tail=folder + name,
            name=name.rpartition("/")[2],
            target_schema=target.schema,
            target_table=target.name,
            target_oid=oid,
            run_id=self._run_id,
        )
        spans = tuple(Window(*each) for each in zip(found.starts or (), found.ends or (), strict=True))
        return Before(
            positions=tuple(found.positions or ()),
            own=tuple(found.own or ()),
            spans=spans,
            rows=found.rows,
            elsewhere=found.elsewhere,
        )

    def note_target(self, target: TableName, oid: int) -> None:
        """Note that a restore of this table made the target, in the same transaction."""
        self._session.execute("ledger/restores/note_target", **self._target(target, oid), run_id=self._run_id)

    def has_made(self, target: TableName, oid: int) -> bool:
        """Return whether a restore of this table made the target."""
        if not self._session.fetch_one("ledger/schema/schema_exists").restore_targets:
            return False
        return bool(self._session.fetch_one("ledger/restores/is_target", **self._target(target, oid)).made)

    def _target(self, target: TableName, oid: int) -> dict[str, object]:
        return {
            **self._subject,
            "target_schema": target.schema,
            "target_table": target.name,
            "target_oid": oid,
        }
