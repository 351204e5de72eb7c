"""What a table takes up, how much of it could be given back, and what stands in the way: asked of the server.

What a rewrite would leave is worked out from the live rows and their length, page by page, because rows do not fill
pages to the end; so a table that was just rewritten shows nothing to give back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pg_archiver.domain.sizes import Sizes
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import DatabaseRefused
from pg_archiver.maintenance.inspection import IndexCondition, Inspection, Method, TablePart
from pg_archiver.maintenance.rewritten_size import (
    LINE_POINTER,
    PAGE_HEADER,
    StoredColumn,
    btree_bytes,
    heap_bytes,
    row_bytes,
)
from pg_archiver.postgres.catalog import require_table
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.snapshot_holders import find_holders

_ORDINARY, _PARTITIONED = "r", "p"
# A chunk of TOAST fills a quarter of a page, unless it is a value's last.
_TOAST_ROW = 2_032
_FREE_SPACE_STEP = 32
# How full the pages of a fresh b-tree are.
_LEAF_FILL = 0.9


def measure_table(session: Session, table: TableName, timestamp_column: str, *, thorough: bool = True) -> Inspection:
    """Return everything to know before something is done about the table's dead space.

    Where it need not be `thorough`, it asks for statistics alone, and reads no table and no index.

    Raises:
        TableRefused: there is no such table.
    """
    found = require_table(session, table)
    functions = _find_functions(session) if thorough else {}
    rows = session.fetch_all("maintenance/inspect/parts", oid=found.oid)
    parts = tuple(_part(session, row, functions, timestamp_column) for row in rows)
    indexes = (
        [index for part in parts for index in part.indexes]
        if found.kind == _ORDINARY
        else _indexes(session, found.oid, timestamp_column)
    )
    leading = sorted(index.name.name for index in indexes if index.valid and index.leads)
    notes = []
    if not session.fetch_one("maintenance/inspect/sees_others").granted:
        notes.append(
            "this role cannot see how old other users' transactions are. Fix: grant it pg_read_all_stats to learn "
            "what holds VACUUM back"
        )
    return Inspection(
        table=table,
        partitioned=found.kind == _PARTITIONED,
        parts=parts,
        method=_method(functions),
        timestamp_index=leading[0] if leading else None,
        holders=find_holders(session),
        running=tuple(
            f"{row.command} of {row.name} by pid {row.pid}: {row.phase}"
            for row in session.fetch_all("maintenance/inspect/running", oids=[row.oid for row in rows])
        ),
        notes=tuple(notes),
    )


def measure_heap(session: Session, oid: int, *, with_indexes: bool) -> TablePart | None:
    """Measure one table with a file of its own, by the same arithmetic as `measure_table`; None if it is gone.

    Without its indexes none of them is read, and the part has none.
    """
    rows = [row for row in session.fetch_all("maintenance/inspect/parts", oid=oid) if row.oid == oid]
    return _part(session, rows[0], _find_functions(session), "", with_indexes=with_indexes) if rows else None


def refuse_without_rights(found: Inspection) -> None:
    """Make sure that the role may maintain the table and all its parts: the server itself would only warn.

    Raises:
        DatabaseRefused: it may not.
    """
    for part in found.parts:
        if not part.may_maintain:
            raise DatabaseRefused(
                f"the role of the Airflow connection may not maintain {part.table}. Fix: grant it the role of the "
                f"table's owner {part.owner}, or, from Postgres 17 on, MAINTAIN on the table"
            )


def measure_sizes(session: Session, table: TableName) -> Sizes:
    """Return what the table and its parts take up right now."""
    rows = session.fetch_all("maintenance/inspect/parts", oid=require_table(session, table).oid)
    return sum((_sizes(row) for row in rows), Sizes())


def _find_functions(session: Session) -> dict[str, TableName]:
    installed = session.fetch_all("maintenance/inspect/functions")
    return {row.name: TableName(row.schema, row.name) for row in installed}


def _sizes(row: Row) -> Sizes:
    return Sizes(int(row.heap_bytes), int(row.index_bytes), int(row.toast_bytes))


def _method(functions: Mapping[str, TableName]) -> Method:
    if {"pgstattuple_approx", "pgstatindex"} <= functions.keys():
        return Method.MEASURED
    return Method.FREE_SPACE_MAP if "pg_freespace" in functions else Method.STATISTICS


@dataclass(frozen=True)
class _Rows:
    """The rows of a heap: how many live and dead versions, and how long a live one is on average, None if unknown.

    `sure` where they were seen, so that none means none.
    """

    live: int
    dead: int
    length: float | None
    sure: bool = False


def _part(
    session: Session,
    row: Row,
    functions: Mapping[str, TableName],
    timestamp_column: str,
    *,
    with_indexes: bool = True,
) -> TablePart:
    sizes, main = _sizes(row), int(row.main_bytes)
    stored = _stored(row.columns)
    length = None if stored is None else row_bytes(stored)
    heap = _rows(session, row.oid, main, row.block_size, _counted(row.live, row.dead, row.counted, length), functions)
    toast_free = 0
    if row.toast_oid:
        counted = _counted(row.toast_live, row.toast_dead, row.toast_counted, float(_TOAST_ROW))
        toast = _rows(session, row.toast_oid, int(row.toast_heap_bytes), row.block_size, counted, functions)
        kept = _fresh_heap(toast, int(row.toast_heap_bytes), row.block_size, 100)
        toast_free = round(sizes.toast * (1 - kept / row.toast_heap_bytes)) if row.toast_heap_bytes else 0
    indexes = tuple(_indexes(session, row.oid, timestamp_column, functions, heap)) if with_indexes else ()
    heap_free = main - _fresh_heap(heap, main, row.block_size, row.fill_factor)
    return TablePart(
        oid=row.oid,
        table=TableName(row.schema, row.name),
        sizes=sizes,
        free=Sizes(heap_free, sum(index.free for index in indexes), toast_free),
        live=heap.live,
        dead=heap.dead,
        may_maintain=row.may_maintain,
        owner=row.owner,
        indexes=indexes,
        is_known=heap.length is not None or not heap.live,
    )


def _stored(columns: list[list[Any]] | None) -> list[StoredColumn] | None:
    """Return how the columns are stored; None where the statistics lack one of them."""
    if not columns or any(width is None for _, _, width, _ in columns):
        return None
    return [StoredColumn(length, alignment, width, nulls) for length, alignment, width, nulls in columns]


def _counted(live: int, dead: int, counted: int, width: float | None) -> _Rows:
    """Return the rows by the statistics; a server that crashed has only the count of the last ANALYZE."""
    return _Rows(live, dead, width) if live + dead else _Rows(counted, 0, width)


def _rows(
    session: Session, oid: int, size: int, block_size: int, counted: _Rows, functions: Mapping[str, TableName]
) -> _Rows:
    method = _method(functions)
    if method is Method.MEASURED:
        found = session.fetch_one(
            "maintenance/inspect/measured", {"function": functions["pgstattuple_approx"]}, oid=oid
        )
        # Of pages that the visibility map vouches for it takes all that the free space map does not call free, which
        # counts in steps of 32 bytes, for rows: with the page's header and their line pointers.
        unread = (1 - found.scanned_share) * size / block_size
        pointers = LINE_POINTER * found.scanned_share
        taken = max(0, found.live_bytes - unread * (PAGE_HEADER + _FREE_SPACE_STEP / 2))
        length = taken / found.live + pointers if found.live else None
        return _Rows(found.live, found.dead, length, sure=True)
    if method is Method.FREE_SPACE_MAP:
        free = session.fetch_one(
            "maintenance/inspect/free_space", {"function": functions["pg_freespace"]}, oid=oid
        ).free
        versions = counted.live + counted.dead
        return _Rows(counted.live, counted.dead, max(0, size - free) / versions if versions else None)
    return counted


def _fresh_heap(rows: _Rows, size: int, block_size: int, fill_factor: int) -> int:
    """Return the bytes that the live rows take up after a rewrite, never more than now."""
    if not rows.live:
        # Statistics that know of no row, dead or alive, may be statistics that know nothing.
        return 0 if rows.dead or rows.sure else size
    if not rows.length:
        # Never analyzed: then a dead row is taken to be as long as a live one.
        return round(size * rows.live / (rows.live + rows.dead))
    return min(size, heap_bytes(rows.live, rows.length, block_size, fill_factor))


def _indexes(
    session: Session,
    oid: int,
    timestamp_column: str,
    functions: Mapping[str, TableName] | None = None,
    heap: _Rows | None = None,
) -> list[IndexCondition]:
    return [
        IndexCondition(
            oid=row.oid,
            name=TableName(row.schema, row.name),
            size=int(row.bytes),
            fresh=_fresh_index(session, row, functions or {}, heap),
            valid=row.valid,
            method=row.method,
            leads=row.leads,
            is_exclusion=row.is_exclusion,
        )
        for row in session.fetch_all("maintenance/inspect/indexes", oid=oid, column=timestamp_column)
    ]


def _fresh_index(session: Session, row: Row, functions: Mapping[str, TableName], heap: _Rows | None) -> int | None:
    """Return the bytes of a b-tree that is built anew; entries of dead rows are in it until VACUUM removes them."""
    if row.method != "btree" or not row.valid or heap is None:
        return None
    if "pgstatindex" in functions:
        found = session.fetch_one(
            "maintenance/inspect/index_density", {"function": functions["pgstatindex"]}, oid=row.oid
        )
        share = heap.live / (heap.live + heap.dead) if heap.live + heap.dead else 0.0
        kept: float = found.leaves * row.block_size * min(1.0, found.density / 100 / _LEAF_FILL) * share
        return min(int(row.bytes), round(kept) + 2 * int(row.block_size))
    stored = _stored(row.columns)
    if stored is None:
        return None
    entries = int(row.entries) if row.is_partial else heap.live
    return min(int(row.bytes), btree_bytes(entries, stored, row.block_size, row.fill_factor))
