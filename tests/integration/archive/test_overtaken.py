"""A process whose lock was lost, and that another one has overtaken, learns it from the ledger and does no harm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.archive.store import store
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import OnConflict, RestoreOrder
from pg_archiver.errors import Stopped, Superseded
from pg_archiver.ledger.locks import window_lock
from pg_archiver.ledger.partition_drops import PartitionDropLog
from pg_archiver.ledger.window_generation import State
from pg_archiver.postgres.session import Session
from pg_archiver.restore.restore import restore
from tests.support.hooks import acting_before
from tests.support.partitions import checked, only, partitioned
from tests.support.place import Place, hours_ago
from tests.support.restores import LONG_AGO, NOW, differences, events, keyless, restored

ROWS = 25
BEFORE, AFTER = {"end": hours_ago(60 - 10.5 / 60)}, {"start": hours_ago(60 - 10.5 / 60)}


def part_of(place: Place, window: DueWindow, limits: dict[str, datetime]) -> DueWindow:
    """The window as a run sees it that is limited to a part of it."""
    (found,) = [due for batch in place.plan(2, **limits).batches for due in batch if due.cell == window.cell]
    return found


def without_its_lock(place: Place, session: Session, window: DueWindow, action: Callable[[], object]) -> None:
    """Another process does something with the window after this session has lost its lock on it."""
    session.fetch_all("postgres/session/unlock", name=window_lock(place.order.table, window.cell))
    action()


def first_batch_of(place: Place, window: DueWindow) -> None:
    left = iter([False])
    with pytest.raises(Stopped):
        place.delete(window, lambda: next(left, True))


@pytest.mark.usefixtures("both_ways")
def test_a_delete_whose_generation_another_one_gave_up_deletes_nothing(place: Place) -> None:
    events(place)
    window = place.stored_window()
    smaller = part_of(place, window, BEFORE)
    asked: list[int] = []
    with place.session() as session:

        def giving_up() -> bool:
            if not asked:
                asked.append(1)
                without_its_lock(place, session, window, lambda: place.delete(smaller))
            return False

        with pytest.raises(Superseded):
            delete(session, place.store, place.order, window, giving_up)
    assert len(place.live()) == ROWS
    assert place.ledger("state, deleted_rows") == [(State.VOID, 0)]


@pytest.mark.usefixtures("by_list")
def test_a_generation_of_which_rows_have_left_meanwhile_does_not_become_void(place: Place) -> None:
    events(place)
    window = place.stored_window()
    smaller = part_of(place, window, BEFORE)
    with (
        acting_before(
            place,
            "ledger/windows/mark_void",
            lambda: without_its_lock(place, database, window, lambda: first_batch_of(place, window)),
        ) as database,
        pytest.raises(Superseded),
    ):
        delete(database, place.store, place.order, smaller, lambda: False)
    assert place.ledger("state, deleted_upto, deleted_rows") == [(State.STORED, 10, 10)]
    assert place.delete(window) == Deleted(ROWS, 0)


@pytest.mark.usefixtures("by_list")
def test_a_generation_that_has_ended_meanwhile_does_not_become_void(place: Place) -> None:
    events(place)
    window = place.stored_window()
    smaller = part_of(place, window, BEFORE)
    place.sql("UPDATE analytics.events SET name = 'changed'")
    with (
        acting_before(
            place,
            "ledger/windows/mark_void",
            lambda: without_its_lock(place, database, window, lambda: place.delete(window)),
        ) as database,
        pytest.raises(Superseded),
    ):
        delete(database, place.store, place.order, smaller, lambda: False)
    assert place.ledger("state, deleted_rows") == [(State.DELETED, 0)]


def test_an_object_whose_generation_another_one_gave_up_is_not_vouched_for(place: Place) -> None:
    events(place)
    window = place.window()
    place.export(window)
    smaller = part_of(place, window, BEFORE)
    with (
        acting_before(
            place,
            "ledger/windows/mark_stored",
            lambda: without_its_lock(place, database, window, lambda: place.export(smaller)),
        ) as database,
        pytest.raises(Superseded),
    ):
        store(database, place.store, place.order, window)
    assert place.ledger("generation, state") == [(1, State.VOID), (2, State.EXPORTED)]


@pytest.mark.usefixtures("by_list")
def test_a_delete_that_another_one_ended_is_not_ended_twice(place: Place) -> None:
    events(place)
    window = place.stored_window()
    other = place.ordered(run_id="run 2")
    with (
        acting_before(
            place,
            "ledger/windows/mark_deleted",
            lambda: without_its_lock(place, database, window, lambda: other.delete(window)),
        ) as database,
        pytest.raises(Superseded),
    ):
        delete(database, place.store, place.order, window, lambda: False)
    assert place.ledger("state, deleted_rows, deleted_by_run_id") == [(State.DELETED, ROWS, "run 2")]


def test_a_drop_that_another_one_ended_is_not_ended_twice(place: Place) -> None:
    partitioned(place, 5)
    partition = only(checked(place))
    with place.session() as session:
        drops = PartitionDropLog(session, place.order)
        number = drops.begin(partition)
        drops.end(number, "attached", "another run said so")
        with pytest.raises(Superseded):
            drops.end(number, "dropped")
    assert place.sql("SELECT state, note FROM archiver.partitions") == [("attached", "another run said so")]


@pytest.mark.parametrize("limits", [BEFORE, AFTER], ids=["its end", "its beginning"])
def test_a_generation_that_holds_more_than_is_due_now_at_either_end_deletes_nothing(
    place: Place, limits: dict[str, datetime]
) -> None:
    events(place)
    window = place.stored_window()
    smaller = part_of(place, window, limits)
    assert place.delete(smaller) == Deleted(0, ROWS)
    assert len(place.live()) == ROWS
    assert place.ledger("state") == [(State.VOID,)]


@pytest.mark.parametrize("limits", [BEFORE, AFTER], ids=["its end", "its beginning"])
def test_a_generation_that_holds_more_than_is_due_now_at_either_end_is_exported_again(
    place: Place, limits: dict[str, datetime]
) -> None:
    events(place)
    window = place.stored_window()
    smaller = part_of(place, window, limits)
    place.export(smaller)
    (rows,) = [place.check(smaller)]
    assert place.delete(smaller) == Deleted(rows, 0)
    assert len(place.live()) == ROWS - rows
    assert place.ledger("generation, state, rows") == [(1, State.VOID, ROWS), (2, State.DELETED, rows)]


def test_a_restore_that_another_one_overtakes_brings_no_row_twice(place: Place) -> None:
    place = keyless(place)
    window = place.window()
    place.archive()
    order = RestoreOrder(place.order, LONG_AGO, NOW, None, OnConflict.SKIP)
    with acting_before(
        place, "restore/lock_object", lambda: without_its_lock(place, database, window, lambda: restored(place))
    ) as database:
        found = restore(database, place.store, order)
    assert (found.restored, found.already) == (0, 20)
    assert differences(place) == []
