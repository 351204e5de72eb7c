"""The window chain on real parts: what is archived, what is deleted, and what must never be."""

from __future__ import annotations

from tests.support.place import EVENTS, Place, hours_ago


def test_a_run_moves_what_is_due_and_only_that(place_on_both: Place) -> None:
    place = place_on_both
    place.sql(EVENTS)
    place.events(*(hours_ago(hours + 0.5) for hours in range(24, 60)))
    before = place.csv_of_table()
    place.archive()
    assert len(place.live()) == 24
    assert place.sql("SELECT min(triggered_at) FROM analytics.events")[0][0] >= hours_ago(48)
    assert place.archived() + place.csv_of_table() == before
    assert {row[0] for row in place.ledger()} == {"deleted"}


def test_running_again_changes_nothing(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(hours_ago(hours) for hours in range(47, 52)))
    place.archive()
    keys, ledger = place.keys(), place.ledger("*")
    assert place.archive() == []
    assert place.keys() == keys
    assert place.ledger("*") == ledger
