"""A column whose type is another one than when it was archived: values come over as what they are, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pg_archiver.errors import Unfinished
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, remembered, restored

pytestmark = pytest.mark.more

SUMMER, WINTER = datetime(2025, 7, 1, 12, 30), datetime(2025, 1, 1, 12, 30)  # noqa: DTZ001 (column time)


def things(place: Place, kind: str, *values: str, timezone: str = "UTC") -> Place:
    place.sql(f"CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, v {kind})")
    place = place.on("public.things", "at", timezone=timezone).with_policy(timezone=timezone)
    for number, value in enumerate(values):
        place.sql(f"INSERT INTO public.things VALUES (%s, %s, %s::text::{kind})", number, hours_ago(60), value)
    place.archive()
    return place


@pytest.mark.parametrize("key", ["id int PRIMARY KEY,", "id int,"], ids=["key", "no key"])
def test_wall_times_become_the_moments_that_they_were_in_the_policy_s_zone(place: Place, key: str) -> None:
    place.sql(f"CREATE TABLE public.notes ({key} at timestamp)")
    place = place.on("public.notes", "at", timezone="Europe/Berlin").with_policy(timezone="Europe/Berlin")
    place.sql("INSERT INTO public.notes VALUES (1, %s), (2, %s)", SUMMER, WINTER)
    place.archive()
    place.sql("ALTER TABLE public.notes ALTER at TYPE timestamptz USING at AT TIME ZONE 'Europe/Berlin'")
    later = place.ordered(timezone="UTC")
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    assert restored(later, start, end).restored == 2
    assert place.sql("SELECT at AT TIME ZONE 'UTC' FROM public.notes ORDER BY id") == [
        (SUMMER.replace(hour=10),),
        (WINTER.replace(hour=11),),
    ]
    again = restored(later, start, end)
    assert again.restored == 0
    assert place.sql("SELECT count(*) FROM public.notes") == [(2,)]


def test_moments_become_wall_times_of_the_zone_that_the_policy_says_today(place: Place) -> None:
    place.sql("CREATE TABLE public.notes (id int PRIMARY KEY, at timestamptz)")
    place = place.on("public.notes", "at")
    place.sql("INSERT INTO public.notes VALUES (1, %s)", SUMMER.replace(tzinfo=UTC))
    place.archive()
    place.sql("ALTER TABLE public.notes ALTER at TYPE timestamp USING at AT TIME ZONE 'Europe/Berlin'")
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    assert restored(place.ordered(timezone="Europe/Berlin"), start, end).restored == 1
    assert place.sql("SELECT at FROM public.notes") == [(SUMMER.replace(hour=14),)]


def test_a_wall_time_that_clocks_left_out_is_no_moment(place: Place) -> None:
    place.sql("CREATE TABLE public.notes (id int PRIMARY KEY, at timestamp)")
    place = place.on("public.notes", "at", timezone="Europe/Berlin").with_policy(timezone="Europe/Berlin")
    place.sql(
        "INSERT INTO public.notes VALUES (1, '2025-03-30 02:30'), (2, '2025-03-30 02:59:59'), (3, '2025-03-30 03:00')"
    )
    place.archive()
    place.sql("ALTER TABLE public.notes ALTER at TYPE timestamptz USING at AT TIME ZONE 'Europe/Berlin'")
    result = restored(place, datetime(2025, 3, 1), datetime(2025, 4, 1))  # noqa: DTZ001 (column time)
    assert (result.restored, result.refused) == (1, 2)


@pytest.mark.parametrize(
    ("before", "now"), [("timestamp", "timestamptz"), ("timestamptz", "date"), ("timestamp[]", "timestamptz[]")]
)
def test_of_another_column_s_times_the_zone_is_not_known(place: Place, before: str, now: str) -> None:
    value = "{2025-01-01}" if "[" in before else "2025-01-01"
    place = things(place, before, value)
    place.sql(f"ALTER TABLE public.things ALTER v TYPE {now} USING NULL")
    result = restored(place)
    with pytest.raises(Unfinished, match="the time zone of its values without one is not known"):
        result.refuse_failures()
    assert place.sql("SELECT count(*) FROM public.things") == [(0,)]
    assert restored(place, into="public.copy").restored == 1


@pytest.mark.parametrize(
    ("before", "now", "values", "fitting"),
    [
        ("numeric(12,4)", "numeric(12,2)", ["1.2300", "1.2345", "7.0000"], [0, 2]),
        ("timestamp", "timestamp(0)", ["2025-01-01 00:00:00", "2025-01-01 00:00:00.25"], [0]),
        ("double precision", "real", ["0.5", "0.1"], [0]),
        ("bigint", "integer", ["1", "99999999999", "-3"], [0, 2]),
        ("text", "varchar(3)", ["abc", "abcd", "ab "], [0, 2]),
        ("varchar(5)", "char(5)", ["abcde", "ab"], [0, 1]),
        ("text", "integer", ["1", "01", "one"], [0]),
        ("json", "jsonb", ['{"a" : 1}', "[1,2]"], [0, 1]),
        ("jsonb", "json", ['{"a": 1}'], [0]),
        ("integer", "text", ["1", "2"], [0, 1]),
        ("integer", "bigint", ["1", "2"], [0, 1]),
        ("smallint", "numeric", ["1", "2"], [0, 1]),
        ("numeric", "integer", ["1", "1.5"], [0]),
        ("timestamp(3)", "timestamp(6)", ["2025-01-01 00:00:00.123"], [0]),
        ("date", "timestamp", ["2025-01-01"], [0]),
        ("timestamp", "date", ["2025-01-01", "2025-01-01 01:00"], [0]),
    ],
)
def test_no_value_is_rounded_or_cut(place: Place, before: str, now: str, values: list[str], fitting: list[int]) -> None:
    place = things(place, before, *values)
    original = place.sql(
        f"SELECT n::int, (v::text::{before})::{now}::text FROM unnest(%s::text[]) WITH ORDINALITY AS t (v, n)"
        " WHERE n - 1 = ANY (%s)",
        values,
        fitting,
    )
    place.sql(f"ALTER TABLE public.things ALTER v TYPE {now} USING NULL")
    result = restored(place)
    assert (result.restored, result.refused) == (len(fitting), len(values) - len(fitting))
    assert [note for note in result.notes if note.startswith("column v was ")]
    assert place.sql("SELECT id + 1, v::text FROM public.things ORDER BY id") == sorted(original)


def test_types_without_a_way_from_one_to_the_other_are_refused_with_a_way_out(place: Place) -> None:
    place = things(place, "integer", "1")
    place.sql("ALTER TABLE public.things ALTER v TYPE timestamp USING NULL")
    result = restored(place)
    with pytest.raises(Unfinished, match="column v cannot be converted from integer to timestamp without time zone"):
        result.refuse_failures()
    assert restored(place, into="public.copy").restored == 1


def test_a_column_that_was_dropped_and_added_again_with_another_type_is_told(place: Place) -> None:
    place = things(place, "text", "one")
    place.sql("ALTER TABLE public.things DROP v, ADD v integer")
    result = restored(place)
    assert result.refused == 1
    assert "column v was text and is integer: its values are read as that" in result.notes


@pytest.mark.parametrize(("before", "value"), [("char(5)", "a"), ("boolean", "true"), ("inet", "10.0.0.1")])
@pytest.mark.parametrize("now", ["text", "varchar(30)"])
@pytest.mark.parametrize("on_conflict", ["skip", "newest"])
def test_a_key_that_became_text_meets_the_row_that_has_it(
    place: Place, before: str, value: str, now: str, on_conflict: str
) -> None:
    """The server writes some values otherwise when their column becomes text: true for t."""
    place.sql(f"CREATE TABLE public.things (id {before} PRIMARY KEY, at timestamp, note text)")
    place = place.on("public.things", "at")
    place.sql(f"INSERT INTO public.things VALUES ('{value}', %s, 'old')", hours_ago(80))
    place.archive()
    place.sql(f"INSERT INTO public.things VALUES ('{value}', %s, 'new')", hours_ago(1))
    place.sql(f"ALTER TABLE public.things ALTER id TYPE {now}")
    remembered(place)
    result = restored(place, on_conflict=on_conflict)
    assert (result.restored, result.skipped, differences(place)) == (0, 1, [])


def test_a_word_that_the_new_type_would_cut_stays_out(place: Place) -> None:
    place = things(place, "boolean", "true", "false")
    place.sql("ALTER TABLE public.things ALTER v TYPE varchar(4)")
    result = restored(place)
    assert (result.restored, result.refused) == (1, 1)
    assert place.sql("SELECT v FROM public.things") == [("true",)]


def test_a_column_taken_as_text_has_its_values_as_they_were_archived(place: Place) -> None:
    place = things(place, "boolean", "true")
    assert restored(place, into="public.copy", text_columns=("v",)).restored == 1
    assert place.sql("SELECT v FROM public.copy") == [("t",)]
