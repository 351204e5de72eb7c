"""Every step may be killed at any moment and run again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.archive.export import export
from pg_archiver.errors import ArchiverError, DatabaseInterrupted, DatabaseRefused, Refused, Stopped, Superseded
from pg_archiver.ledger.locks import window_lock
from pg_archiver.ledger.window_generation import State
from tests.support.hooks import between_keys_and_rows, hooked
from tests.support.place import EVENTS, Place, hours_ago

# Of a delete by range `test_delete_by_range_progress.py` asks the same.
pytestmark = pytest.mark.usefixtures("by_list")

ROWS = 25


def filled(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - minute / 60) for minute in range(1, ROWS + 1)))
    return place


def after(calls: int) -> Callable[[], bool]:
    """A `stopping` that lets so many batches through."""
    left = iter([False] * calls)
    return lambda: next(left, True)


class PowerCut(BaseException):
    """What no code of ours catches."""


def cut() -> None:
    raise PowerCut


def test_an_export_killed_before_it_wrote_anything_is_done_again_as_the_next_generation(place: Place) -> None:
    filled(place)
    before = place.csv_of_table()
    window = place.window()
    with pytest.raises(PowerCut):
        place.export(window, hooked(place, lambda _key: cut()))
    assert place.keys() == []
    assert place.ledger("generation, state") == [(1, State.PLANNED)]
    assert place.archive() == [Deleted(ROWS, 0)]
    assert place.ledger("generation, state") == [(1, State.VOID), (2, State.DELETED)]
    assert place.archived() == before


def test_an_export_killed_between_its_two_objects_leaves_one_that_counts_for_nothing(place: Place) -> None:
    filled(place)
    before = place.csv_of_table()
    window = place.window()
    with pytest.raises(PowerCut):
        place.export(window, between_keys_and_rows(place, cut))
    (left,) = place.keys()
    content = place.read(left)
    assert place.archive() == [Deleted(ROWS, 0)]
    assert place.read(left) == content
    assert place.ledger("generation, state") == [(1, State.VOID), (2, State.DELETED)]
    assert place.archived() == before


def test_an_export_whose_connection_breaks_may_be_run_again(place: Place) -> None:
    filled(place)
    window = place.window()
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
    with pytest.raises(DatabaseInterrupted):
        place.export(window, between_keys_and_rows(place, lambda: place.sql(end)))
    assert len(place.live()) == ROWS
    assert place.archive() == [Deleted(ROWS, 0)]


def test_exporting_twice_makes_one_object(place: Place) -> None:
    filled(place)
    window = place.window()
    place.export(window)
    keys = place.keys()
    place.events(hours_ago(59.5))
    place.ordered(run_id="run 2").export(window)
    assert place.keys() == keys
    assert place.ledger("generation, state, run_id") == [(1, State.EXPORTED, "run 1")]
    place.check(window)
    keys = place.keys()
    place.export(window)
    assert place.keys() == keys
    assert place.delete(window) == Deleted(ROWS, 0)


def test_checking_twice_writes_nothing_the_second_time(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    keys, ledger = place.keys(), place.ledger("*")
    assert place.check(window) == 0
    assert (place.keys(), place.ledger("*")) == (keys, ledger)


def test_deleting_twice_tells_the_same_and_changes_nothing(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    first = place.delete(window)
    ledger = place.ledger("*")
    assert place.delete(window) == first == Deleted(ROWS, 0)
    assert place.ledger("*") == ledger


def test_a_delete_that_is_told_to_stop_keeps_its_progress_and_goes_on_without_a_new_export(place: Place) -> None:
    filled(place)
    before = place.csv_of_table()
    window = place.stored_window()
    keys = place.keys()
    with pytest.raises(Stopped, match="after 10 of 25 rows"):
        place.delete(window, after(1))
    assert len(place.live()) == ROWS - 10
    assert place.ledger("state, deleted_upto, deleted_rows") == [(State.STORED, 10, 10)]
    assert place.archive() == [Deleted(ROWS, 0)]
    assert place.keys() == keys
    assert place.ledger("generation, state, deleted_upto, deleted_rows") == [(1, State.DELETED, ROWS, ROWS)]
    assert place.archived() == before


def test_a_delete_that_stops_before_its_first_batch_deletes_nothing(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.delete(window, after(0))
    assert len(place.live()) == ROWS


def test_progress_is_kept_when_the_next_try_has_another_batch_size(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.delete(window, after(1))
    assert place.ordered(batch_size=7).delete(window) == Deleted(ROWS, 0)
    assert len(place.live()) == 0


def test_a_change_between_two_tries_is_seen_by_the_second(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    with pytest.raises(Stopped):
        place.delete(window, after(1))
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = 20")
    assert place.delete(window) == Deleted(ROWS - 1, 1)
    assert place.sql("SELECT id, name FROM analytics.events") == [(20, "changed")]


def test_a_connection_that_breaks_between_two_batches_loses_no_count(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    calls = iter(range(100))

    def breaking() -> bool:
        if next(calls) == 1:
            place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
        return False

    with pytest.raises(DatabaseInterrupted):
        place.delete(window, breaking)
    assert len(place.live()) == ROWS - 10
    assert place.ledger("deleted_upto, deleted_rows") == [(10, 10)]
    assert place.delete(window) == Deleted(ROWS, 0)


REFUSING = """
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'not now'; END $$;
    CREATE TRIGGER refusing BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION public.refuse()
