"""How large a table or a b-tree would be if it were written anew: arithmetic on rows and pages. No I/O.

The layout is Postgres's own (storage/bufpage.h, access/htup_details.h, access/itup.h). Values of varying length are
taken at their average; beside them a row's end is padded by half of what alignment may take at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

PAGE_HEADER = 24
LINE_POINTER = 4
_ROW_HEADER = 23
_INDEX_ROW_HEADER = 8
_INDEX_META_PAGES = 2
_ALIGNMENT = 8
_MEAN_PADDING = 3.5
_ALIGNMENT_OF = {"c": 1, "s": 2, "i": 4, "d": 8}


@dataclass(frozen=True)
class StoredColumn:
    """How a column is stored: its fixed length or -1, `pg_attribute.attalign`, its average width, its share of NULLs.

    Widths are in bytes and without NULLs, as `pg_stats` has them.
    """

    length: int
    alignment: str
    width: float
    null_share: float = 0.0


def row_bytes(columns: Sequence[StoredColumn]) -> float:
    """Return what an average row takes up on a page, with its header and line pointer."""
    has_nulls = any(column.null_share for column in columns)
    header = _align(_ROW_HEADER + (ceil(len(columns) / 8) if has_nulls else 0))
    return header + _data_bytes(columns) + LINE_POINTER


def heap_bytes(rows: int, length: float, block_size: int, fill_factor: int) -> int:
    """Return the size of a heap that holds so many rows of this length, line pointer included, and nothing else."""
    fits = max(1, int((block_size - PAGE_HEADER) * fill_factor / 100 / length))
    return -(-rows // fits) * block_size


def btree_bytes(entries: int, columns: Sequence[StoredColumn], block_size: int, fill_factor: int) -> int:
    """Return the size of a b-tree of so many entries; duplicates, which share an entry, would take less."""
    entry = _INDEX_ROW_HEADER + _data_bytes(columns) + LINE_POINTER
    return round(entries * entry * 100 / fill_factor) + _INDEX_META_PAGES * block_size


def _data_bytes(columns: Sequence[StoredColumn]) -> float:
    """Return the length of the values one after the other, the end aligned; no value of varying length is aligned."""
    position, varies = 0.0, False
    for column in columns:
        if column.null_share == 1:
            continue
        if column.length > 0:
            position = _align(position, _ALIGNMENT_OF[column.alignment])
        position += column.width * (1 - column.null_share)
        varies = varies or column.length < 0 or column.null_share > 0
    return position + _MEAN_PADDING if varies else _align(position)


def _align(position: float, alignment: int = _ALIGNMENT) -> float:
    return ceil(position / alignment) * alignment
