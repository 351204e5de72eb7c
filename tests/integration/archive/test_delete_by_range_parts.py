"""Rows leave by range only of the parts that the table had at the export, and past triggers that were made since."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.errors import ArchiverError, TriggerRefused
from pg_archiver.ledger.window_generation import State
from tests.integration.archive.test_delete_by_range import DELETE, ROWS, TENS, TRIGGER, filled, ids, minute
from tests.support.hooks import acting_before
from tests.support.place import Place, hours_ago


def listed(place: Place) -> Place:
    """A table of two partitions by its name; in the second one are rows that are as old."""
    place.sql(
        "CREATE TABLE public.things (number int, at timestamp NOT NULL, name text) PARTITION BY LIST (name);"
        "CREATE INDEX ON public.things (at);"
        "CREATE TABLE public.part PARTITION OF public.things FOR VALUES IN ('a');"
        "CREATE TABLE public.other (number int, at timestamp NOT NULL, name text)"
    )
    for table, name, first in (("things", "a", 1), ("other", "b", 11)):
        for number in range(first, first + 5):
            place.sql(f"INSERT INTO public.{table} VALUES (%s, %s, %s)", number, minute(number % 10), name)
    return place.on("public.things", "at", batch_size=TENS)


ATTACH = "ALTER TABLE public.things ATTACH PARTITION public.other FOR VALUES IN ('b')"


@pytest.mark.parametrize("moment", ["archive/delete/lock_table", DELETE])
def test_old_rows_of_a_partition_that_was_attached_since_stay_though_the_count_is_right(
    place: Place, moment: str
) -> None:
    place = listed(place)
    window = place.stored_window()
    place.sql("DELETE FROM public.things WHERE number <= 2")
    place.sql("DELETE FROM public.other WHERE number > 12")
    with acting_before(place, moment, lambda: place.sql(ATTACH)) as database:
        assert delete(database, place.store, place.order, window, lambda: False) == Deleted(0, 5)
    assert place.sql("SELECT number FROM public.things ORDER BY 1") == [(3,), (4,), (5,), (11,), (12,)]
    assert place.ledger("state, note") == [
        (State.VOID, "a partition or child of the table came or went since the export")
    ]
    assert place.archive() == [Deleted(5, 0)]


def test_rows_stay_where_a_partition_on_another_server_came_in_between(place: Place) -> None:
    place = listed(place)
    place.sql("CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
    window = place.stored_window()
    far = (
        "CREATE FOREIGN TABLE public.far PARTITION OF public.things FOR VALUES IN ('c') SERVER files"
        " OPTIONS (filename '/dev/null')"
    )
    with acting_before(place, "archive/delete/lock_table", lambda: place.sql(far)) as database:
        assert delete(database, place.store, place.order, window, lambda: False) == Deleted(0, 5)
    assert place.ledger("note") == [("a partition or child of the table came or went since the export",)]


@pytest.mark.parametrize("how", ["", " CONCURRENTLY"])
def test_a_partition_that_was_detached_since_keeps_all_rows_for_the_next_run(place: Place, how: str) -> None:
    place = listed(place)
    place.sql(ATTACH)
    window = place.stored_window()
    place.sql(f"ALTER TABLE public.things DETACH PARTITION public.other{how}")
    assert place.delete(window) == Deleted(0, 10)
    assert place.sql("SELECT count(*) FROM public.other") == [(5,)]
    assert place.archive() == [Deleted(5, 0)]


def test_what_a_trigger_made_since_keeps_stays_with_its_sub_range(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    window = place.stored_window()
    place.sql(TRIGGER.format(body="RETURN CASE WHEN OLD.id <> 3 THEN OLD END"))
    assert place.delete(window) == Deleted(15, 10)
    assert ids(place) == list(range(1, 11))
    # Its next generation has a list, on which each row leaves by itself.
    assert place.archive() == [Deleted(9, 1)]


def test_a_trigger_made_since_that_deletes_other_rows_is_refused(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    place.events(hours_ago(1))
    window = place.stored_window()
    place.sql(
        TRIGGER.format(
            body=f"IF OLD.id <= {ROWS} THEN DELETE FROM analytics.events WHERE id > {ROWS}; END IF; RETURN OLD"
        )
    )
    with pytest.raises(TriggerRefused, match="were deleted besides those that were to go"):
        place.delete(window)
    assert len(ids(place)) == ROWS + 1


def test_a_trigger_made_since_finds_its_names_along_the_path_of_the_database(place: Place) -> None:
    place = filled(place).ordered(batch_size=TENS)
    place.sql("CREATE SCHEMA app; CREATE TABLE app.gone (id bigint)")
    place.sql(f"ALTER DATABASE {place.database} SET search_path = app")
    window = place.stored_window()
    place.sql(TRIGGER.format(body="INSERT INTO gone VALUES (OLD.id); RETURN OLD"))
    assert place.delete(window) == Deleted(ROWS, 0)
    assert place.sql("SELECT count(*) FROM app.gone") == [(ROWS,)]


def with_trigger(place: Place, body: str, condition: str = "true") -> None:
    """The second partition, with a trigger, comes when the look at the table is over."""
    place.sql(
        "CREATE TABLE public.seen (number int);"
        f"CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN OLD; END $$;"
        "CREATE TRIGGER see BEFORE DELETE ON public.other"
        f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION public.see()"
    )
    place.sql(ATTACH)


def test_nothing_stays_of_what_a_trigger_did_that_came_with_a_part(place: Place) -> None:
    place = listed(place)
    window = place.stored_window()
    body = "INSERT INTO public.seen VALUES (OLD.number); PERFORM set_config('TimeZone', 'Pacific/Apia', false)"
    with acting_before(place, DELETE, lambda: with_trigger(place, body)) as database:
        assert delete(database, place.store, place.order, window, lambda: False) == Deleted(0, 5)
        assert database.fetch_one("postgres/session/clock").now.utcoffset() == timedelta()
    assert place.sql("SELECT count(*) FROM public.seen") == [(0,)]
    assert place.sql("SELECT count(*) FROM public.things") == [(10,)]


def test_nothing_is_told_of_what_a_trigger_says_that_came_with_a_part(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place = listed(place)
    window = place.stored_window()
    # An error of the server's own, in whose words is a value.
    condition = "OLD.name::regclass IS NOT NULL"
    acting = acting_before(place, DELETE, lambda: with_trigger(place, "NULL", condition))
    with acting as database, pytest.raises(ArchiverError) as refused:
        delete(database, place.store, place.order, window, lambda: False)
    assert "words may hold a row" in str(refused.value)
    assert 'relation "b"' not in str(refused.value) + caplog.text
    assert place.sql("SELECT count(*) FROM public.things") == [(10,)]
