"""verify: a hole anywhere in the archive is found and named, and a whole archive is told to be whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from include.archiver.errors import Unfinished
from include.archiver.manifest import keys_key, manifest_key
from include.archiver.steps.verify import Verified, verify
from tests.integration.place import EVENTS, Place, hours_ago
from tests.integration.restoring import events
from tests.integration.test_restore_objects import flip_a_bit, gone, one_row_more, other_rows


def verified(place: Place) -> Verified:
    with place.session() as database:
        return verify(database, place.store, place.order)


def itself(key: str) -> str:
    return key


def test_a_whole_archive_is_told_to_be_whole(place_on_both: Place) -> None:
    place = events(place_on_both, rows=90)
    place.archive()
    place.events(hours_ago(60))
    place.archive()
    result = verified(place)
    assert (result.objects, result.rows, result.problems, result.notes) == (3, 91, [], [])
    result.refuse_problems()


def test_an_empty_archive_is_whole(place: Place) -> None:
    place.sql(EVENTS)
    assert verified(place) == Verified()


@pytest.mark.parametrize(
    ("damage", "object_of"),
    [
        (flip_a_bit, itself),
        (other_rows, itself),
        (one_row_more, itself),
        (gone, itself),
        (flip_a_bit, keys_key),
        (one_row_more, keys_key),
        (gone, keys_key),
    ],
)
def test_every_hole_is_found_and_named(
    place: Place,
    damage: Callable[[Place, str], None],
    object_of: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    events(place, rows=90)
    place.archive()
    bad, good = place.data_keys()
    damage(place, object_of(bad))
    result = verified(place)
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert any(object_of(bad) in record.getMessage() for record in errors)
    with pytest.raises(Unfinished) as caught:
        result.refuse_problems()
    assert object_of(bad) in str(caught.value)
    assert good not in str(caught.value)
    assert result.objects == 1


@pytest.mark.parametrize("lost", [1, 3], ids=["the manifest", "all of it"])
def test_what_the_ledger_vouches_for_must_be_there(place: Place, lost: int, caplog: pytest.LogCaptureFixture) -> None:
    events(place, rows=5)
    place.archive()
    (key,) = place.data_keys()
    for one in (manifest_key(key), key, keys_key(key))[:lost]:
        place.remove(one)
    (problem,) = verified(place).problems
    assert [record.levelname for record in caplog.records if problem in record.getMessage()] == ["ERROR"]
    assert f"{manifest_key(key)} is missing or unusable, but by the ledger 5 of its 5 rows were deleted" in problem


def test_a_manifest_that_says_something_else_than_the_ledger_is_found(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    (key,) = map(manifest_key, place.data_keys())
    place.write(key, place.read(key).replace(b'"run_id": "run 1"', b'"run_id": "run 2"'))
    (problem,) = verified(place).problems
    assert "says something else than the ledger" in problem


def test_leftovers_of_runs_that_broke_off_are_noted_and_are_no_holes(place: Place) -> None:
    events(place, rows=5)
    place.export(place.window())
    result = verified(place)
    assert result.problems == []
    assert "2 object(s) without a manifest" in result.notes[0]


def test_rows_that_stayed_are_no_holes(place: Place) -> None:
    events(place, rows=5)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = 3")
    place.delete(window)
    result = verified(place)
    assert (result.problems, result.notes) == ([], [])
