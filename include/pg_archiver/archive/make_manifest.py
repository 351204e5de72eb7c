"""The manifest of an object that was just exported."""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.domain.tables import Member, TableShape
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.window_generation import Generation
from pg_archiver.ledger.window_ledger import read_past
from pg_archiver.objects.manifest import (
    FORMAT,
    TOOL_VERSION,
    ColumnDescription,
    Manifest,
    ObjectDescription,
    ServerDescription,
    SubRange,
)
from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class Written:
    """What an export wrote: so many rows, the object, and the list of their identities or how many lie in each part."""

    rows: int
    data: ObjectDescription
    keys: ObjectDescription | None
    sub_ranges: tuple[SubRange, ...] | None


def describe_server(session: Session) -> ServerDescription:
    """Return where and when the snapshot of this transaction was taken."""
    server = session.fetch_one("archive/export/server")
    past = read_past(session)
    return ServerDescription(
        system_identifier=past.system_identifier,
        database=server.database,
        version=server.version,
        snapshot=server.snapshot,
        read_at=server.read_at,
        timeline=past.timeline,
    )


def make_manifest(
    order: WorkOrder,
    shape: TableShape,
    row: Generation,
    written: Written,
    found: dict[str, Member],
    server: ServerDescription,
) -> Manifest:
    """Return the description of what was written, for the ledger and to stand beside it.

    What there is not is left out, so that a reader of before finds what it knows.
    """
    listed = {} if written.keys is None else {"keys": written.keys}
    divided = {} if written.sub_ranges is None else {"sub_ranges": written.sub_ranges}
    return Manifest(
        format=FORMAT,
        tool_version=TOOL_VERSION,
        client=order.client,
        table_schema=order.table.schema,
        table=order.table.name,
        timestamp_column=order.timestamp_column,
        timestamp_kind=shape.timestamp_kind,
        timezone=order.timezone,
        cell_start=row.cell.start,
        cell_end=row.cell.end,
        span_start=row.span.start,
        span_end=row.span.end,
        generation=row.generation,
        run_id=order.run_id,
        columns=tuple(
            ColumnDescription(name=column.name, type=column.type, number=column.number) for column in shape.columns
        ),
        identity=shape.identity,
        identity_columns=shape.identity_columns,
        members=found,
        rows=written.rows,
        compression=order.compression,
        data=written.data,
        **listed,
        server=server,
        **divided,
        token=row.token,
    )
