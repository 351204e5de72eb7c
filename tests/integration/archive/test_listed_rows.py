"""Which windows have a list of their rows: only those whose rows may have to leave by it."""

from __future__ import annotations

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.archive.export import export
from pg_archiver.domain.tables import TableName
from pg_archiver.ledger.window_generation import State
from pg_archiver.objects.object_keys import sidecar_key
from tests.integration.archive.test_delete_by_range import ROWS, deleted_by_range, filled
from tests.support.hooks import MiscountingDatabase
from tests.support.partitions import partitioned
from tests.support.place import Place


def listed(place: Place) -> list[bool]:
    """Whether each object has a list beside it, which its manifest knows."""
    found = [manifest.keys is not None for manifest in place.manifests()]
    keys = place.keys()
    assert found == [sidecar_key(key) in keys for key in place.data_keys()]
    return found


def shy(place: Place) -> Place:
    """The same place for a role to which the server does not say who it is."""
    place.sql("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC")
    place.sql("CREATE SCHEMA IF NOT EXISTS archiver")
    rights = [f"ALL ON ALL TABLES IN SCHEMA {name}" for name in ("analytics", "archiver")]
    return place.as_role("shy", "ALL ON SCHEMA analytics", "ALL ON SCHEMA archiver", *rights)


def test_rows_that_leave_by_range_are_not_listed(place: Place) -> None:
    window = filled(place).stored_window()
    assert listed(place) == [False]
    assert deleted_by_range(place, window)
    assert len(place.keys()) == 2


@pytest.mark.usefixtures("by_list")
def test_rows_that_may_be_younger_than_the_snapshot_are(place: Place) -> None:
    window = filled(place).stored_window()
    assert listed(place) == [True]
    assert place.delete(window) == Deleted(ROWS, 0)


def test_those_of_partitions_are_since_a_whole_one_is_compared_with_its_lists(place: Place) -> None:
    partitioned(place, 5)
    place.with_policy(drop_partitions=False).archive()
    assert set(listed(place)) == {True}


def test_where_the_server_does_not_say_who_it_is_they_are_and_leave_by_that(place: Place) -> None:
    place = shy(filled(place))
    window = place.stored_window()
    assert listed(place) == [True]
    assert not deleted_by_range(place, window)
    assert place.live().total() == 0


def test_where_it_does_not_say_so_at_the_delete_they_stay_and_are_listed_by_the_next_run(place: Place) -> None:
    window = filled(place).stored_window()
    place = shy(place)
    assert place.delete(window) == Deleted(0, ROWS)
    assert place.live().total() == ROWS
    assert place.archive() == [Deleted(ROWS, 0)]
    assert listed(place) == [False, True]


def test_nor_do_those_of_a_list_leave_by_range_then(place: Place) -> None:
    partitioned(place, 5)
    window, *_ = place.windows()
    place.export(window)
    place.check(window)
    (manifest,) = place.manifests()
    assert manifest.sub_ranges
    assert not deleted_by_range(shy(place), window)
    assert place.ledger("deleted_rows") == [(manifest.rows,)]


def test_where_the_parts_of_a_window_are_counted_wrongly_its_rows_are_listed_too(place: Place) -> None:
    window = filled(place).window()
    with MiscountingDatabase.connect(place.connect, place.database, "test") as session:
        export(session, place.store, place.order, window)
    assert place.ledger("generation, state") == [(1, State.VOID), (2, State.EXPORTED)]
    place.check(window)
    assert listed(place) == [True]
    assert place.delete(window) == Deleted(ROWS, 0)


def test_children_listed_since_keep_rows_that_have_no_list(place: Place) -> None:
    window = filled(place).stored_window()
    place.sql("CREATE TABLE analytics.clicks (event_id bigint REFERENCES analytics.events ON DELETE CASCADE)")
    with_children = place.ordered(children=(TableName("analytics", "clicks"),))
    assert with_children.delete(window) == Deleted(0, ROWS)
    assert with_children.archive() == [Deleted(ROWS, 0)]
    assert listed(place) == [False, True]


def test_where_it_no_longer_says_who_it_is_nothing_leaves_by_range_and_that_is_told(place: Place) -> None:
    window = filled(place).stored_window()
    assert listed(place) == [False]
    assert shy(place).delete(window).rows == 0
    ((state, note),) = place.ledger("state, note")
    assert state == State.VOID
    assert "the server does not say who it is now" in note
    assert "grant EXECUTE on the function pg_control_system()" in note
