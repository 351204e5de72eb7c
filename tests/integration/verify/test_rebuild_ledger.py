"""A lost ledger is made again from the manifests, and archiving and restoring go on from there."""

from __future__ import annotations

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.domain.row_numbers import Positions
from pg_archiver.errors import CheckFailed, Unfinished
from pg_archiver.ledger.removed_rows import read_notes
from pg_archiver.objects.object_keys import manifest_key
from pg_archiver.verify.rebuild_ledger import Rebuilt, rebuild
from tests.integration.restore.test_restore_objects import flip_a_bit
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, events, keyless, restored

LOST = "DROP SCHEMA archiver CASCADE"


def rebuilt(place: Place) -> Rebuilt:
    with place.session() as session:
        return rebuild(session, place.store, place.order)


def with_one_that_stayed(place: Place) -> Place:
    events(place, rows=5)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = 3")
    assert place.delete(window) == Deleted(4, 1)
    return place


def test_generations_go_on_from_the_highest_and_nothing_is_deleted_on_the_old_ones_account(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    place.events(hours_ago(60))
    place.archive()
    place.sql(LOST)
    assert rebuilt(place) == Rebuilt(manifests=2, added=2)
    assert place.ledger("generation, state, rows, deleted_rows") == [(1, "void", 5, 0), (2, "void", 1, 0)]
    place.sql("INSERT INTO analytics.events OVERRIDING SYSTEM VALUE SELECT * FROM public.before WHERE id < 3")
    assert place.archive() == [Deleted(2, 0)]
    assert place.ledger("generation, state") == [(1, "void"), (2, "void"), (3, "deleted")]
    place.sql("DELETE FROM analytics.events")
    result = restored(place)
    assert (result.restored, result.superseded) == (6, 2)


def test_rebuilding_again_adds_nothing_and_changes_nothing(place: Place) -> None:
    with_one_that_stayed(place)
    before = place.ledger("*")
    assert rebuilt(place) == Rebuilt(manifests=1, added=0)
    assert place.ledger("*") == before
    place.sql(LOST)
    assert rebuilt(place).added == 1
    before = place.ledger("*")
    assert rebuilt(place).added == 0
    assert place.ledger("*") == before


@pytest.mark.usefixtures("both_ways")
def test_rows_that_stayed_are_known_again(place: Place) -> None:
    with_one_that_stayed(place)
    before = place.ledger("generation, state, rows, deleted_upto, deleted_rows, kept_positions, object_key")
    place.sql(LOST)
    rebuilt(place)
    assert place.ledger("generation, state, rows, deleted_upto, deleted_rows, kept_positions, object_key") == before
    place.sql("DELETE FROM analytics.events")
    result = restored(place)
    assert (result.restored, result.kept) == (4, 1)


def test_a_delete_given_up_is_known_again(place: Place) -> None:
    """A rewrite between export and delete: nothing left, so nothing is to come back."""
    place = keyless(place)
    window = place.stored_window()
    place.sql("VACUUM FULL public.notes")
    assert place.delete(window) == Deleted(0, 20)
    place.sql(LOST)
    rebuilt(place)
    result = restored(place)
    assert (result.objects, result.failures) == (0, [])
    assert differences(place) == []


def test_generations_whose_keys_were_taken_before_the_rebuild_are_known_again(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    place.sql(LOST)
    place.events(hours_ago(60))
    place.archive()
    assert place.ledger("generation, state, rows") == [(1, "void", None), (2, "deleted", 1)]
    assert rebuilt(place).added == 1
    assert place.ledger("generation, state, rows") == [(1, "void", 5), (2, "deleted", 1)]
    assert restored(place).restored == 6


def test_a_manifest_that_cannot_be_read_is_named_and_the_others_are_taken_in(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    place.sql(LOST)
    bad, _ = map(manifest_key, place.data_keys())
    flip_a_bit(place, bad)
    place.write(bad, b"{" + place.read(bad))
    result = rebuilt(place)
    assert (result.manifests, result.added) == (2, 1)
    with pytest.raises(Unfinished, match="not a manifest"):
        result.refuse_problems()


def test_after_a_change_of_compression_a_lost_ledger_is_made_again_and_archiving_goes_on(place: Place) -> None:
    """Manifests do not tell in their keys how the data is compressed, so the old ones are in the new ones' way."""
    events(place, rows=5)
    place.archive()
    place.sql(LOST)
    place.events(hours_ago(60))
    place = place.ordered(compression="zstd")
    window = place.window()
    place.export(window)
    with pytest.raises(CheckFailed, match="is another object's manifest"):
        place.check(window)
    place.sql(LOST)
    assert rebuilt(place).added == 1
    assert place.archive() == [Deleted(1, 0)]
    assert place.ledger("generation, state, rows") == [(1, "void", 5), (2, "deleted", 1)]
    assert restored(place).restored == 6


def test_two_compressions_of_one_generation_keep_their_notes_apart(place: Place) -> None:
    with_one_that_stayed(place)
    (manifest,) = place.manifests()
    other = manifest.data.model_copy(update={"key": manifest.data.key.replace(".gz", ".zst")})
    assert read_notes(place.store, manifest.model_copy(update={"data": other})).notes == ()
    assert read_notes(place.store, manifest.model_copy(update={"data": other})).unusable == ()
    assert [note.kept for note in read_notes(place.store, manifest).notes] == [Positions.of([3])]
