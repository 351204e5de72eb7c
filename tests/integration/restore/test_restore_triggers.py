"""Triggers that change what comes in, or keep it out: named, and compared with what was archived."""

from __future__ import annotations

import pytest

from pg_archiver.errors import TableRefused, Unfinished
from pg_archiver.restore.result import Restored
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, remembered, restored

KEYS = pytest.mark.parametrize("key", ["id int PRIMARY KEY,", "id int,"], ids=["key", "no key"])


def things(place: Place, key: str, rows: int = 10) -> Place:
    place.sql(f"CREATE TABLE public.things ({key} at timestamp, note text)")
    place = place.on("public.things", "at")
    place.sql(f"INSERT INTO public.things SELECT n, %s, 'n ' || n FROM generate_series(1, {rows}) n", hours_ago(60))
    remembered(place)
    place.archive()
    return place


def trigger(place: Place, body: str, when: str = "BEFORE INSERT", table: str = "public.things") -> None:
    place.sql(
        f"CREATE FUNCTION public.changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        f"CREATE TRIGGER changes {when} ON {table} FOR EACH ROW EXECUTE FUNCTION public.changes()"
    )


def refusal(result: Restored) -> str:
    with pytest.raises(Unfinished) as caught:
        result.refuse_failures()
    return str(caught.value)


@KEYS
def test_a_trigger_that_stamps_rows_keeps_them_out_and_is_named(place: Place, key: str) -> None:
    place = things(place, key)
    trigger(place, "NEW.at := now(); RETURN NEW;")
    result = restored(place)
    assert (result.restored, result.refused) == (0, 10)
    assert "triggers would change it on its way in: changes" in refusal(result)
    assert "insert triggers fire: changes" in result.notes
    assert place.live().total() == 0
    place.sql("ALTER TABLE public.things DISABLE TRIGGER changes")
    assert restored(place).restored == 10
    assert differences(place) == []


@KEYS
def test_of_rows_that_a_trigger_changes_only_those_stay_out(place: Place, key: str) -> None:
    place = things(place, key)
    trigger(place, "IF NEW.id IN (3, 7) THEN NEW.note := 'changed'; END IF; RETURN NEW;")
    result = restored(place)
    assert (result.restored, result.refused) == (8, 2)
    assert "rows 3, 7: triggers would change it" in refusal(result)
    place.sql("DROP TRIGGER changes ON public.things")
    assert restored(place).restored == 2
    assert differences(place) == []


@KEYS
def test_rows_that_a_trigger_keeps_out_are_told_and_not_noted_as_restored(place: Place, key: str) -> None:
    place = things(place, key)
    trigger(place, "IF NEW.id IN (3, 7) THEN RETURN NULL; END IF; RETURN NEW;")
    result = restored(place)
    assert (result.restored, result.refused) == (8, 2)
    assert "rows 3, 7: triggers keep it out: changes" in refusal(result)
    place.sql("DROP TRIGGER changes ON public.things")
    again = restored(place)
    assert again.restored == 2
    assert differences(place) == []


@KEYS
def test_a_trigger_that_puts_rows_into_a_child_brings_them_back(place: Place, key: str) -> None:
    """Partitions as they were made before the server had any."""
    place = things(place, key)
    place.sql("CREATE TABLE public.heir () INHERITS (public.things)")
    trigger(place, "INSERT INTO public.heir VALUES (NEW.*); RETURN NULL;")
    result = restored(place)
    assert (result.restored, result.refused, result.failures) == (10, 0, [])
    assert differences(place) == []
    assert restored(place).restored == 0
    assert differences(place) == []


def test_a_partition_s_own_trigger_is_seen(place: Place) -> None:
    place.sql("CREATE TABLE public.things (id int, at timestamp, note text) PARTITION BY RANGE (at)")
    place.sql("CREATE TABLE public.part PARTITION OF public.things DEFAULT")
    place = place.on("public.things", "at")
    place.sql("INSERT INTO public.things VALUES (1, %s, 'one')", hours_ago(60))
    place.archive()
    trigger(place, "NEW.note := 'changed'; RETURN NEW;", table="public.part")
    result = restored(place)
    assert (result.restored, result.refused) == (0, 1)
    assert "insert triggers fire: changes" in result.notes


def test_a_trigger_for_updates_that_changes_what_newest_replaces_is_named(place: Place) -> None:
    place = things(place, "id int PRIMARY KEY,")
    place.sql("INSERT INTO public.things VALUES (3, %s, 'older')", hours_ago(70))
    trigger(place, "NEW.note := 'changed'; RETURN NEW;", when="BEFORE UPDATE")
    result = restored(place, on_conflict="newest")
    assert (result.restored, result.refused) == (9, 1)
    assert "update triggers fire: changes" in result.notes
    assert place.sql("SELECT note FROM public.things WHERE id = 3") == [("older",)]


def test_a_rule_on_inserts_is_refused_by_its_name_before_anything_is_restored(place: Place) -> None:
    place = things(place, "id int,")
    place.sql("CREATE RULE nothing AS ON INSERT TO public.things WHERE NEW.id = 3 DO INSTEAD NOTHING")
    with pytest.raises(TableRefused, match=r"rules change what becomes of rows inserted into public\.things: nothing"):
        restored(place)
    assert place.live().total() == 0
    assert restored(place, into="public.copy").restored == 10


def test_a_column_that_the_table_generates_otherwise_than_it_did_is_told(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, n int GENERATED ALWAYS AS (id * 2) STORED)"
    )
    place = place.on("public.things", "at")
    place.sql("INSERT INTO public.things VALUES (1, %s), (2, %s)", hours_ago(60), hours_ago(60))
    place.archive()
    place.sql("ALTER TABLE public.things DROP n, ADD n int GENERATED ALWAYS AS (id * 3) STORED")
    result = restored(place)
    assert (result.restored, result.failures) == (2, [])
    assert [note for note in result.notes if "the table generates n anew, and in 2 rows otherwise" in note]


@KEYS
def test_a_trigger_that_changes_the_session_s_time_zone_brings_nothing_twice(place: Place, key: str) -> None:
    place = things(place, key)
    trigger(place, "PERFORM set_config('TimeZone', 'Asia/Tokyo', false), set_config('DateStyle', 'German', false);"
                   " RETURN NEW;")  # fmt: skip
    assert restored(place, hours_ago(61), hours_ago(59)).restored == 10
    assert restored(place, hours_ago(61), hours_ago(59)).restored == 0
    assert differences(place) == []
