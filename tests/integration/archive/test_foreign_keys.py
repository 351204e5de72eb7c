"""Foreign keys of every kind: several columns, other types, partitions, made since, unlisted, deferred, onto itself."""

from __future__ import annotations

import psycopg
import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.errors import TableRefused
from pg_archiver.ledger.window_generation import State
from tests.support.children import CLICK, Family, family, parent_of, waiting_delete
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.refusals import refused
from tests.support.restores import restored

pytestmark = [pytest.mark.more, pytest.mark.first_run]


@pytest.mark.parametrize("match", ["SIMPLE", "FULL"])
def test_keys_of_several_columns_hold_a_row_only_if_all_of_them_match(place: Place, match: str) -> None:
    place.sql(
        "CREATE TABLE public.things (a int, b text, at timestamp, UNIQUE (b, a));"
        "CREATE TABLE public.parts (x bigint, y varchar(9), CONSTRAINT part FOREIGN KEY (y, x)"
        f" REFERENCES public.things (b, a) MATCH {match} ON DELETE CASCADE)"
    )
    place.sql(
        "INSERT INTO public.things SELECT a, b, %s FROM (VALUES (1, 'x'), (1, 'y'), (2, 'x')) v (a, b)", hours_ago(60)
    )
    place.sql("INSERT INTO public.things VALUES (NULL, NULL, %s)", hours_ago(60))
    place.sql("INSERT INTO public.parts VALUES (1, 'x'), (NULL, NULL)")
    if match == "SIMPLE":
        place.sql("INSERT INTO public.parts VALUES (2, NULL), (NULL, 'y')")
    before = place.sql("SELECT * FROM public.parts")
    parent = parent_of(place.on("public.things", "at"), "public.parts")
    assert parent.archive() == [Deleted(3, 0)]
    assert place.sql("SELECT a, b FROM public.things") == [(1, "x")]
    assert place.sql("SELECT * FROM public.parts") == before


@pytest.mark.parametrize(
    ("own", "other"),
    [("ext.citext", "ext.citext"), ('text COLLATE "C"', 'text COLLATE "POSIX"'), ("numeric", "numeric")],
)
def test_rows_are_compared_as_the_foreign_key_compares_them(place: Place, own: str, other: str) -> None:
    place.sql("CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext")
    place.sql(
        f"CREATE TABLE public.things (name {own} PRIMARY KEY, at timestamp);"
        f"CREATE TABLE public.parts (name {other} REFERENCES public.things ON DELETE CASCADE)"
    )
    held, pointing = {"ext.citext": ("Abc", "aBC"), "numeric": ("1.0", "1.00")}.get(own, ("abc", "abc"))
    place.sql(f"INSERT INTO public.things VALUES ('{held}', %s), ('2', %s)", hours_ago(60), hours_ago(60))
    place.sql(f"INSERT INTO public.parts VALUES ('{pointing}')")
    parent = parent_of(place.on("public.things", "at"), "public.parts")
    assert parent.archive() == [Deleted(1, 0)]
    assert place.sql("SELECT name::text FROM public.things") == [(held,)]
    assert place.sql("SELECT name::text FROM public.parts") == [(pointing,)]


PARTITIONED = """
    CREATE TABLE public.things (id int, at timestamp, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE public.things_all PARTITION OF public.things DEFAULT;
    CREATE TABLE public.parts (id int, at timestamp) PARTITION BY LIST (id);
    CREATE TABLE public.parts_one PARTITION OF public.parts FOR VALUES IN (1);
    CREATE TABLE public.parts_rest PARTITION OF public.parts DEFAULT
"""


@pytest.mark.parametrize(
    ("child", "parent"),
    [("parts", "things"), ("parts_one", "things"), ("parts", "things_all"), ("parts_one", "things_all")],
)
def test_children_in_partitions_hold_rows_in_partitions(place: Place, child: str, parent: str) -> None:
    place.sql(PARTITIONED)
    place.sql(
        f"ALTER TABLE public.{child} ADD CONSTRAINT part FOREIGN KEY (id, at) REFERENCES public.{parent}"
        " ON DELETE CASCADE"
    )
    place.sql("INSERT INTO public.things SELECT number, %s FROM generate_series(1, 3) AS number", hours_ago(60))
    things = place.on("public.things", "at")
    refused(things, TableRefused, f"public.{child} (ON DELETE CASCADE)")
    both = Family(parent_of(things, "public.parts"), place.on("public.parts", "at"))
    statement = "INSERT INTO public.parts SELECT * FROM public.things WHERE id = 1"
    assert waiting_delete(both, statement) == Deleted(2, 1)
    assert place.sql("SELECT id FROM public.things") == place.sql("SELECT id FROM public.parts") == [(1,)]
    assert both.child.archive() == [Deleted(1, 0)]
    assert both.parent.archive() == [Deleted(1, 0)]


