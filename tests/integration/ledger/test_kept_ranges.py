"""Rows that stayed are noted as ranges, in the ledger and beside the object, however many they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pg_archiver.domain.row_numbers import Positions
from pg_archiver.domain.windows import DueWindow
from pg_archiver.errors import Stopped
from pg_archiver.ledger.migrations import list_migrations
from pg_archiver.ledger.removed_rows import find_removed_rows
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Session
from pg_archiver.verify.rebuild_ledger import rebuild
from tests.integration.verify.test_rebuild_ledger import LOST
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import differences, events, remembered, restored

# By range rows leave part by part, and numbers are noted at the end alone: `test_delete_by_range_progress.py`.
pytestmark = [pytest.mark.more, pytest.mark.usefixtures("by_list")]

MANY = 12_000
SIZE = "SELECT pg_column_size(kept) + coalesce(pg_column_size(kept_positions), 0) FROM archiver.windows"
FILES = (
    "SELECT pg_relation_filenode(oid), pg_relation_filenode(reltoastrelid) FROM pg_class"
    " WHERE oid = 'archiver.windows'::regclass"
)
OLD_PROGRESS = Path(__file__).parents[2] / "cases" / "format_1" / "sql" / "ledger_progress.sql"


def with_many(place: Place, changed: str) -> DueWindow:
    """A window of many rows that was checked, of which some were changed since."""
    place.sql(EVENTS)
    place.sql(
        "INSERT INTO analytics.events (triggered_at, name) SELECT %s, 'event' FROM generate_series(1, %s)",
        hours_ago(60),
        MANY,
    )
    window = place.stored_window()
    place.sql(f"UPDATE analytics.events SET name = 'changed' WHERE {changed}")
    remembered(place)
    return window


def note(place: Place) -> dict[str, Any]:
    (found,) = (json.loads(place.read(key)) for key in place.keys() if ".kept." in key)  # noqa: SIM118
    return dict(found)


def stopped_after(place: Place, window: DueWindow, batches: int) -> None:
    left = iter(range(batches))
    with pytest.raises(Stopped):
        place.delete(window, lambda: next(left, None) is None)


def test_a_window_of_which_every_row_changed_takes_no_more_room_than_one_of_which_one_did(place: Place) -> None:
    place = place.ordered(batch_size=1000)
    place.delete(with_many(place, "true"))
    assert place.ledger("state, deleted_upto, deleted_rows, kept_positions, kept::text") == [
        ("deleted", MANY, 0, None, "{[1,12001)}")
    ]
    ((bytes_,),) = place.sql("SELECT pg_column_size(windows) FROM archiver.windows")
    assert bytes_ < 5000
    found = note(place)
    assert (found["format"], found["deleted_upto"], found["kept"]) == (3, MANY, "{[1,12001)}")
    assert len(json.dumps(found)) < 500


def test_each_batch_writes_as_much_as_the_one_before_it(place: Place) -> None:
    """A list of all rows so far would make it ever more."""
    place = place.ordered(batch_size=1000)
    window = with_many(place, "true")
    sizes = []
    for _ in range(11):
        stopped_after(place, window, 1)
        ((size,),) = place.sql(
            "SELECT pg_column_size(kept) + coalesce(pg_column_size(kept_positions), 0) FROM archiver.windows"
        )
        sizes.append(size)
    assert max(sizes) < 9000
    assert sizes[-1] <= sizes[1] < 200


def test_few_rows_are_listed_as_they_always_were(place: Place) -> None:
    events(place, rows=5)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id IN (2, 4)")
    place.delete(window)
    assert place.ledger("kept_positions, kept::text") == [([2, 4], "{[2,3),[4,5)}")]
    assert (note(place)["format"], note(place)["kept"]) == (2, [2, 4])


@pytest.mark.parametrize("changed", ["true", "id % 3 = 0", "id <= 11000", "id = 7"])
def test_what_stayed_is_known_to_a_restore_with_the_ledger_with_the_note_alone_and_with_one_made_again(
    place: Place, changed: str
) -> None:
    place = place.ordered(batch_size=5000)
    place.delete(with_many(place, changed))
    before = {(gone.upto, gone.kept) for gone in told(place)}
    first = restored(place)
    place.sql("DELETE FROM analytics.events; DELETE FROM archiver.restores")
    place.sql(LOST)
    assert {(gone.upto, gone.kept) for gone in told(place)} == before
    with place.session() as session:
        assert rebuild(session, place.store, place.order).added == 1
    assert {(gone.upto, gone.kept) for gone in told(place)} == before
    second = restored(place)
    assert second.restored == first.restored == MANY - second.kept


def told(place: Place) -> list[Any]:
    with place.session() as session:
        ledger = WindowLedger(session, place.order)
        ledger.migrate()
        return [find_removed_rows(ledger, place.store, manifest) for manifest in place.manifests()]


def test_what_an_older_worker_noted_in_between_counts_as_well(place: Place) -> None:
    """It knows the list alone, and writes nothing else; a longer one it has no way to read."""
    place = events(place, rows=9).ordered(batch_size=3)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id IN (2, 5, 8)")
    remembered(place)
    stopped_after(place, window, 1)
    ((number, run_id),) = place.sql("SELECT id, run_id FROM archiver.windows")
    with place.connect() as older, older.transaction():
        older.execute("SET LOCAL archiver.ledger_version = '3'")
        older.execute("DELETE FROM analytics.events WHERE id IN (4, 6)")
        values = {"id": number, "after": 3, "upto": 6, "deleted": 2, "kept": [5], "run_id": run_id}
        assert older.execute(OLD_PROGRESS.read_bytes(), values).rowcount == 1
    assert place.ledger("kept_positions, kept::text") == [([2, 5], "{[2,3)}")]
    with place.session() as session:
        row = WindowLedger(session, place.order).find_latest(window.cell)
    assert row is not None
    assert row.kept == Positions.of([2, 5])
    place.delete(window)
    assert place.ledger("kept_positions, kept::text") == [([2, 5, 8], "{[2,3),[5,6),[8,9)}")]
    result = restored(place)
    assert (result.restored, result.kept) == (6, 3)
    assert differences(place) == []


def test_a_list_of_a_former_version_becomes_ranges_with_the_next_batch(place: Place) -> None:
    place = place.ordered(batch_size=4000)
    window = with_many(place, "true")
    stopped_after(place, window, 1)
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET kept = NULL, kept_positions = ARRAY(SELECT generate_series(1, 4000))")
    place.delete(window)
    assert place.ledger("deleted_upto, deleted_rows, kept_positions, kept::text") == [(MANY, 0, None, "{[1,12001)}")]


def test_the_ledger_is_brought_to_ranges_without_being_rewritten(place: Place) -> None:
    place.sql(EVENTS)
    with place.session() as session:
        as_it_was_before(session)
    place.sql("SET archiver.ledger_version = '3'")
    place.sql(
        "INSERT INTO archiver.windows (client, table_schema, table_name, cell_start, cell_end, generation, span_start,"
        " span_end, state, bucket, object_key, run_id, rows, deleted_upto, deleted_rows, kept_positions)"
        " VALUES (%s, 'analytics', 'events', %s, %s, 1, %s, %s, 'void', 'b', 'k', 'r', 5, 5, 3, '{2,4}')",
        place.database,
        *(hours_ago(60), hours_ago(59)) * 2,
    )
    before = place.sql(FILES)
    with place.session() as session:
        ledger = WindowLedger(session, place.order)
        ledger.migrate()
        row = ledger.find_by_object("b", "k")
    assert place.sql(FILES) == before
    assert row is not None
    assert (row.kept, row.deleted_upto, row.token) == (Positions.of([2, 4]), 5, None)
    assert place.ledger("kept_positions, kept") == [([2, 4], None)]


def as_it_was_before(session: Session) -> None:
    with session.transaction():
        for number, path in list_migrations():
            if number < 19:
                session.run_script(path.read_text(encoding="utf-8"))
                if number > 1:
                    session.execute("ledger/schema/record_migration", number=number, name=path.stem)
