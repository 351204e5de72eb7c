"""What was restored before is known by the numbers of its rows: nothing is left out for it, and nothing comes twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import pytest

from pg_archiver.errors import Conflict, Stopped, Unfinished
from pg_archiver.postgres.session import Session
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, events, keyless, restored

OLD_LINES = "UPDATE archiver.restores SET positions = NULL"


def half_deleted(place: Place) -> Place:
    """A table without a key; ten of its twenty rows have left, and were restored."""
    place = keyless(place)
    window = place.stored_window()
    once = iter([False])
    with pytest.raises(Stopped):
        place.delete(window, lambda: next(once, True))
    assert restored(place, hold_days=0).restored == 10
    place.delete(window)
    return place


@pytest.mark.parametrize("into", [None, "public.copy"])
def test_rows_that_left_after_a_restore_of_the_same_span_come_back_with_the_next_one(
    place: Place, into: str | None
) -> None:
    place = keyless(place)
    window = place.stored_window()
    once = iter([False])
    with pytest.raises(Stopped):
        place.delete(window, lambda: next(once, True))
    assert restored(place, into=into, hold_days=0).restored == 10
    place.delete(window)
    result = restored(place, into=into, hold_days=0)
    assert (result.restored, result.already) == (10, 10)
    assert differences(place, into) == []


def test_of_lines_of_an_older_version_it_is_known_only_where_all_of_a_span_came_back(place: Place) -> None:
    place = keyless(place)
    place.archive()
    assert restored(place, hours_ago(60), hours_ago(60 - 4 / 60)).restored == 8
    place.sql(OLD_LINES)
    result = restored(place)
    assert (result.restored, result.already) == (12, 8)
    assert differences(place) == []


def test_where_an_older_version_did_not_note_which_rows_came_back_none_comes_twice(place: Place) -> None:
    place = half_deleted(place)
    place.sql(OLD_LINES)
    before = place.live()
    result = restored(place)
    with pytest.raises(
        Unfinished, match="an older version of this program restored 10 rows of it and did not note which"
    ):
        result.refuse_failures()
    assert place.live() == before
    assert restored(place, into="public.copy").restored == 20
    assert differences(place, "public.copy") == []


def test_a_table_made_anew_under_the_name_does_not_get_rows_of_which_nobody_knows_whether_it_has_them(
    place: Place,
) -> None:
    place = keyless(place)
    place.archive()
    restored(place)
    place.sql("ALTER TABLE public.notes RENAME TO old; CREATE TABLE public.notes AS SELECT * FROM public.old")
    result = restored(place)
    with pytest.raises(Unfinished, match="had another oid, and whether they are in this one is not known"):
        result.refuse_failures()
    assert differences(place) == []


def test_a_stranger_s_table_whose_oid_is_the_target_s_has_nothing_of_it(place: Place) -> None:
    place = keyless(place)
    place.archive()
    oid = place.sql("SELECT 'public.notes'::regclass::oid")[0][0]
    restored(place, into="public.copy")
    place.sql("UPDATE archiver.restores SET target_oid = %s", oid)
    assert restored(place).restored == 20
    assert differences(place) == []


@pytest.mark.parametrize("change", ["bucket", "prefix"])
def test_an_object_that_was_moved_is_the_same_object(place: Place, change: str) -> None:
    place = keyless(place)
    place.archive()
    assert restored(place, hours_ago(60), hours_ago(60 - 4 / 60)).restored == 8
    moved = place
    if change == "bucket":
        place.client.create_bucket(Bucket=f"{place.bucket}-new")
        moved = replace(place.ordered(bucket=f"{place.bucket}-new"), bucket=f"{place.bucket}-new")
    else:
        moved = place.ordered(prefix="moved")
    for key in place.keys():  # noqa: SIM118 (it is a method)
        new = key if change == "bucket" else f"moved/{key}"
        place.client.put_object(Bucket=moved.store.name, Key=new, Body=place.read(key))
        place.remove(key)
    result = restored(moved)
    assert (result.restored, result.already, result.failures) == (12, 8, [])
    assert differences(place) == []


def test_a_second_try_of_a_run_under_fail_does_not_meet_its_own_rows(place: Place) -> None:
    events(place, rows=150)
    place.archive()
    last = place.data_keys()[0]
    whole = place.read(last)
    place.remove(last)
    first = restored(place, on_conflict="fail")
    assert (first.restored, len(first.failures)) == (90, 1)
    place.write(last, whole)
    again = restored(place, on_conflict="fail")
    assert (again.restored, again.already, again.failures) == (60, 90, [])
    assert differences(place) == []
    with pytest.raises(Conflict):
        restored(place.ordered(run_id="run 2"), on_conflict="fail")


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "locks lost"])
def test_the_same_restore_twice_at_once_brings_each_row_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    place = keyless(place, rows=70)
    place.archive()
    if not locked:
        monkeypatch.setattr(Session, "advisory_lock", lambda *_, **__: nullcontext())
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(restored, place.ordered(run_id=run_id)) for run_id in ("run a", "run b")]
    results = [one.result() for one in both]
    assert sum(result.restored for result in results) == 140
    assert differences(place) == []


def test_two_restores_at_once_into_the_same_new_table_fill_it_together(place: Place) -> None:
    events(place, rows=130)
    place.archive()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(restored, place.ordered(run_id=run_id), into="public.copy") for run_id in ("a", "b")]
    assert sum(one.result().restored for one in both) == 130
    assert differences(place, "public.copy") == []
