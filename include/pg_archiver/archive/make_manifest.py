"""The manifest of an object that was just exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pg_archiver.domain.tables import Member, TableShape
from pg_archiver.domain.windows import Window
from pg_archiver.domain.work import WorkOrder
from pg_archiver.ledger.server_past import read_past
from pg_archiver.ledger.window_generation import Generation
from pg_archiver.objects.manifest import (
    FORMAT,
    TOOL_VERSION,
    ColumnDescription,
    Manifest,
    ObjectDescription,
    ServerDescription,
    SubRange,
)
from pg_archiver.postgres.catalog_look import list_documents, members_of, spans_of
from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class Written:
    """What an export wrote: so many rows, the object, and the list of their identities or how many lie in each part."""

    rows: int
    data: ObjectDescription
    keys: ObjectDescription | None
    sub_ranges: tuple[SubRange, ...] | None


def describe_snapshot(
    session: Session, shape: TableShape, spans: Sequence[Window]
) -> tuple[ServerDescription, list[dict[str, Member]]]:
    """Return where and when the snapshot of this transaction was taken, and the parts of the table for each window."""
    values: dict[str, object] = {"oid": shape.oid, "column": shape.timestamp_column, **spans_of(spans)}
    found = session.fetch_one("archive/export/snapshot", **values)
    past = read_past(session)
    server = ServerDescription(
        system_identifier=past.system_identifier,
        database=found.database,
        version=found.version,
        snapshot=found.snapshot,
        read_at=found.read_at,
        timeline=past.timeline,
    )
    return server, members_of(list_documents(found.parts), len(spans))


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