def test_a_foreign_key_made_since_the_export_is_seen_by_the_delete(place: Place) -> None:
    both = family(place)
    window = both.parent.stored_window()
    place.sql("CREATE TABLE public.late (event_id bigint REFERENCES analytics.events ON DELETE CASCADE)")
    place.sql("INSERT INTO public.late VALUES (1)")
    with pytest.raises(TableRefused, match=r"public\.late \(ON DELETE CASCADE\)"):
        both.parent.delete(window)
    place.sql(
        "ALTER TABLE public.late DROP CONSTRAINT late_event_id_fkey, ADD FOREIGN KEY (event_id)"
        " REFERENCES analytics.events"
    )
    assert both.parent.delete(window) == Deleted(2, 1)


@pytest.mark.parametrize("how", ["NO ACTION", "RESTRICT", "NO ACTION DEFERRABLE INITIALLY DEFERRED"])
def test_rows_with_unlisted_children_end_the_delete_clearly_and_wait_once_these_are_listed(
    place: Place, how: str
) -> None:
    both = family(place, how)
    window = place.stored_window()
    both.click(2)
    with pytest.raises(TableRefused, match="violates") as caught:
        place.delete(window)
    for words in ("of_event", "rows of analytics.clicks point to rows of analytics.events", "under 'children'"):
        assert words in str(caught.value)
    assert "=(2)" not in str(caught.value)
    assert (both.events, both.clicks) == ([1, 2, 3], [2])
    assert place.ledger("state, deleted_upto, deleted_rows") == [(State.STORED, 0, 0)]
    assert both.parent.delete(window) == Deleted(0, 3)
    assert both.parent.archive() == [Deleted(2, 0)]
    assert (both.events, both.clicks) == ([2], [2])


def test_a_deferred_foreign_key_that_is_checked_after_the_delete_fails_its_own_user(place: Place) -> None:
    both = family(place, "CASCADE DEFERRABLE INITIALLY DEFERRED", events=1)
    window = both.parent.stored_window()
    with both.parent.connect() as user:
        user.execute(CLICK, (1, hours_ago(1)))
        assert both.parent.delete(window) == Deleted(1, 0)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            user.commit()
    assert (both.events, both.clicks) == ([], [])


@pytest.mark.parametrize("action", ["CASCADE", "NO ACTION", "RESTRICT"])
def test_a_table_that_points_to_itself_goes_from_its_leaves(place: Place, action: str) -> None:
    place.sql(EVENTS)
    place.sql(f"ALTER TABLE analytics.events ADD parent bigint REFERENCES analytics.events ON DELETE {action}")
    place.sql("CREATE INDEX ON analytics.events (parent)")
    place.events(*(hours_ago(60 - number / 7) for number in range(1, 6)), hours_ago(1))
    for event, parent in ((1, 1), (3, 2), (4, 3), (6, 5)):
        place.sql("UPDATE analytics.events SET parent = %s WHERE id = %s", parent, event)
    rows = place.csv_of_table()
    listed = parent_of(place, "analytics.events")
    assert [listed.archive() for _ in range(4)] == [[Deleted(2, 0)], [Deleted(1, 0)], [Deleted(1, 0)], []]
    assert place.sql("SELECT id FROM analytics.events ORDER BY id") == [(5,), (6,)]
    assert place.archived() + place.csv_of_table() == rows
    assert restored(listed).failures == []
    assert place.csv_of_table() == rows


def test_a_table_that_points_to_itself_and_is_not_listed_loses_nothing(place: Place) -> None:
    place.sql(EVENTS)
    place.sql("ALTER TABLE analytics.events ADD parent bigint REFERENCES analytics.events")
    place.events(hours_ago(60.2), hours_ago(60.1), hours_ago(50.2), hours_ago(1))
    place.sql("UPDATE analytics.events SET parent = 1 WHERE id = 2")
    place.sql("UPDATE analytics.events SET parent = 3 WHERE id = 4")
    first, second = place.windows()
    for window in (first, second):
        place.export(window)
        place.check(window)
    assert place.delete(first) == Deleted(2, 0)
    with pytest.raises(TableRefused, match=r"list analytics\.events under 'children' of analytics\.events"):
        place.delete(second)
    assert place.sql("SELECT id FROM analytics.events ORDER BY id") == [(3,), (4,)]
    assert place.ledger("state, deleted_rows") == [(State.DELETED, 2), (State.STORED, 0)]
