"""Values, spans and tables of which nobody thinks at first; a restore goes on, and says what it has to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pg_archiver.restore import refused_rows
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, events, keyless, remembered, restored

_EAST, _WEST = timezone(timedelta(hours=2)), timezone(timedelta(hours=-2))
_FIRST, _LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001 (given its zones below)


def test_a_row_that_cannot_be_read_is_told_however_large_its_values_are(place: Place) -> None:
    events(place, rows=3)
    place.sql("UPDATE analytics.events SET data = to_jsonb(repeat('x', 200000)), name = 'much too long' WHERE id = 2")
    place.sql("UPDATE analytics.events SET name = 'short' WHERE id <> 2")
    place.archive()
    place.sql("ALTER TABLE analytics.events ALTER name TYPE varchar(8)")
    result = restored(place)
    assert (result.restored, result.refused, len(result.failures)) == (2, 1, 1)


def test_values_that_no_sequence_can_give_keep_no_row_out(place: Place) -> None:
    place.sql("CREATE SEQUENCE public.numbers")
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, n numeric DEFAULT nextval('numbers'))")
    for number, value in enumerate(["7", "1e30", "-1e30", "NaN", "Infinity"]):
        place.sql("INSERT INTO public.things VALUES (%s, %s, %s::numeric)", number, hours_ago(60), value)
    place = place.on("public.things", "at")
    remembered(place)
    place.archive()
    result = restored(place)
    assert (result.failures, differences(place)) == ([], [])
    assert "has restored values up to 7" in result.sequences[0]


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_a_span_may_reach_to_both_ends_of_the_calendar(place: Place, zone: str, kind: str) -> None:
    place.sql(f"CREATE TABLE public.things (id int PRIMARY KEY, at {kind})")
    place.sql("INSERT INTO public.things VALUES (1, %s)", hours_ago(60))
    place = place.on("public.things", "at", timezone=zone)
    remembered(place)
    place.archive()
    for number, (first, last) in enumerate([(None, None), (UTC, UTC), (_EAST, _WEST)]):
        into = f"public.copy{number}"
        restored(place, _FIRST.replace(tzinfo=first), _LAST.replace(tzinfo=last), into=into)
        assert differences(place, into) == []


@pytest.mark.parametrize("known", [True, False])
def test_triggers_are_watched_where_the_timestamp_column_is_gone_and_no_key_is_there(place: Place, known: bool) -> None:
    place = keyless(place)
    place.archive()
    place.sql("ALTER TABLE public.notes RENAME at TO moment")
    change = "" if known else "IF NEW.note = 'note 3' THEN NEW.note = 'other'; END IF;"
    place.sql(f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {change} RETURN NEW; END $$")
    place.sql("CREATE TRIGGER act BEFORE INSERT ON public.notes FOR EACH ROW EXECUTE FUNCTION act()")
    result = restored(place, ignore_missing_columns=True)
    assert (result.restored, result.refused) == ((20, 0) if known else (18, 2))
    assert place.sql("SELECT count(*) FROM public.notes WHERE note LIKE 'note %%'") == [(result.restored,)]


@pytest.mark.first_run
def test_a_dry_run_needs_no_ledger_and_makes_none(place: Place) -> None:
    events(place, rows=3)
    place.archive()
    place.sql("CREATE TABLE public.made (LIKE analytics.events); DROP SCHEMA archiver CASCADE")
    dry = place.ordered(dry_run=True)
    for into in (None, "public.copy"):
        for on_conflict in ("skip", "newest", "fail"):
            result = restored(dry, into=into, on_conflict=on_conflict)
            assert (result.restored, result.failures) == (3, [])
    assert not place.has_ledger()


def test_very_many_rows_that_wait_in_vain_end_their_object_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.sql("CREATE TABLE public.parents (id int PRIMARY KEY); INSERT INTO public.parents VALUES (1), (2)")
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, parent int REFERENCES public.parents)")
    for number in range(6):
        place.sql("INSERT INTO public.things VALUES (%s, %s, %s)", number, hours_ago(60), 1 if number else 2)
    place.sql("INSERT INTO public.things VALUES (9, %s, 1)", hours_ago(70))
    place = place.on("public.things", "at")
    place.archive()
    place.sql("DELETE FROM public.parents WHERE id = 1")
    monkeypatch.setattr(refused_rows, "MOST_ROWS", 3)
    result = restored(place)
    assert (result.restored, result.refused, len(result.failures)) == (1, 1, 2)
    assert [line for line in result.failures if "more than 3 of its rows cannot come in" in line]
