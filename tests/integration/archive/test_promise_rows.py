"""A row leaves the table only if that very version of it is in an object that was read back."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.errors import CheckFailed
from pg_archiver.ledger.window_generation import State
from tests.support.concurrency import in_background, wait_for_blocked
from tests.support.hooks import between_keys_and_rows
from tests.support.place import EVENTS, Place, hours_ago

pytestmark = pytest.mark.usefixtures("both_ways")

HOUR = 60


def moments(count: int, hour: int = HOUR) -> list[datetime]:
    """As many moments in one hour that is due."""
    return [hours_ago(hour - number / (count + 1)) for number in range(1, count + 1)]


def names(place: Place) -> list[str]:
    return [row[0] for row in place.sql("SELECT name FROM analytics.events ORDER BY id")]


def archived_names(place: Place) -> Counter[str]:
    return Counter(row[2] for row in place.archived().elements())


def filled(place: Place, rows: int = 3) -> Place:
    place.sql(EVENTS)
    place.sql("CREATE INDEX ON analytics.events (name)")
    place.events(*moments(rows))
    place.sql("UPDATE analytics.events SET name = 'event ' || id")
    return place


def test_rows_that_arrive_after_the_export_stay_and_become_a_second_generation(place_on_both: Place) -> None:
    place = filled(place_on_both)
    window = place.stored_window()
    place.events(*moments(2))
    late = place.csv_of_table()
    assert place.delete(window) == Deleted(3, 0)
    assert len(place.live()) == 2
    (first,) = place.data_keys()
    content = place.read(first)
    assert place.archive() == [Deleted(2, 0)]
    assert len(place.live()) == 0
    assert place.read(first) == content
    assert len(place.data_keys()) == 2
    assert place.archived() == late
    assert place.ledger("generation, state, rows") == [(1, "deleted", 3), (2, "deleted", 2)]


def test_rows_that_arrive_between_two_batches_stay(place: Place) -> None:
    filled(place, 25)
    window = place.stored_window()

    def arriving() -> bool:
        place.events(*moments(1))
        return False

    assert place.delete(window, arriving) == Deleted(25, 0)
    assert len(place.live()) == 3


def test_a_row_updated_after_the_export_stays_and_the_next_run_archives_the_new_version(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE name = 'event 2'")
    assert place.delete(window) == Deleted(2, 1)
    assert names(place) == ["changed"]
    assert place.archive() == [Deleted(1, 0)]
    assert names(place) == []
    assert archived_names(place) == Counter(["event 1", "event 2", "event 3", "changed"])


def test_a_row_updated_to_the_same_values_is_another_version_and_stays(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = name")
    assert place.delete(window) == Deleted(0, 3)
    assert names(place) == ["event 1", "event 2", "event 3"]


def test_an_update_that_commits_while_the_delete_waits_for_it_keeps_its_new_version(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    with place.connect() as user:
        user.execute("UPDATE analytics.events SET name = 'changed' WHERE name = 'event 2'")
        with in_background(lambda: place.delete(window)) as deleting:
            wait_for_blocked(place)
            user.commit()
    assert deleting.result() == Deleted(2, 1)
    assert names(place) == ["changed"]


def test_an_update_that_is_rolled_back_while_the_delete_waits_for_it_leaves_the_version_that_was_archived(
    place: Place,
) -> None:
    filled(place)
    window = place.stored_window()
    with place.connect() as user:
        user.execute("UPDATE analytics.events SET name = 'changed' WHERE name = 'event 2'")
        with in_background(lambda: place.delete(window)) as deleting:
            wait_for_blocked(place)
            user.rollback()
    assert deleting.result() == Deleted(3, 0)
    assert names(place) == []


def test_a_row_that_moves_to_another_hour_stays_there(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET triggered_at = %s WHERE name = 'event 2'", *moments(1, hour=70))
    place.sql("UPDATE analytics.events SET triggered_at = %s WHERE name = 'event 3'", hours_ago(1))
    assert place.delete(window) == Deleted(1, 2)
    assert names(place) == ["event 2", "event 3"]
    assert place.archive() == [Deleted(1, 0)]
    assert names(place) == ["event 3"]


def test_an_update_between_the_export_of_the_rows_and_of_their_identities_is_not_seen_by_either(place: Place) -> None:
    filled(place)
    window = place.window()
    change = "UPDATE analytics.events SET name = 'changed' WHERE name = 'event 2'"
    place.export(window, between_keys_and_rows(place, lambda: place.sql(change)))
    place.check(window)
    assert place.delete(window) == Deleted(2, 1)
    assert names(place) == ["changed"]
    assert archived_names(place) == Counter(["event 1", "event 2", "event 3"])


def test_a_row_inserted_between_the_export_of_the_rows_and_of_their_identities_stays(place: Place) -> None:
    filled(place)
    window = place.window()
    place.export(window, between_keys_and_rows(place, lambda: place.events(*moments(1))))
    assert place.check(window) == 3
    assert place.delete(window) == Deleted(3, 0)
    assert len(place.live()) == 1


def test_a_table_put_in_the_place_of_the_exported_one_loses_nothing(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    place.sql("ALTER TABLE analytics.events RENAME TO events_of_before")
    place.sql("CREATE TABLE analytics.events (LIKE analytics.events_of_before INCLUDING ALL)")
    place.sql("INSERT INTO analytics.events OVERRIDING SYSTEM VALUE SELECT * FROM analytics.events_of_before")
    place.delete(window)
    assert len(place.live()) == 3
    assert place.sql("SELECT count(*) FROM analytics.events_of_before") == [(3,)]


def test_a_table_whose_key_has_changed_since_the_export_loses_nothing_and_is_exported_again(place: Place) -> None:
    filled(place)
    window = place.stored_window()
    place.sql("ALTER TABLE analytics.events DROP CONSTRAINT events_pkey, ALTER name SET NOT NULL")
    place.sql("ALTER TABLE analytics.events ADD PRIMARY KEY (name)")
    place.delete(window)
    assert len(place.live()) == 3
    assert place.ledger("state") == [(State.VOID,)]
    assert place.archive() == [Deleted(3, 0)]
    assert place.ledger("state, deleted_rows") == [(State.VOID, 0), (State.DELETED, 3)]


def test_nothing_is_deleted_before_the_object_was_checked(place: Place) -> None:
    filled(place)
    window = place.window()
    place.export(window)
    with pytest.raises(CheckFailed, match="not checked"):
        place.delete(window)
    assert len(place.live()) == 3