"""


@pytest.mark.parametrize(
    ("event", "table", "condition"),
    [
        ("DELETE", "analytics.events", "OLD.id = 17"),
        ("UPDATE", "archiver.windows", "NEW.deleted_upto > 10"),
    ],
    ids=["in the rows", "in the ledger"],
)
def test_a_batch_that_fails_takes_back_rows_and_ledger_together(
    place: Place, event: str, table: str, condition: str
) -> None:
    filled(place)
    window = place.stored_window()
    place.sql(REFUSING.format(event=event, table=table, condition=condition))
    with pytest.raises(DatabaseRefused, match=r"refuse\(\) raised an error"):
        place.delete(window)
    assert len(place.live()) == ROWS - 10
    assert place.ledger("state, deleted_upto, deleted_rows") == [(State.STORED, 10, 10)]
    place.sql(f"DROP TRIGGER refusing ON {table}")
    assert place.delete(window) == Deleted(ROWS, 0)
    assert len(place.live()) == 0


def test_a_deferred_failure_at_commit_takes_back_rows_and_ledger_together(place: Place) -> None:
    filled(place)
    place.sql(
        "CREATE TABLE analytics.children (event_id bigint REFERENCES analytics.events"
        " DEFERRABLE INITIALLY DEFERRED); INSERT INTO analytics.children VALUES (17)"
    )
    window = place.stored_window()
    with pytest.raises(Refused, match="foreign key"):
        place.delete(window)
    assert len(place.live()) == ROWS - 10
    assert place.ledger("state, deleted_upto, deleted_rows") == [(State.STORED, 10, 10)]


def test_a_process_that_lost_its_lock_cannot_count_or_delete_a_batch_that_another_one_did(place: Place) -> None:
    filled(place)
    before = place.csv_of_table()
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
    assert len(place.live()) == ROWS - 10
    assert place.ledger("state, deleted_upto, deleted_rows") == [(State.STORED, 10, 10)]
    assert place.delete(window) == Deleted(ROWS, 0)
    assert place.archived() == before


def test_an_export_that_lost_its_lock_to_another_run_finds_its_object_void(place: Place) -> None:
    filled(place)
    before = place.csv_of_table()
    window = place.window()
    with place.session() as session:
        lock = window_lock(place.order.table, window.cell)

        def losing_the_lock() -> None:
            session.fetch_all("postgres/session/unlock", name=lock)
            place.ordered(run_id="run 2").export(window)

        with pytest.raises(Superseded):
            export(session, between_keys_and_rows(place, losing_the_lock), place.order, window)
    assert len(place.live()) == ROWS
    assert place.archive() == [Deleted(ROWS, 0)]
    assert place.ledger("generation, state, run_id") == [(1, State.VOID, "run 1"), (2, State.DELETED, "run 2")]
    assert place.archived() == before


def test_an_open_window_larger_than_what_is_due_now_deletes_only_what_is_due(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    (smaller,) = [
        due for batch in place.plan(end=hours_ago(60 - 10.5 / 60)).batches for due in batch if due.cell == window.cell
    ]
    assert place.delete(smaller).rows == 0
    assert len(place.live()) == ROWS
    assert place.ledger("state") == [(State.VOID,)]
    place.export(smaller)
    assert place.check(smaller) == 10
    assert place.delete(smaller) == Deleted(10, 0)
    assert len(place.live()) == ROWS - 10


def test_an_open_window_larger_than_what_is_due_now_is_exported_again(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    (smaller,) = [
        due for batch in place.plan(end=hours_ago(60 - 10.5 / 60)).batches for due in batch if due.cell == window.cell
    ]
    place.export(smaller)
    assert place.check(smaller) == 10
    assert place.delete(smaller) == Deleted(10, 0)
    assert len(place.live()) == ROWS - 10
    assert place.ledger("generation, state, rows") == [(1, State.VOID, ROWS), (2, State.DELETED, 10)]


def test_a_run_that_finds_nothing_left_to_export_leaves_no_object(place: Place) -> None:
    filled(place)
    window = place.window()
    place.sql("DELETE FROM analytics.events")
    place.export(window)
    assert place.check(window) == 0
    assert place.delete(window) == Deleted(0, 0)
    assert place.keys() == []
    assert place.ledger("state") == [(State.VOID,)]


def test_no_step_ever_raises_anything_but_the_archivers_own_errors_for_a_dead_server_session(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    with place.session() as session:
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
        with pytest.raises(ArchiverError):
            delete(session, place.store, place.order, window, lambda: False)
    assert len(place.live()) == ROWS
