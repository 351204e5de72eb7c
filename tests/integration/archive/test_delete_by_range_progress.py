"""A delete by range that is broken off, met by another one or restored in its midst: what left is known to the row."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.domain.row_numbers import Positions
from pg_archiver.errors import CheckFailed, Stopped, Superseded
from pg_archiver.ledger.locks import window_lock
from pg_archiver.ledger.removed_rows import find_removed_rows
from pg_archiver.ledger.window_generation import State
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.verify.rebuild_ledger import rebuild
from pg_archiver.verify.verify_archive import verify
from tests.integration.archive.test_delete_by_range import TENS, filled, ids, minute
from tests.support.concurrency import at_once
from tests.support.hooks import acting_before
from tests.support.place import Place
from tests.support.restores import differences, remembered, restored

ROWS = 25


def after(calls: int) -> Callable[[], bool]:
    """A `stopping` that lets so many batches through."""
    left = iter([False] * calls)
    return lambda: next(left, True)


def in_tens(place: Place) -> Place:
    """Sub-ranges of ten rows, each a batch of its own."""
    place = filled(place, 0).ordered(batch_size=10)
    place.events(*[minute(1)] * 10, *[minute(2)] * 10, *[minute(3)] * 5)
    remembered(place)
    return place


def notes(place: Place) -> list[str]:
    keys = place.keys()
    return [key for key in keys if ".kept." in key]


def half_done(place: Place) -> Place:
    """Of three sub-ranges the first and the last have left."""
    place = in_tens(place)
    window = place.stored_window()
    place.sql("BEGIN; UPDATE analytics.events SET name = name WHERE id = 12")
    calls = iter(range(100))

    def stopping() -> bool:
        # The second batch waits for the user, and finds his version.
        if next(calls) == 1:
            place.sql("COMMIT")
        return False

    place.delete(window, stopping)
    return place


def test_a_delete_that_is_broken_off_goes_on_where_it_was(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    with pytest.raises(Stopped, match="after 10 of 25 rows"):
        place.delete(window, after(1))
    assert place.ledger("state, deleted_upto, deleted_rows, sub_ranges_gone::text") == [
        (State.STORED, 0, 10, "{[1,2)}")
    ]
    assert ids(place) == list(range(11, ROWS + 1))
    assert place.ordered(batch_size=TENS).delete(window) == Deleted(ROWS, 0)
    assert place.ledger("state, deleted_upto, deleted_rows, kept::text") == [(State.DELETED, ROWS, ROWS, "{}")]


def test_one_whose_last_word_is_missing_is_ended_by_the_next_try(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    with (
        acting_before(place, "ledger/windows/end_sub_ranges", lambda: place.sql("SELECT 1 / 0")) as database,
        pytest.raises(psycopg.errors.DivisionByZero),
    ):
        delete(database, place.store, place.order, window, after(99))
    assert place.ledger("state, sub_ranges_gone::text") == [(State.STORED, "{[1,4)}")]
    assert removed(place) == (ROWS, "{}")
    assert place.delete(window) == Deleted(ROWS, 0)
    assert place.ledger("state, deleted_upto") == [(State.DELETED, ROWS)]


def test_a_process_that_lost_its_lock_cannot_count_or_delete_a_sub_range_that_another_one_did(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    overtaken: list[bool] = []
    with place.session() as session:
        lock = window_lock(place.order.table, window.cell)

        def losing_the_lock() -> bool:
            if not overtaken:
                overtaken.append(True)
                session.fetch_all("postgres/session/unlock", name=lock)
                with pytest.raises(Stopped):
                    place.delete(window, after(1))
            return False

        with pytest.raises(Superseded):
            delete(session, place.store, place.order, window, losing_the_lock)
    assert ids(place) == list(range(11, ROWS + 1))
    assert place.ledger("state, deleted_rows") == [(State.STORED, 10)]
    assert place.delete(window) == Deleted(ROWS, 0)


def test_rows_of_a_sub_range_that_is_noted_as_gone_stay(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()

    def noting() -> None:
        place.sql("SET archiver.ledger_version = '3'")
        place.sql("UPDATE archiver.windows SET sub_ranges_gone = '{[1,2)}', deleted_rows = 10")

    with acting_before(place, "ledger/windows/note_sub_ranges", noting) as database, pytest.raises(Superseded):
        delete(database, place.store, place.order, window, after(99))
    assert ids(place) == list(range(1, ROWS + 1))


def test_two_deletes_of_one_window_at_once_delete_each_row_once(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    found = at_once([lambda: place.delete(window)] * 2)
    assert [one.result() for one in found] == [Deleted(ROWS, 0)] * 2
    assert place.ledger("state, deleted_rows") == [(State.DELETED, ROWS)]
    assert place.live().total() == 0


def test_a_batch_that_the_ledger_refuses_takes_back_its_rows(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    place.sql("ALTER TABLE archiver.windows ADD CONSTRAINT no_more CHECK (deleted_rows <= 10)")
    with pytest.raises(Exception, match="no_more"):
        place.delete(window)
    assert ids(place) == list(range(11, ROWS + 1))
    assert place.ledger("state, deleted_rows, sub_ranges_gone::text") == [(State.STORED, 10, "{[1,2)}")]
    place.sql("ALTER TABLE archiver.windows DROP CONSTRAINT no_more")
    assert place.delete(window) == Deleted(ROWS, 0)


def test_a_restore_in_its_midst_brings_back_just_what_left(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.delete(window, after(1))
    found = restored(place, into="public.copy")
    assert (found.restored, found.kept) == (10, 15)
    assert place.sql("SELECT id FROM public.copy ORDER BY id") == [(number,) for number in range(1, 11)]
    assert restored(place).restored == 10
    assert differences(place) == []


def test_a_restore_after_a_part_stayed_brings_back_just_what_left(place: Place) -> None:
    place = half_done(place)
    assert ids(place) == list(range(11, 21))
    assert place.ledger("state, deleted_rows, kept::text") == [(State.DELETED, 15, "{[11,21)}")]
    found = restored(place, into="public.copy")
    assert (found.restored, found.kept) == (15, 10)
    assert restored(place).restored == 15
    assert differences(place) == []


def test_the_note_beside_the_object_tells_which_rows_stayed_when_the_ledger_is_lost(place: Place) -> None:
    place = half_done(place)
    (key,) = notes(place)
    note = json.loads(place.read(key))
    assert (note["deleted_upto"], note["kept"]) == (ROWS, list(range(11, 21)))
    place.sql("DROP SCHEMA archiver CASCADE")
    assert restored(place, into="public.copy").restored == 15


def test_a_note_that_is_missing_is_written_by_the_next_try(place: Place) -> None:
    place = half_done(place)
    (key,) = notes(place)
    content = json.loads(place.read(key))
    place.remove(key)
    (window,) = place.windows()
    place.delete(window)
    (again,) = notes(place)
    assert json.loads(place.read(again))["kept"] == content["kept"]


def removed(place: Place) -> tuple[int, str]:
    (manifest,) = place.manifests()
    with place.session() as session:
        found = find_removed_rows(WindowLedger(session, place.order), place.store, manifest)
    return found.upto, str(found.kept)


def test_rows_that_lie_in_no_order_are_found_by_their_times(place: Place) -> None:
    place = filled(place, 0).ordered(batch_size=20)
    place.events(*(minute(1 + number % 3) for number in range(ROWS)))
    place.sql("SET enable_indexscan = off; SET enable_bitmapscan = off")
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.ordered(batch_size=9).delete(window, after(1))
    stayed = Positions.of(number for number in range(1, ROWS + 1) if not in_first(place, number))
    assert removed(place) == (ROWS, str(stayed))


def in_first(place: Place, number: int) -> bool:
    """Whether the row that has this number in the object has the first of the times."""
    (manifest,) = place.manifests()
    line = place.content(manifest).splitlines()[number].decode()
    return str(minute(1)) in line


def test_an_object_that_was_damaged_since_tells_nothing(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.delete(window, after(1))
    (manifest,) = place.manifests()
    place.write(manifest.data.key, b"something else")
    with pytest.raises(CheckFailed):
        removed(place)


def test_a_table_that_changes_in_the_midst_ends_with_what_left(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.delete(window, after(1))
    place.sql("VACUUM FULL analytics.events")
    assert place.delete(window) == Deleted(10, 15)
    assert place.ledger("state, cause, deleted_upto, deleted_rows, kept::text") == [
        (State.DELETED, "given up", ROWS, 10, "{[11,26)}")
    ]
    assert place.archive() == [Deleted(15, 0)]
    assert restored(place).restored == ROWS
    assert differences(place) == []


def test_rows_that_may_have_children_since_stay_where_others_left_by_range(place: Place) -> None:
    place = in_tens(place)
    place.sql("CREATE TABLE analytics.others (at timestamp, event_id bigint REFERENCES analytics.events)")
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.delete(window, after(1))
    parents = place.ordered(children=(place.on("analytics.others").order.table,))
    assert parents.delete(window) == Deleted(10, 15)
    assert ids(place) == list(range(11, ROWS + 1))
    assert place.ledger("state, cause, kept::text") == [(State.DELETED, "given up", "{[11,26)}")]
    assert parents.archive() == [Deleted(15, 0)]


@pytest.mark.parametrize("state", ["half done", "a part stayed"])
def test_verify_finds_nothing_wrong(place: Place, state: str) -> None:
    if state == "half done":
        place = in_tens(place)
        window = place.stored_window()
        with pytest.raises(Stopped):
            place.delete(window, after(1))
    else:
        place = half_done(place)
    with place.session() as session:
        found = verify(session, place.store, place.order)
    assert found.problems == [], found.problems


def test_what_left_before_the_bucket_changed_is_known_though_the_old_one_cannot_be_read_any_more(place: Place) -> None:
    place = in_tens(place)
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.delete(window, after(1))
    (manifest,) = place.manifests()
    content = place.read(manifest.data.key)
    place.remove(manifest.data.key)
    place.s3.create_bucket(f"{place.bucket}-new")
    moved = replace(place, bucket=f"{place.bucket}-new").ordered(bucket=f"{place.bucket}-new")
    assert moved.delete(window) == Deleted(10, 15)
    figures = "state, cause, deleted_upto, deleted_rows, sub_ranges_gone::text"
    assert place.ledger(figures) == [(State.DELETED, "given up", 0, 10, "{[1,2)}")]
    place.write(manifest.data.key, content)
    assert restored(place).restored == 10
    assert differences(place) == []
    with place.session() as session:
        (problem,) = verify(session, place.store, place.order).problems
    assert "no note beside" in problem
    with place.session() as session:
        assert rebuild(session, place.store, place.order).noted == 1
    with place.session() as session:
        assert verify(session, place.store, place.order).problems == []
