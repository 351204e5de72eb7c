"""Children that come, change or commit between an export and the delete, or in the middle of it."""

from __future__ import annotations

import random

import psycopg
import pytest

from pg_archiver.archive.delete import Deleted
from tests.support.children import CLICK, family, waiting_delete
from tests.support.concurrency import in_background, until, wait_for_blocked
from tests.support.place import Place, hours_ago

pytestmark = pytest.mark.more
ACTIONS = ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION", "RESTRICT"]


def test_a_window_whose_rows_all_got_children_since_the_plan_leaves_no_trace(place: Place) -> None:
    both = family(place, events=1)
    window = both.parent.window()
    both.click(1)
    both.parent.export(window)
    assert (place.keys(), place.ledger()) == ([], [])


def test_a_row_that_got_a_child_since_the_export_stays_and_is_archived_later(place: Place) -> None:
    both = family(place)
    window = both.parent.stored_window()
    both.click(2)
    assert both.parent.delete(window) == Deleted(2, 1)
    assert (both.events, both.clicks) == ([2], [2])
    assert place.ledger("state, note") == [
        ("deleted", "1 row(s) changed, or got children, since the export and stayed")
    ]
    assert both.parent.archive() == []
    place.sql("DELETE FROM analytics.clicks")
    assert both.parent.archive() == [Deleted(1, 0)]
    assert both.events == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_child_that_commits_while_the_delete_waits_for_it_keeps_its_parent(place: Place, action: str) -> None:
    both = family(place, action)
    assert waiting_delete(both, CLICK, 2, hours_ago(1)) == Deleted(2, 1)
    assert (both.events, both.clicks) == ([2], [2])


def test_the_isolation_that_a_database_prefers_does_not_matter(place: Place) -> None:
    both = family(place)
    place.sql(f"ALTER DATABASE {place.database} SET default_transaction_isolation = 'repeatable read'")
    assert waiting_delete(both, CLICK, 2, hours_ago(1)) == Deleted(2, 1)
    assert (both.events, both.clicks) == ([2], [2])


def test_a_child_that_is_rolled_back_while_the_delete_waits_for_it_holds_nothing(place: Place) -> None:
    both = family(place)
    assert waiting_delete(both, CLICK, 2, hours_ago(1), commit=False) == Deleted(3, 0)


def test_a_child_that_is_put_under_another_parent_while_the_delete_waits_keeps_that_one(place: Place) -> None:
    both = family(place, events=1)
    place.events(hours_ago(1))
    both.click(2)
    assert waiting_delete(both, "UPDATE analytics.clicks SET event_id = 1") == Deleted(0, 1)
    assert (both.events, both.clicks) == ([1, 2], [1])


def test_a_child_that_comes_while_its_parent_is_being_deleted_is_refused_to_its_user(place: Place) -> None:
    """The delete holds the first row and waits for the second; a child of the first one comes too late."""
    both = family(place, events=2)
    window = both.parent.stored_window()
    with both.parent.connect() as user, both.parent.connect() as late:
        user.execute(CLICK, (2, hours_ago(1)))
        with in_background(lambda: both.parent.delete(window)) as deleting:
            wait_for_blocked(both.parent)
            with in_background(lambda: late.execute(CLICK, (1, hours_ago(1)))) as inserting:
                until(
                    lambda: (
                        place.sql(
                            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                            " AND datname = current_database()"
                        )
                        == [(2,)]
                    )
                )
                user.commit()
            assert isinstance(inserting.exception(), psycopg.errors.ForeignKeyViolation)
            late.rollback()
    assert deleting.result() == Deleted(1, 1)
    assert (both.events, both.clicks) == ([2], [2])


def test_no_child_is_lost_while_many_arrive(place: Place) -> None:
    both = family(place, events=300)
    chance = random.Random(7)  # noqa: S311 (no secret)
    window = both.parent.stored_window()
    committed: list[int] = []

    def clicking() -> None:
        with both.parent.connect() as user:
            user.autocommit = True
            for _ in range(300):
                event = chance.randint(1, 300)
                try:
                    user.execute(CLICK, (event, hours_ago(1)))
                except psycopg.errors.ForeignKeyViolation:
                    continue
                committed.append(event)

    with in_background(clicking):
        until(lambda: len(committed) > 20)
        deleted = both.parent.delete(window)
    assert deleted.rows + deleted.changed == 300
    assert both.clicks == committed
    assert set(committed) <= set(both.events)
    assert len(both.events) == deleted.changed
