"""One bad window in a batch keeps nothing else: each step goes on with the others, and fails at its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pg_archiver.archive.delete import delete_all
from pg_archiver.archive.drop_partition import drop
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.store import store_all
from pg_archiver.domain.windows import DueWindow
from pg_archiver.errors import CheckFailed, TableRefused, ValueRefused
from pg_archiver.ledger.window_generation import State
from tests.support.hooks import acting_before
from tests.support.partitions import ROWS, partitioned, partitions
from tests.support.place import EVENTS, Place, hours_ago

# A value that the server cannot write any more, as after a catalog that was damaged.
UNREADABLE = """
    CREATE TYPE mood AS ENUM ('fine', 'lost');
    ALTER TABLE analytics.events ADD mood mood DEFAULT 'fine';
    UPDATE analytics.events SET mood = 'lost' WHERE id = 2;
    SET allow_system_table_mods = on;
    DELETE FROM pg_catalog.pg_enum WHERE enumlabel = 'lost';
    RESET allow_system_table_mods
"""


@pytest.fixture
def three(place: Place) -> Place:
    """Three windows that are due, of a row each."""
    place.sql(EVENTS)
    place.events(hours_ago(60.5), hours_ago(59.5), hours_ago(58.5))
    return place


def export_windows(place: Place, windows: list[DueWindow]) -> None:
    with place.session() as session:
        export_all(session, place.store, place.order, windows)


def check_windows(place: Place, windows: list[DueWindow]) -> None:
    with place.session() as session:
        store_all(session, place.store, place.order, windows)


def delete_windows(place: Place, windows: list[DueWindow]) -> None:
    with place.session() as session:
        delete_all(session, place.store, place.order, windows, lambda: False)


def ids(place: Place) -> list[int]:
    return [row[0] for row in place.sql("SELECT id FROM analytics.events ORDER BY id")]


def test_a_row_that_cannot_be_read(three: Place) -> None:
    three.sql(UNREADABLE)
    windows = three.windows()
    for _night in range(2):
        with pytest.raises(ValueRefused, match="a value does not fit its column"):
            export_windows(three, windows)
        check_windows(three, windows)
        with pytest.raises(CheckFailed, match="could not be exported, so none of its rows may be deleted"):
            delete_windows(three, windows)
        assert ids(three) == [2]
        windows = three.windows()
        assert len(windows) == 1


def test_a_row_that_cannot_be_read_in_a_partition_that_is_due_as_a_whole(place: Place) -> None:
    """The partition cannot be exported whole, so it stays, and its other rows go in batches."""
    partitioned(place, 5, 1)
    place.sql(UNREADABLE)
    (batch,) = place.plan().batches
    assert batch.partition
    windows = place.windows()
    with pytest.raises(ValueRefused):
        export_windows(place, windows)
    check_windows(place, windows)
    with place.session() as session:
        assert drop(session, place.store, place.order, batch.partition) is None
    with pytest.raises(CheckFailed, match="could not be exported, so none of its rows may be deleted"):
        delete_windows(place, windows)
    assert len(partitions(place)) == 2
    assert len([one for one in ids(place) if one <= ROWS]) == 2, "the row that cannot be read, and that of its window"


def test_the_same_in_a_dry_run(three: Place) -> None:
    three.sql(UNREADABLE)
    windows = three.windows()
    with pytest.raises(ValueRefused, match="a value does not fit its column"):
        export_windows(three.ordered(dry_run=True), windows)
    assert three.keys() == []
    assert three.ledger() == []


def test_an_object_that_came_back_damaged(three: Place) -> None:
    windows = three.windows()
    export_windows(three, windows)
    three.write(three.data_keys()[1], b"something else")
    with pytest.raises(CheckFailed, match="Nothing was deleted"):
        check_windows(three, windows)
    delete_windows(three, windows)
    assert ids(three) == [2]
    assert three.ledger("state, cause") == [(State.DELETED, None), (State.VOID, "damaged"), (State.DELETED, None)]


def test_an_object_that_was_replaced_after_it_was_checked(three: Place) -> None:
    windows = three.windows()
    export_windows(three, windows)
    check_windows(three, windows)
    three.write(three.data_keys()[1], b"something else")
    with pytest.raises(CheckFailed, match="was replaced after it was checked"):
        delete_windows(three, windows)
    assert ids(three) == [2]


def test_what_concerns_the_whole_table_is_said_once(three: Place) -> None:
    windows = three.windows()
    three.sql("CREATE RULE nothing AS ON DELETE TO analytics.events DO INSTEAD NOTHING")
    with pytest.raises(TableRefused) as refusal:
        export_windows(three, windows)
    assert str(refusal.value).count("rules change") == 1
    assert len(three.ledger()) == 1


END_SESSION = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"


@pytest.mark.parametrize("step", ["store", "delete"])
def test_a_connection_that_ends_at_the_end_of_a_step_hides_no_damage(three: Place, step: str) -> None:
    windows = three.windows()
    export_windows(three, windows)
    if step == "delete":
        check_windows(three, windows)
    three.write(three.data_keys()[0], b"damaged")
    with acting_before(three, "ledger/windows/flush", lambda: three.sql(END_SESSION)) as session:
        steps: dict[str, Callable[[], object]] = {
            "store": lambda: store_all(session, three.store, three.order, windows),
            "delete": lambda: delete_all(session, three.store, three.order, windows, lambda: False),
        }
        with pytest.raises(CheckFailed, match="connection"):
            steps[step]()
