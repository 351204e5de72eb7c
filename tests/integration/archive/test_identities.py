"""Tables with a key, with another key, with none at all, in parts: their rows are archived and deleted alike."""

from __future__ import annotations

from collections import Counter

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.domain.tables import RowIdentity
from pg_archiver.errors import Stopped, TableRefused
from pg_archiver.ledger.window_generation import State
from tests.support.place import Place, hours_ago

ROWS = 25
PARTITIONED = """
    CREATE TABLE public.things (number int, at timestamp NOT NULL, name text) PARTITION BY RANGE (at);
    CREATE TABLE public.things_old PARTITION OF public.things FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
    CREATE TABLE public.things_new PARTITION OF public.things FOR VALUES FROM ('2020-01-01') TO (MAXVALUE)
        PARTITION BY LIST (number);
    CREATE TABLE public.things_few PARTITION OF public.things_new FOR VALUES IN (1, 2, 3, 4, 5);
    CREATE TABLE public.things_rest PARTITION OF public.things_new DEFAULT
"""
SHAPES = {
    "primary key": (
        "CREATE TABLE public.things (number int PRIMARY KEY, at timestamp, name text)",
        RowIdentity.PRIMARY_KEY,
        ("number",),
    ),
    "composite key": (
        "CREATE TABLE public.things (number int, at timestamp, name text, PRIMARY KEY (name, number, at))",
        RowIdentity.PRIMARY_KEY,
        ("name", "number", "at"),
    ),
    "unique index": (
        "CREATE TABLE public.things (number int NOT NULL, at timestamp, name text NOT NULL);"
        "CREATE UNIQUE INDEX ON public.things (at);"
        "CREATE UNIQUE INDEX ON public.things (number, name)",
        RowIdentity.UNIQUE_INDEX,
        ("number", "name"),
    ),
    "unique index that includes another column": (
        "CREATE TABLE public.things (number int NOT NULL, at timestamp, name text);"
        "CREATE UNIQUE INDEX ON public.things (number) INCLUDE (name)",
        RowIdentity.UNIQUE_INDEX,
        ("number",),
    ),
    "no key": ("CREATE TABLE public.things (number int, at timestamp, name text)", RowIdentity.PLACE, ()),
    "only keys that do not serve": (
        "CREATE TABLE public.things (number int NOT NULL, at timestamp, name text NOT NULL,"
        "   UNIQUE (number) DEFERRABLE);"
        "CREATE UNIQUE INDEX ON public.things (name) WHERE number > 0;"
        "CREATE UNIQUE INDEX ON public.things (lower(name));"
        "CREATE UNIQUE INDEX ON public.things (at, name)",
        RowIdentity.PLACE,
        (),
    ),
    "partitions": (PARTITIONED, RowIdentity.PLACE, ()),
    "partitions with a key": (
        PARTITIONED + "; ALTER TABLE public.things ADD PRIMARY KEY (number, at)",
        RowIdentity.PRIMARY_KEY,
        ("number", "at"),
    ),
    "inherited": (
        "CREATE TABLE public.things (number int, at timestamp, name text);"
        "CREATE TABLE public.more_things () INHERITS (public.things);"
        "CREATE RULE elsewhere AS ON INSERT TO public.things WHERE NEW.number > 5"
        "   DO INSTEAD INSERT INTO public.more_things VALUES (NEW.*)",
        RowIdentity.PLACE,
        (),
    ),
    "unlogged": (
        "CREATE UNLOGGED TABLE public.things (number int PRIMARY KEY, at timestamp, name text)",
        RowIdentity.PRIMARY_KEY,
        ("number",),
    ),
}


def filled(place: Place, shape: str) -> Place:
    """Rows 1 to 25 in one hour that is due and one that is not; all of one transaction."""
    place.sql(SHAPES[shape][0])
    place.sql(
        "INSERT INTO public.things (number, at, name)"
        " SELECT number, %s + number * interval '1 minute', 'thing ' || number FROM generate_series(1, 25) AS number",
        hours_ago(60),
    )
    place.sql("INSERT INTO public.things (number, at, name) VALUES (100, %s, 'young')", hours_ago(1))
    return place.on("public.things", "at")


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_every_shape_of_table_are_archived_and_deleted(place: Place, shape: str) -> None:
    place = filled(place, shape)
    before = place.csv_of_table()
    window = place.stored_window()
    place.sql("UPDATE public.things SET name = 'changed' WHERE number = 17")
    place.sql("INSERT INTO public.things (number, at, name) VALUES (26, %s, 'late')", hours_ago(59.5))
    assert place.delete(window) == Deleted(ROWS - 1, 1)
    assert {row[0] for row in place.sql("SELECT name FROM public.things")} == {"young", "changed", "late"}
    (manifest,) = place.manifests()
    assert (manifest.identity, manifest.identity_columns) == SHAPES[shape][1:]
    assert place.archive() == [Deleted(2, 0)]
    changed = Counter({row: 1 for row in place.archived() if row[2] in {"changed", "late"}})
    assert place.archived() + place.csv_of_table() == before + changed


