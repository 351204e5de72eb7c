"""The size of a table and a b-tree that are written anew: rows and pages as Postgres lays them out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.maintenance.rewritten_size import StoredColumn, btree_bytes, heap_bytes, row_bytes

PAGE = 8192
BIGINT, TIMESTAMP = StoredColumn(8, "d", 8.0), StoredColumn(8, "d", 8.0)
INT, BOOLEAN = StoredColumn(4, "i", 4.0), StoredColumn(1, "c", 1.0)


def text(width: float, null_share: float = 0.0) -> StoredColumn:
    return StoredColumn(-1, "i", width, null_share)


COLUMNS = st.lists(
    st.one_of(
        st.sampled_from([BIGINT, INT, BOOLEAN]),
        st.builds(text, st.floats(1, 2000), st.floats(0, 1)),
    ),
    min_size=1,
    max_size=30,
)


def test_a_row_is_its_header_its_values_and_a_pointer() -> None:
    assert row_bytes([BIGINT, TIMESTAMP]) == 24 + 16 + 4


def test_a_value_begins_where_its_type_is_aligned_and_a_row_at_every_eighth_byte() -> None:
    assert row_bytes([INT, TIMESTAMP, INT]) == 24 + 4 + 4 + 8 + 4 + 4 + 4
    assert row_bytes([BIGINT, BOOLEAN]) == 24 + 8 + 8 + 4


def test_nulls_take_nothing_but_a_bit() -> None:
    assert row_bytes([BIGINT, StoredColumn(8, "d", 8.0, null_share=1.0)]) == 24 + 8 + 4
    eight, nine = ([StoredColumn(8, "d", 8.0, null_share=0.5)] * columns for columns in (8, 9))
    assert row_bytes(nine) - row_bytes(eight) == 8 + 8  # a value, and the bitmap's second byte makes a longer header


def test_pages_hold_whole_rows_as_far_as_the_fill_factor_lets_them() -> None:
    assert heap_bytes(185, 44, PAGE, 100) == PAGE
    assert heap_bytes(186, 44, PAGE, 100) == 2 * PAGE
    assert heap_bytes(92, 44, PAGE, 50) == PAGE
    assert heap_bytes(3, 20_000, PAGE, 100) == 3 * PAGE
    assert heap_bytes(0, 44, PAGE, 100) == 0


def test_a_b_tree_has_an_entry_a_row_and_two_pages_besides() -> None:
    assert btree_bytes(1000, [BIGINT], PAGE, 90) == round(1000 * 20 / 0.9) + 2 * PAGE
    assert btree_bytes(1000, [INT, BIGINT], PAGE, 100) == 1000 * 28 + 2 * PAGE


@given(columns=COLUMNS, rows=st.integers(0, 10**9), fill_factor=st.integers(10, 100))
def test_more_rows_or_emptier_pages_never_take_less(columns: list[StoredColumn], rows: int, fill_factor: int) -> None:
    length = row_bytes(columns)
    assert length >= 24 + 4 + sum(column.width * (1 - column.null_share) for column in columns)
    size = heap_bytes(rows, length, PAGE, fill_factor)
    assert size % PAGE == 0
    assert size >= rows * min(length, PAGE - 24) * 0.999 - PAGE
    assert heap_bytes(rows + 1, length, PAGE, fill_factor) >= size
    assert heap_bytes(rows, length, PAGE, 100) <= size
    assert btree_bytes(rows, columns, PAGE, fill_factor) >= btree_bytes(rows, columns, PAGE, 100)
