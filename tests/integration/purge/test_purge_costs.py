"""What a purge reads: each old row a few times, however many batches there are and whatever others hold open."""

from __future__ import annotations

import pytest

from tests.support.place import Place
from tests.support.purges import Purges

ROWS, BATCH = 4000, 20
MADE = f"""
    CREATE TABLE public.notes (id int, at timestamptz NOT NULL, note text);
    INSERT INTO public.notes SELECT n, '2024-01-01'::timestamptz + n * interval '1 second', repeat('x', 200)
    FROM generate_series(1, {ROWS}) AS n
"""
FLUSH = "SELECT pg_stat_force_next_flush()"


def read(place: Place) -> tuple[int, int]:
    """How many entries of the index, and how many rows in scans of the whole table."""
    place.sql(FLUSH)
    ((entries,),) = place.sql(
        "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE indexrelname = 'notes_at'"
    )
    ((scanned,),) = place.sql("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'notes'")
    return int(entries), int(scanned)


@pytest.mark.parametrize("snapshot", [False, True], ids=["alone", "beside an old snapshot"])
def test_the_index_is_not_read_from_its_beginning_for_each_batch(place: Place, snapshot: bool) -> None:
    purges = Purges.of(place, made=f"{MADE}; CREATE INDEX notes_at ON public.notes (at); ANALYZE public.notes")
    entries, scans = read(place)
    with place.connect() as user:
        if snapshot:
            user.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.counted")
        assert purges.purge(batch_size=BATCH).rows == ROWS
    after_entries, after_scans = read(place)
    # Once to delete it, once more for those that came late, and a little each time that a batch begins.
    assert after_entries - entries < 5 * ROWS
    assert after_scans - scans < 20


def test_a_table_without_an_index_is_not_read_for_each_batch(place: Place) -> None:
    purges = Purges.of(place, made=MADE)
    _, scans = read(place)
    result = purges.purge(batch_size=BATCH)
    assert result.rows == ROWS
    assert "no valid index begins with at" in result.told
    assert read(place)[1] - scans < 20


def test_parts_of_a_table_that_hold_no_row_of_a_batch_are_not_looked_at(place: Place) -> None:
    """A role that owns none of a hundred partitions deletes in batches: each probes the few that hold its rows."""
    place.sql(
        "CREATE TABLE public.notes (id int, at date NOT NULL) PARTITION BY RANGE (at);"
        "SELECT format('CREATE TABLE public.p%s PARTITION OF public.notes FOR VALUES FROM (%L) TO (%L)', n,"
        " date '2024-01-01' + n, date '2024-01-02' + n) FROM generate_series(0, 59) AS n"
    )
    for number in range(60):
        place.sql(
            f"CREATE TABLE public.p{number} PARTITION OF public.notes FOR VALUES FROM"
            f" (date '2024-01-01' + {number}) TO (date '2024-01-02' + {number})"
        )
    place.sql("INSERT INTO public.notes SELECT n, date '2024-01-01' + n % 60 FROM generate_series(1, 600) AS n")
    purges = Purges.of(place, made="SELECT 1")
    place.sql(f"{FLUSH}; SELECT pg_stat_reset()")
    assert purges.purge(batch_size=10, drop_partitions=False).rows == 600
    place.sql(FLUSH)
    # A row is fetched by its place to lock it and to delete it, in its own part alone.
    ((fetched,),) = place.sql(
        "SELECT sum(heap_blks_read + heap_blks_hit) FROM pg_statio_user_tables WHERE relname LIKE 'p%'"
    )
    assert fetched < 600 * 15
