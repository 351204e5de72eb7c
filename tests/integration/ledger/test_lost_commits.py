"""A server that lost its last commits: the object is whole in S3, and the ledger's row knows only that it was begun."""

from __future__ import annotations

import pytest

from pg_archiver.verify.rebuild_ledger import rebuild
from pg_archiver.verify.verify_archive import verify
from tests.support.place import Place
from tests.support.restores import differences, keyless, restored

# What the commits after the first of a generation had brought, and the server does not know any more.
LOST = (
    "UPDATE archiver.windows SET state = 'planned', manifest = NULL, rows = NULL, csv_bytes = NULL,"
    " object_bytes = NULL, sha256 = NULL, etag = NULL, exported_at = NULL, stored_at = NULL"
)


@pytest.fixture
def notes(place: Place) -> Place:
    """A table without a key, whose rows left on account of the second object: the first was begun before the crash."""
    place = keyless(place)
    place.sql("CREATE INDEX ON public.notes (at)")
    place.stored_window()
    place.sql("SET archiver.ledger_version = '3'")
    place.sql(LOST)
    place.ordered(run_id="run 2").archive()
    assert place.ledger("generation, state, manifest IS NULL") == [(1, "void", True), (2, "deleted", False)]
    return place


@pytest.mark.parametrize("made_again", [False, True])
def test_a_table_without_a_key_gets_its_rows_once(notes: Place, made_again: bool) -> None:
    if made_again:
        with notes.session() as session:
            assert rebuild(session, notes.store, notes.order).added == 0
    assert notes.sql("SELECT count(*) FROM public.notes") == [(0,)]
    into = restored(notes, into="public.again")
    assert (into.restored, into.failures) == (20, [])
    result = restored(notes)
    assert (result.restored, result.failures) == (20, [])
    assert differences(notes) == []


def test_verify_has_nothing_to_say_about_it(notes: Place) -> None:
    with notes.session() as session:
        found = verify(session, notes.store, notes.order)
    assert (found.problems, found.notes, found.objects) == ([], [], 2)


def test_an_object_of_a_ledger_that_is_gone_is_not_taken_for_its_own(place: Place) -> None:
    """Its key is taken by a row as well, but it is one that never wrote it."""
    place = keyless(place)
    place.archive()
    place.sql("DROP SCHEMA archiver CASCADE")
    place.sql("INSERT INTO public.notes SELECT * FROM public.before LIMIT 1")
    place.archive()
    assert [state for (state,) in place.ledger("state")] == ["void", "deleted"]
    result = restored(place)
    assert result.restored == 1
    assert "no ledger says which of its rows left the table" in result.failures[0]
    assert restored(place, into="public.again").restored == 21
