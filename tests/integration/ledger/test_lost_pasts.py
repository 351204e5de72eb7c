"""A database that was brought back to before a delete: what the lost past noted in S3 misleads nobody for good."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.domain.row_numbers import NONE, Positions
from pg_archiver.domain.windows import DueWindow
from pg_archiver.ledger.removed_rows import RemovedRows, find_removed_rows
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.objects.object_keys import kept_folder
from pg_archiver.verify.rebuild_ledger import rebuild
from pg_archiver.verify.verify_archive import verify
from tests.integration.verify.test_rebuild_ledger import LOST
from tests.support.place import Place
from tests.support.restores import events, restored
from tests.support.server_copies import brought_back

pytestmark = pytest.mark.more

CHANGE = "UPDATE analytics.events SET name = 'changed' WHERE id = ANY(%s)"
OLDER_TIMELINE = "UPDATE archiver.windows SET manifest = jsonb_set(manifest, '{server,timeline}', '0')"


@pytest.fixture
def window(place: Place) -> DueWindow:
    """One window of five rows, exported and checked."""
    events(place, rows=5)
    return place.stored_window()


@pytest.fixture
def pasts(place: Place, window: DueWindow) -> Iterator[tuple[Place, Place]]:
    """The past that will be lost, and the one that goes on."""
    assert window
    with brought_back(place) as both:
        yield both


def delete_all_but(place: Place, window: DueWindow, *rows: int) -> None:
    place.sql(CHANGE, list(rows))
    assert place.delete(window) == Deleted(5 - len(rows), len(rows))
    assert place.ledger("state, deleted_upto, kept_positions") == [("deleted", 5, list(rows))]


def notes(place: Place) -> list[str]:
    return [key for key in place.keys() if ".kept." in key]  # noqa: SIM118


def told(place: Place) -> RemovedRows:
    """What is told of the one object to who has its bucket, and the ledger if there is one."""
    with place.session() as session:
        ledger = WindowLedger(session, place.order)
        ledger.migrate()
        (manifest,) = place.manifests()
        return find_removed_rows(ledger, place.store, manifest)


def told_without_ledger(place: Place) -> RemovedRows:
    place.sql(LOST)
    return told(place)


def verified(place: Place) -> tuple[list[str], list[str]]:
    with place.session() as session:
        found = verify(session, place.store, place.order)
    return found.problems, found.notes


def note_of_format_1(place: Place, *kept: int) -> None:
    """What an older version left beside the one object."""
    (manifest,) = place.manifests()
    content = {
        "format": 1,
        "data_key": manifest.data.key,
        "data_sha256": manifest.data.sha256,
        "deleted_upto": 5,
        "kept": kept,
    }
    place.write(f"{kept_folder(manifest.data.key)}000000000005.json", json.dumps(content).encode())


def test_a_delete_ends_beside_the_note_of_a_lost_past_and_the_last_note_counts(
    pasts: tuple[Place, Place], window: DueWindow
) -> None:
    lost, place = pasts
    delete_all_but(lost, window, 3)
    before = {key: place.read(key) for key in notes(place)}
    delete_all_but(place, window, 4)
    assert len(notes(place)) == 2
    assert {key: place.read(key) for key in before} == before
    problems, said = verified(place)
    assert problems == []
    assert "1 note on" in said[0]
    assert "of another past of the database: the ledger says that 4 of its 5 rows left" in said[0]
    assert told(place) == RemovedRows(known=True, upto=5, kept=Positions.of([4]))
    gone = told_without_ledger(place)
    assert (gone.known, gone.upto, gone.kept) == (False, 5, Positions.of([4]))
    assert (gone.disputed, gone.doubtful) == (NONE, False)
    assert "1 note on" in gone.notes[0]


def test_where_all_rows_left_the_note_of_a_lost_past_is_answered(pasts: tuple[Place, Place], window: DueWindow) -> None:
    lost, place = pasts
    delete_all_but(lost, window, 3)
    place.sql("SET archiver.ledger_version = '3'")
    place.sql(OLDER_TIMELINE)
    delete_all_but(place, window)
    assert len(notes(place)) == 2
    gone = told_without_ledger(place)
    assert (gone.upto, gone.kept, gone.disputed) == (5, NONE, NONE)
    place.sql("DELETE FROM analytics.events")
    assert restored(place).restored == 5


def test_a_lost_past_of_the_same_timeline_is_told_by_verify_and_answered_by_rebuild(
    pasts: tuple[Place, Place], window: DueWindow
) -> None:
    """A crash that lost commits, or files that were copied back, begins no new timeline."""
    lost, place = pasts
    delete_all_but(lost, window, 3)
    delete_all_but(place, window)
    assert len(notes(place)) == 1
    problems, said = verified(place)
    assert problems == []
    assert "of another past of the database: the ledger says that 5 of its 5 rows left" in said[0]
    with place.session() as session:
        assert rebuild(session, place.store, place.order).noted == 1
        assert rebuild(session, place.store, place.order).noted == 0
    gone = told_without_ledger(place)
    assert (gone.upto, gone.kept, gone.disputed) == (5, NONE, NONE)


def test_the_same_rows_in_another_past_need_no_second_note(pasts: tuple[Place, Place], window: DueWindow) -> None:
    lost, place = pasts
    delete_all_but(lost, window, 3)
    delete_all_but(place, window, 3)
    assert len(notes(place)) == 1
    assert verified(place) == ([], [])


@pytest.mark.parametrize("damage", [b"{}", b"", b"\xff\x00", b'{"format": 3}'])
def test_a_damaged_note_ends_no_delete_and_the_new_one_is_written_beside_it(
    pasts: tuple[Place, Place], window: DueWindow, damage: bytes
) -> None:
    lost, place = pasts
    delete_all_but(lost, window, 3)
    (damaged,) = notes(place)
    place.write(damaged, damage)
    delete_all_but(place, window, 3)
    assert place.read(damaged) == damage
    assert len(notes(place)) == 2
    problems, said = verified(place)
    assert problems == []
    assert f"{damaged} is not a note that this version can read" in said[0]
    gone = told_without_ledger(place)
    assert (gone.upto, gone.kept, gone.doubtful) == (5, Positions.of([3]), False)


def test_a_note_whose_rows_were_changed_on_their_way_is_damaged(place: Place, window: DueWindow) -> None:
    delete_all_but(place, window, 3)
    (key,) = notes(place)
    place.write(key, place.read(key).replace(b'"kept":[3]', b'"kept":[2]'))
    problems, _ = verified(place)
    assert "tells, as the ledger does, which of its 5 rows stayed in the table" in problems[0]
    gone = told_without_ledger(place)
    assert (gone.upto, gone.kept, gone.doubtful) == (5, NONE, True)
    assert f"{key} is damaged" in gone.notes[0]
    assert "is not known" in gone.notes[1]


def test_a_note_that_is_missing_is_a_problem_and_rebuild_writes_it(place: Place, window: DueWindow) -> None:
    delete_all_but(place, window, 3)
    (key,) = notes(place)
    place.remove(key)
    problems, _ = verified(place)
    assert "no note beside" in problems[0]
    with place.session() as session:
        assert rebuild(session, place.store, place.order).noted == 1
    assert verified(place) == ([], [])
    assert told_without_ledger(place).kept == Positions.of([3])


def test_a_try_that_died_at_the_end_finds_its_own_note(place: Place, window: DueWindow) -> None:
    delete_all_but(place, window, 3)
    before = place.keys()
    place.sql("SET archiver.ledger_version = '3'")
    # As it was when the last rows had left by their ranges of time.
    place.sql("UPDATE archiver.windows SET state = 'stored', deleted_at = NULL, deleted_upto = 0")
    place.sql("UPDATE archiver.windows SET kept = NULL, kept_positions = '{}'")
    assert place.delete(window) == Deleted(4, 1)
    assert place.keys() == before


def test_the_next_try_writes_the_note_that_one_who_died_did_not(place: Place, window: DueWindow) -> None:
    delete_all_but(place, window, 3)
    (key,) = notes(place)
    place.remove(key)
    assert place.delete(window) == Deleted(4, 1)
    assert notes(place) == [key]


@pytest.mark.usefixtures("by_list")
def test_a_server_that_tells_nothing_of_itself_ends_no_delete(place: Place, window: DueWindow) -> None:
    for function in ("pg_control_system()", "pg_walfile_name(pg_lsn)", "pg_current_wal_lsn()"):
        place.sql(f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC")
    everything = [
        right
        for schema in ("analytics", "archiver")
        for right in (f"ALL ON SCHEMA {schema}", f"ALL ON ALL TABLES IN SCHEMA {schema}")
    ]
    delete_all_but(place.as_role("shy", *everything), window, 3)
    (note,) = (json.loads(place.read(key)) for key in notes(place))
    assert (note["format"], note["system_identifier"], note["timeline"], note["kept"]) == (2, None, None, [3])


def test_a_note_tells_of_which_past_it_is(place: Place, window: DueWindow) -> None:
    delete_all_but(place, window, 3)
    (note,) = (json.loads(place.read(key)) for key in notes(place))
    ((system,),) = place.sql("SELECT system_identifier::text FROM pg_control_system()")
    assert (note["system_identifier"], note["timeline"]) == (system, 1)
    assert note["written_at"]


def test_notes_of_the_first_format_are_read_for_ever(place: Place, window: DueWindow) -> None:
    delete_all_but(place, window, 3)
    (key,) = notes(place)
    place.remove(key)
    note_of_format_1(place, 3)
    assert verified(place) == ([], [])
    gone = told_without_ledger(place)
    assert (gone.upto, gone.kept, gone.notes) == (5, Positions.of([3]), ())


def test_rows_of_which_notes_differ_whose_order_nobody_knows_are_disputed(place: Place, window: DueWindow) -> None:
    delete_all_but(place, window, 3)
    note_of_format_1(place, 4)
    gone = told_without_ledger(place)
    assert (gone.upto, gone.kept, gone.disputed, gone.doubtful) == (5, NONE, Positions.of([3, 4]), False)
    assert "contradict each other about 2 rows" in gone.notes[0]
    with place.session() as session:
        found = rebuild(session, place.store, place.order)
    assert (found.added, found.problems, found.notes) == (1, [], list(gone.notes))
    assert place.ledger("state, deleted_upto, kept_positions") == [("deleted", 5, [3, 4])]


def test_with_no_note_that_can_be_read_all_rows_are_in_doubt_and_the_rebuilt_ledger_claims_nothing(
    place: Place, window: DueWindow
) -> None:
    delete_all_but(place, window, 3)
    (key,) = notes(place)
    place.write(key, b"{}")
    gone = told_without_ledger(place)
    assert (gone.upto, gone.kept, gone.disputed, gone.doubtful) == (5, NONE, NONE, True)
    problems, _ = verified(place)
    assert "not a note that this version can read" in problems[0]
    with place.session() as session:
        found = rebuild(session, place.store, place.order)
    assert (found.added, found.notes) == (1, list(gone.notes))
    assert place.ledger("state, deleted_upto") == [("void", 0)]


@pytest.mark.parametrize("field", ["data_key", "data_sha256"])
def test_a_note_of_another_object_is_told_and_not_believed(place: Place, window: DueWindow, field: str) -> None:
    delete_all_but(place, window, 3)
    (key,) = notes(place)
    place.write(key, json.dumps(json.loads(place.read(key)) | {field: "another"}).encode())
    gone = told_without_ledger(place)
    assert gone.doubtful
    assert "speaks of another object" in gone.notes[0]
