"""Delete triggers fire, under the database's own path; what they keep stays, and what they take along is refused."""

from __future__ import annotations

import pytest

from pg_archiver.errors import TriggerRefused
from tests.support.place import Place
from tests.support.purges import OLD, ROWS, Purges, add_trigger, plain, with_trigger

MEDDLING = {
    "itself": ("BEFORE DELETE", "DELETE FROM public.notes WHERE id = OLD.id; RETURN NULL;"),
    "another one": ("BEFORE DELETE", "DELETE FROM public.notes WHERE id = OLD.id + 1; RETURN OLD;"),
    "one of a later batch": ("AFTER DELETE", "DELETE FROM public.notes WHERE id = OLD.id + 20; RETURN NULL;"),
    "one that is young": ("AFTER DELETE", "DELETE FROM public.notes WHERE id = 1; RETURN NULL;"),
}


@pytest.mark.parametrize("meddling", MEDDLING)
def test_a_batch_in_which_a_trigger_deletes_rows_is_rolled_back_and_the_trigger_named(
    place: Place, meddling: str
) -> None:
    purges = plain(place)
    add_trigger(place, *MEDDLING[meddling])
    with pytest.raises(TriggerRefused, match=r"rows of public\.notes were deleted besides .*\(meddling\)"):
        purges.purge()
    assert (purges.rows(), purges.counts()) == (ROWS, [])


def test_a_trigger_that_changes_another_row_of_the_batch_is_named(place: Place) -> None:
    purges = plain(place)
    add_trigger(place, "BEFORE DELETE", "UPDATE public.notes SET note = '' WHERE id = OLD.id + 2; RETURN OLD;")
    with pytest.raises(TriggerRefused, match=r"already modified by an operation .*\(meddling\)"):
        purges.purge()
    assert purges.rows() == ROWS


@pytest.mark.parametrize("batch_size", [1, 3, 6, 100])
def test_rows_that_a_trigger_keeps_are_told_and_keep_no_other_row(place: Place, batch_size: int) -> None:
    purges = with_trigger(place, "IF OLD.id % 4 = 0 THEN RETURN NULL; END IF;")
    result = purges.purge(batch_size=batch_size)
    assert result.rows == OLD // 2
    assert "10 rows that are due stay for the next run" in result.told
    assert "a trigger kept them" in result.told
    assert purges.purge(batch_size=batch_size).rows == 0


@pytest.mark.parametrize("index", ["CREATE INDEX ON public.notes (at)", "SELECT 1"], ids=["index", "no index"])
def test_rows_of_one_day_that_a_trigger_keeps_keep_no_other_row(
    place: Place, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pg_archiver.purge.batches.LISTED_AT_ONCE", 10)
    made = (
        f"CREATE TABLE public.notes (id int, at date); {index};"
        "INSERT INTO public.notes SELECT n, '2024-01-01' FROM generate_series(1, 60) AS n;"
        "INSERT INTO public.notes SELECT n, '2024-01-02' FROM generate_series(61, 70) AS n"
    )
    purges = Purges.of(place, made=made)
    add_trigger(place, "BEFORE DELETE", "IF OLD.id <= 25 THEN RETURN NULL; END IF;")
    assert purges.purge().rows == 45
    assert place.sql("SELECT count(*), max(id) FROM public.notes") == [(25, 25)]


@pytest.mark.parametrize(
    ("kind", "when"), [("CONSTRAINT ", "DEFERRABLE INITIALLY DEFERRED"), ("", "")], ids=["at the commit", "at once"]
)
def test_a_trigger_finds_its_tables_along_the_path_of_the_database(place: Place, kind: str, when: str) -> None:
    purges = plain(place)
    place.sql(
        f"""
        CREATE SCHEMA app; CREATE TABLE app.log (id int); ALTER DATABASE {place.database} SET search_path = app;
        CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO log VALUES (OLD.id); RETURN NULL; END $$;
        CREATE {kind}TRIGGER note AFTER DELETE ON public.notes {when} FOR EACH ROW
            EXECUTE FUNCTION app.note()
        """
    )
    assert purges.purge().rows == OLD
    assert place.sql("SELECT count(*) FROM app.log") == [(OLD,)]


def test_what_a_trigger_sets_changes_nothing_for_the_rest_of_the_run(place: Place) -> None:
    purges = plain(place)
    add_trigger(
        place,
        "BEFORE DELETE",
        "PERFORM set_config('TimeZone', 'Pacific/Apia', false), set_config('search_path', 'nowhere', false),"
        " set_config('statement_timeout', '0', false), set_config('enable_nestloop', 'off', false),"
        " set_config('DateStyle', 'German', false);",
    )
    assert purges.purge().rows == OLD
    assert place.sql("SELECT count(*) FROM public.notes WHERE id % 2 = 0") == [(0,)]


def test_where_the_server_counts_nothing_a_table_with_triggers_is_refused_and_another_is_not(place: Place) -> None:
    place.sql(f"ALTER DATABASE {place.database} SET track_counts = off")
    purges = with_trigger(place)
    with pytest.raises(TriggerRefused, match="track_counts is off"):
        purges.purge()
    place.sql("DROP TRIGGER meddling ON public.notes")
    assert purges.purge().rows == OLD


def test_an_error_of_a_trigger_keeps_its_batch_and_says_no_row(place: Place) -> None:
    purges = with_trigger(place, "IF OLD.id = 20 THEN RAISE EXCEPTION 'secret %', OLD.note; END IF;")
    with pytest.raises(Exception, match="database") as caught:
        purges.purge()
    assert "note 20" not in str(caught.value)
    assert sum(purges.counts()) == ROWS - purges.rows() == 6
