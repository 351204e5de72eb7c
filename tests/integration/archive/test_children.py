"""Rows that others point to leave only when nothing points to them any more; no child is lost with its parent."""

from __future__ import annotations

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import TableRefused
from pg_archiver.ledger.window_generation import State
from tests.support.children import family, parent_of
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.refusals import refused
from tests.support.restores import restored

pytestmark = [pytest.mark.more, pytest.mark.first_run]
ACTIONS = ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION", "RESTRICT"]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_row_leaves_when_its_last_child_has_left_and_no_child_is_touched(place: Place, action: str) -> None:
    both = family(place, action)
    both.click(1, hours=50)
    both.click(2, hours=1)
    everything = both.parent.csv_of_table()
    assert both.parent.archive() == [Deleted(1, 0)]
    assert (both.events, both.clicks) == ([1, 2], [1, 2])
    assert both.child.archive() == [Deleted(1, 0)]
    assert both.parent.archive() == [Deleted(1, 0)]
    assert (both.events, both.clicks) == ([2], [2])
    place.sql("DELETE FROM analytics.clicks")
    assert both.parent.archive() == [Deleted(1, 0)]
    assert both.parent.ledger("generation, state, rows, deleted_rows")[:1] == [(1, State.DELETED, 1, 1)]
    assert both.parent.csv_of_table().total() == 0
    events = [manifest for manifest in place.manifests() if manifest.table == "events"]
    assert [manifest.rows for manifest in events] == [1, 1, 1]
    assert {row for row in place.archived() if row in everything} == set(everything)


def test_rows_that_wait_are_not_exported_night_after_night(place: Place) -> None:
    both = family(place)
    for event in (1, 2, 3):
        both.click(event)
    keys = place.keys()
    for _ in range(3):
        plan = both.parent.plan()
        assert plan.windows == 0
        assert plan.notes == ("3 of the 3 oldest rows due wait: rows of analytics.clicks point to them",)
        assert both.parent.archive() == []
    assert (place.keys(), place.ledger()) == (keys, [])


@pytest.mark.parametrize("missing", ["nothing", "event_id", "triggered_at"])
def test_the_plan_finds_the_windows_with_and_without_indexes(place: Place, missing: str) -> None:
    both = family(place, events=0)
    place.events(*(hours_ago(hour + part) for hour in range(60, 70) for part in (0.2, 0.7)))
    whole_hour = [hours_ago(65 + part) for part in (0.2, 0.7)]
    place.sql(
        "INSERT INTO analytics.clicks (event_id, at) SELECT id, '2024-01-01' FROM analytics.events"
        " WHERE triggered_at IN (%s, %s) OR extract(minute FROM triggered_at) = 48",
        *whole_hour,
    )
    index = {"event_id": "clicks_event_id_idx", "triggered_at": "events_triggered_at"}.get(missing)
    if index:
        place.sql(f"DROP INDEX analytics.{index}")
    plan = both.parent.plan()
    free = [hours_ago(hour + 1) for hour in reversed(range(60, 70)) if hour != 65]
    assert [window.cell.start for batch in plan.batches for window in batch] == free
    assert "11 of the 20 oldest rows due wait" in plan.notes[-1]
    assert (missing == "nothing") == (len(plan.notes) == 1)


def test_all_of_several_children_must_have_left(place: Place) -> None:
    both = family(place)
    place.sql(
        'CREATE TABLE public."Odd, 100% {notes}" ("a""b" int REFERENCES analytics.events ON DELETE SET NULL);'
        "CREATE TABLE public.plain (event_id bigint REFERENCES analytics.events)"
    )
    place.sql('INSERT INTO public."Odd, 100% {notes}" VALUES (2)')
    place.sql("INSERT INTO public.plain VALUES (3)")
    both.click(1)
    refused(both.parent, TableRefused, "public.Odd, 100% {notes} (ON DELETE SET NULL)", "under 'children'")
    parent = place.ordered(children=(TableName("analytics", "clicks"), TableName("public", "Odd, 100% {notes}")))
    assert parent.plan().windows == 0
    for leaving in ("analytics.clicks", 'public."Odd, 100% {notes}"', "public.plain"):
        place.sql(f"DELETE FROM {leaving}")
        assert parent.archive() == [Deleted(1, 0)]
    assert both.events == []


def test_a_chain_of_three_tables_goes_from_its_end(place: Place) -> None:
    both = family(place, events=2)
    place.sql(
        "CREATE TABLE analytics.marks (click_id int REFERENCES analytics.clicks ON DELETE CASCADE, at timestamp);"
        "CREATE INDEX ON analytics.marks (click_id); CREATE INDEX ON analytics.marks (at)"
    )
    both.click(1, hours=50)
    both.click(2, hours=50)
    place.sql("INSERT INTO analytics.marks VALUES (1, %s), (2, %s)", hours_ago(49), hours_ago(1))
    refused(both.child, TableRefused, "analytics.marks (ON DELETE CASCADE)", "'children' of analytics.clicks")
    chain = [place.on("analytics.marks", "at"), parent_of(both.child, "analytics.marks"), both.parent]
    assert [one.archive() for one in chain] == [[Deleted(1, 0)]] * 3
    assert [one.archive() for one in chain] == [[], [], []]
    assert (both.events, both.clicks) == ([2], [2])
    assert place.sql("SELECT click_id FROM analytics.marks") == [(2,)]


@pytest.mark.parametrize("how", ["CASCADE", "NO ACTION DEFERRABLE INITIALLY DEFERRED"])
def test_a_child_is_restored_after_its_parent_and_says_so(place: Place, how: str) -> None:
    both = family(place, how)
    both.click(2, hours=50)
    assert (both.child.archive(), both.parent.archive()) == ([Deleted(1, 0)], [Deleted(3, 0)])
    early = restored(both.child)
    (failure,) = early.failures
    assert "restore analytics.events for the same span first" in failure
    assert "of_event" in failure
    assert "=(2)" not in failure
    assert (early.restored, both.clicks) == (0, [])
    assert restored(both.parent).restored == 3
    assert restored(both.child).restored == 1
    assert (both.events, both.clicks) == ([1, 2, 3], [2])


def test_missing_rights_are_refused_with_what_to_grant(place: Place) -> None:
    both = family(place)
    rights = ["USAGE ON SCHEMA analytics", "SELECT, DELETE ON analytics.events"]
    blind = both.parent.as_role("blind", *rights)
    refused(blind, TableRefused, "may not read all of analytics.clicks", "SELECT on the table")
    unlocking = both.parent.as_role("unlocking", *rights, "SELECT ON analytics.clicks")
    refused(unlocking, TableRefused, "may not lock rows of analytics.events", "grant UPDATE on one of its columns")
    enough = both.parent.as_role(
        "enough",
        *rights,
        "SELECT ON analytics.clicks",
        "UPDATE (name) ON analytics.events",
        f"CREATE ON DATABASE {place.database}",
    )
    both.click(1)
    place.sql("ALTER TABLE analytics.clicks ENABLE ROW LEVEL SECURITY")
    refused(enough, TableRefused, "may not read all of analytics.clicks", "BYPASSRLS")
    place.sql("ALTER TABLE analytics.clicks DISABLE ROW LEVEL SECURITY")
    assert enough.archive() == [Deleted(2, 0)]


def test_what_the_policy_lists_without_a_foreign_key_is_told(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    place.sql("CREATE TABLE public.other (event_id bigint)")
    parent = parent_of(place, "public.other")
    assert parent.plan().notes == ("'children' lists public.other, of which no foreign key points here",)
    assert parent.archive() == [Deleted(1, 0)]
