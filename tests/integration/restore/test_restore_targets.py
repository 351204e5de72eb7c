"""Into which table: the one the rows came from, whatever became of its columns since, or a new one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pg_archiver.errors import TableRefused, Unfinished
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, events, keyless, remembered, restored


def archived(place: Place) -> Place:
    place = events(place, rows=5)
    place.archive()
    return place


def test_a_column_added_since_gets_its_default(place: Place) -> None:
    archived(place)
    place.sql("ALTER TABLE analytics.events ADD COLUMN note text NOT NULL DEFAULT 'new'")
    assert restored(place).restored == 5
    place.sql("ALTER TABLE public.before ADD COLUMN note text DEFAULT 'new'")
    assert differences(place) == []


@pytest.mark.parametrize("column", ["data", "triggered_at", "id"])
def test_a_column_dropped_since_is_an_error_unless_it_is_to_be_ignored(place: Place, column: str) -> None:
    archived(place)
    place.sql(f"ALTER TABLE analytics.events DROP COLUMN {column}")
    with pytest.raises(TableRefused, match=f"no column '{column}' any more"):
        restored(place)
    assert place.live().total() == 0
    assert restored(place, hours_ago(60), hours_ago(59), ignore_missing_columns=True).restored == 5
    place.sql(f"ALTER TABLE public.before DROP COLUMN {column}")
    assert differences(place) == []


def test_a_key_added_since_says_nothing_of_older_rows(place: Place) -> None:
    place = keyless(place)
    place.archive()
    place.sql("ALTER TABLE public.notes ADD COLUMN id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    assert restored(place).restored == 20
    assert restored(place).already == 20
    place.sql("ALTER TABLE public.notes DROP COLUMN id")
    assert differences(place) == []


def test_a_new_table_gets_the_columns_dropped_since_too(place: Place) -> None:
    archived(place)
    place.sql("ALTER TABLE analytics.events DROP COLUMN data")
    assert restored(place, into="public.copy").restored == 5
    place.sql("CREATE VIEW public.sorted AS SELECT id, triggered_at, name, data FROM public.copy")
    assert differences(place, "public.sorted") == []


def test_a_type_changed_since_is_tried_and_reported(place: Place) -> None:
    archived(place)
    place.sql("ALTER TABLE analytics.events ALTER name TYPE varchar(100), ALTER data TYPE json")
    result = restored(place)
    assert result.restored == 5
    assert result.notes == [
        "column data was jsonb and is json: its values are read as that",
        "column name was text and is character varying(100): its values are read as that",
    ]


def test_a_value_that_does_not_fit_the_new_type_is_told_without_the_value(place: Place) -> None:
    archived(place)
    place.sql("ALTER TABLE analytics.events ALTER name TYPE int USING 0")
    result = restored(place)
    with pytest.raises(
        Unfinished, match="rows 1, 2, 3, 4, 5: column name: a value no longer fits its column"
    ) as caught:
        result.refuse_failures()
    assert "event at" not in str(caught.value)
    assert place.live().total() == 0


def test_columns_in_another_order_are_matched_by_name(place: Place) -> None:
    archived(place)
    place.sql(
        "DROP TABLE analytics.events; CREATE TABLE analytics.events"
        " (data jsonb, name text, triggered_at timestamp, id bigint PRIMARY KEY)"
    )
    assert restored(place).restored == 5
    place.sql("CREATE VIEW public.sorted AS SELECT id, triggered_at, name, data FROM analytics.events")
    assert differences(place, "public.sorted") == []


def test_a_new_table_is_made_like_the_source_and_may_be_filled_again(place: Place) -> None:
    archived(place)
    assert restored(place, into="public.copy", end=hours_ago(60 - 2 / 60)).restored == 2
    again = restored(place, into="public.copy")
    assert (again.restored, again.skipped) == (3, 2)
    assert differences(place, "public.copy") == []
    assert place.live().total() == 0
    assert place.sql("SELECT hold_until FROM archiver.restores WHERE hold_until IS NOT NULL") == []


def test_a_generated_column_keeps_its_archived_values_in_a_new_table(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, twice int GENERATED ALWAYS AS (id * 2) STORED)"
    )
    place = place.on("public.things", "at")
    place.sql("INSERT INTO public.things VALUES (1, %s)", hours_ago(60))
    remembered(place)
    place.archive()
    place.sql("ALTER TABLE public.things DROP twice, ADD twice int GENERATED ALWAYS AS (id * 3) STORED")
    assert restored(place, into="public.copy").restored == 1
    assert differences(place, "public.copy") == []
    assert restored(place).restored == 1
    assert place.sql("SELECT twice FROM public.things") == [(3,)]


@pytest.mark.parametrize("make", [events, keyless])
def test_when_the_source_is_gone_a_new_table_is_made_from_the_manifest(
    place: Place, make: Callable[[Place], Place]
) -> None:
    place = make(place)
    rows = place.live().total()
    place.archive()
    place.sql(f"DROP TABLE {place.relation}")
    with pytest.raises(TableRefused, match=r"any more\. Nothing was restored\. Fix: restore into a new table"):
        restored(place)
    assert restored(place, into="public.copy").restored == rows
    assert differences(place, "public.copy") == []
    assert restored(place, into="public.copy").restored == 0


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE public.copy (LIKE analytics.events)", "was not made by a restore"),
        ("CREATE VIEW public.copy AS SELECT * FROM analytics.events", "is not a table"),
    ],
)
def test_somebody_else_s_table_is_not_filled(place: Place, statement: str, words: str) -> None:
    archived(place)
    place.sql(statement)
    with pytest.raises(TableRefused, match=words):
        restored(place, into="public.copy")


def test_a_table_of_the_name_of_a_dropped_copy_is_somebody_else_s(place: Place) -> None:
    archived(place)
    restored(place, into="public.copy")
    place.sql("DROP TABLE public.copy; CREATE TABLE public.copy (LIKE analytics.events)")
    with pytest.raises(TableRefused, match="was not made by a restore"):
        restored(place, into="public.copy")


def test_newest_needs_columns_that_it_can_compare_and_write(place: Place) -> None:
    archived(place)
    place.sql("ALTER TABLE analytics.events ADD COLUMN number int GENERATED ALWAYS AS IDENTITY")
    with pytest.raises(TableRefused, match="cannot write column 'number'"):
        restored(place, on_conflict="newest")
    place.sql("ALTER TABLE analytics.events DROP COLUMN number, DROP COLUMN triggered_at")
    with pytest.raises(TableRefused, match="compares column 'triggered_at'"):
        restored(place, on_conflict="newest", ignore_missing_columns=True)