@pytest.mark.parametrize("shape", ["no key", "partitions", "inherited", "primary key"])
@pytest.mark.parametrize(
    "rewrite", ["VACUUM FULL {table}", "ALTER TABLE {table} ADD extra_ float8 DEFAULT random()", "TRUNCATE {table}"]
)
def test_a_table_rewritten_since_the_export_loses_nothing_and_is_exported_again(
    place: Place, shape: str, rewrite: str
) -> None:
    place = filled(place, shape)
    window = place.stored_window()
    place.sql("CREATE TABLE public.copy AS SELECT * FROM public.things")
    place.sql("DELETE FROM public.things WHERE number = 1")
    place.sql(rewrite.format(table="public.things"))
    if rewrite.startswith("TRUNCATE"):
        place.sql("INSERT INTO public.things SELECT * FROM public.copy WHERE number <> 1")
    before = place.live()
    assert place.delete(window) == Deleted(0, ROWS)
    assert place.live() == before
    assert place.ledger("state") == [(State.VOID,)]
    assert place.archive() == [Deleted(ROWS - 1, 0)]
    assert place.sql("SELECT name FROM public.things") == [("young",)]


def test_a_rewrite_between_two_tries_ends_the_generation_and_the_next_run_archives_the_rest(place: Place) -> None:
    place = filled(place, "no key")
    before = place.csv_of_table()
    window = place.stored_window()
    answers = iter([False, True])
    with pytest.raises(Stopped):
        place.delete(window, lambda: next(answers))
    place.sql("VACUUM FULL public.things")
    assert place.delete(window) == Deleted(10, 15)
    assert len(place.live()) == 16
    assert place.archive() == [Deleted(15, 0)]
    assert place.ledger("generation, state, rows, deleted_rows") == [
        (1, State.DELETED, 25, 10),
        (2, State.DELETED, 15, 15),
    ]
    assert set(place.archived() + place.csv_of_table()) == set(before)


def test_equal_rows_without_a_key_are_each_archived_and_deleted(place: Place) -> None:
    place.sql("CREATE TABLE public.things (at timestamp, name text)")
    place.sql("INSERT INTO public.things SELECT %s, 'same' FROM generate_series(1, 30)", hours_ago(60))
    place = place.on("public.things", "at")
    before = place.csv_of_table()
    assert place.archive() == [Deleted(30, 0)]
    assert place.archived() == before


def test_a_batch_of_a_table_without_a_key_takes_the_rows_of_its_own_places(place: Place) -> None:
    """All rows have the same version, since one transaction brought them."""
    place.sql("CREATE TABLE public.notes (at timestamp, number int)")
    place.sql("INSERT INTO public.notes SELECT %s, n FROM generate_series(1, 25) AS n", hours_ago(59.5))
    place = place.on("public.notes", "at")
    window = place.stored_window()
    left = iter([False])
    with pytest.raises(Stopped):
        place.delete(window, lambda: next(left, True))
    assert place.sql("SELECT number FROM public.notes ORDER BY 1") == [(number,) for number in range(11, 26)]
    assert place.ledger("deleted_upto, deleted_rows, kept_positions") == [(10, 10, [])]


def test_a_partition_detached_since_the_export_keeps_its_rows(place: Place) -> None:
    place = filled(place, "partitions")
    window = place.stored_window()
    place.sql("ALTER TABLE public.things_new DETACH PARTITION public.things_rest")
    place.delete(window)
    assert place.sql("SELECT count(*) FROM public.things_rest") == [(21,)]
    place.sql("ALTER TABLE public.things_new ATTACH PARTITION public.things_rest DEFAULT")
    place.archive()
    assert place.sql("SELECT name FROM public.things") == [("young",)]


def test_a_partition_added_since_the_export_changes_nothing(place: Place) -> None:
    place = filled(place, "partitions")
    window = place.stored_window()
    place.sql("CREATE TABLE public.things_more PARTITION OF public.things_new FOR VALUES IN (1000)")
    assert place.delete(window) == Deleted(ROWS, 0)


def test_a_column_added_since_the_export_loses_no_value(place: Place) -> None:
    place = filled(place, "primary key")
    window = place.stored_window()
    place.sql("ALTER TABLE public.things ADD COLUMN added text DEFAULT 'not in the object'")
    place.delete(window)
    assert len(place.live()) == ROWS + 1
    assert place.archive() == [Deleted(ROWS, 0)]
    assert place.manifests()[-1].columns[-1].name == "added"
    assert b"not in the object" in place.content(place.manifests()[-1])


def test_a_foreign_key_added_between_two_batches_stops_the_delete(place: Place) -> None:
    place = filled(place, "primary key")
    window = place.stored_window()
    answers = iter([False, True])

    def adding() -> bool:
        if next(answers):
            place.sql(
                "CREATE TABLE public.parts (number int REFERENCES public.things ON DELETE CASCADE);"
                "INSERT INTO public.parts VALUES (20)"
            )
        return False

    with pytest.raises(TableRefused, match=r"parts \(ON DELETE CASCADE\)"):
        place.delete(window, adding)
    assert len(place.live()) == ROWS + 1 - 10
    assert place.sql("SELECT number FROM public.parts") == [(20,)]
