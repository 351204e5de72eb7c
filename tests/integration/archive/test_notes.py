"""What an operator should know before rows go: it is in the plan, and stops nothing."""

from __future__ import annotations

import pytest

from pg_archiver.archive.delete import Deleted
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import restored

TRIGGERS = """
    CREATE FUNCTION public.passes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
    CREATE FUNCTION public.keeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER on_row AFTER DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.passes();
    CREATE TRIGGER on_statement AFTER INSERT OR DELETE ON analytics.events EXECUTE FUNCTION public.passes();
    CREATE TRIGGER on_insert AFTER INSERT ON analytics.events EXECUTE FUNCTION public.passes();
    CREATE TRIGGER switched_off AFTER DELETE ON analytics.events EXECUTE FUNCTION public.passes();
    ALTER TABLE analytics.events DISABLE TRIGGER switched_off
"""


def filled(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    return place


def test_a_plain_table_has_no_notes(place: Place) -> None:
    assert filled(place).plan().notes == ()


def test_delete_triggers_are_named_and_others_are_not(place: Place) -> None:
    filled(place)
    place.sql(TRIGGERS)
    assert place.plan().notes == ("delete triggers fire: on_row, on_statement",)
    assert place.archive() == [Deleted(1, 0)]


def test_rows_that_a_trigger_keeps_are_counted_as_kept(place: Place) -> None:
    filled(place)
    place.sql(TRIGGERS)
    place.sql("CREATE TRIGGER keeping BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.keeps()")
    assert place.archive() == [Deleted(0, 1)]
    assert len(place.live()) == 1


def test_publications_that_carry_deletes_are_named(place: Place) -> None:
    filled(place)
    place.sql("CREATE PUBLICATION everything FOR ALL TABLES")
    place.sql("CREATE PUBLICATION these FOR TABLE analytics.events")
    place.sql("CREATE PUBLICATION inserts FOR TABLE analytics.events WITH (publish = 'insert')")
    assert place.plan().notes == ("subscribers get the deletes: everything, these",)
    assert place.archive() == [Deleted(1, 0)]


@pytest.mark.parametrize(
    "index",
    [
        "",
        "CREATE INDEX ON analytics.events (name, triggered_at)",
        "CREATE INDEX ON analytics.events (triggered_at) WHERE id > 0",
        "CREATE INDEX ON analytics.events USING brin (triggered_at timestamp_bloom_ops)",
        "CREATE INDEX ON analytics.events (date_trunc('hour', triggered_at))",
    ],
)
def test_a_table_without_an_index_that_serves_is_told_and_archived_all_the_same(place: Place, index: str) -> None:
    filled(place)
    place.sql("DROP INDEX analytics.events_triggered_at")
    if index:
        place.sql(index)
    (note,) = place.plan().notes
    assert "no valid index begins with triggered_at" in note
    assert "CREATE INDEX CONCURRENTLY" in note
    assert place.archive() == [Deleted(1, 0)]


def test_a_brin_index_is_told_with_what_it_cannot_do(place: Place) -> None:
    filled(place)
    place.sql("DROP INDEX analytics.events_triggered_at")
    place.sql("CREATE INDEX small ON analytics.events USING brin (name, triggered_at timestamp_minmax_multi_ops)")
    (note,) = place.plan().notes
    assert "by the BRIN index small a window's rows are found" in note
    assert "every plan reads the whole table" in note
    assert place.archive() == [Deleted(1, 0)]


def test_a_unique_index_in_the_place_of_a_primary_key_is_told(place: Place) -> None:
    place.sql("CREATE TABLE public.slots (slot int NOT NULL UNIQUE, at timestamp)")
    place.sql("CREATE INDEX ON public.slots (at)")
    place.sql("INSERT INTO public.slots VALUES (7, %s)", hours_ago(60))
    place = place.on("public.slots", "at")
    (note,) = place.plan().notes
    assert "distinguished by the unique index over slot: where one of its values is used again" in note
    place.archive()
    place.sql("INSERT INTO public.slots VALUES (7, %s)", hours_ago(55))
    place.archive()
    found = restored(place)
    assert (found.restored, found.superseded) == (1, 1)
    assert any("used more than once" in told for told in found.notes)
