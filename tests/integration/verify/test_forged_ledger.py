"""Triggers of a table run in the archive's session and can write to its ledger: verify finds what does not fit."""

from __future__ import annotations

from contextlib import suppress

import pytest

from pg_archiver.domain.windows import DueWindow
from pg_archiver.errors import CheckFailed
from pg_archiver.verify.result import Verified
from pg_archiver.verify.verify_archive import verify
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import restored

pytestmark = pytest.mark.more

OTHER = "WHERE generation = 1 AND cell_start > (SELECT min(cell_start) FROM archiver.windows)"
WROTE = "deleted_by_run_id = 'run 1'"


def verified(place: Place) -> Verified:
    with place.session() as session:
        return verify(session, place.store, place.order)


def two_windows(place: Place) -> tuple[DueWindow, DueWindow]:
    place.sql(EVENTS)
    for hour in (70, 60):
        place.events(*[hours_ago(hour) for _ in range(3)])
    first, second = place.windows()
    return first, second


def forging(place: Place, statement: str) -> None:
    """A trigger that does this to the ledger, once, as soon as rows of the first window go."""
    place.sql(
        f"""
        CREATE FUNCTION public.forge() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {statement}; RETURN NULL; END $$;
        CREATE TRIGGER forge AFTER DELETE ON analytics.events EXECUTE FUNCTION public.forge()
        """
    )


def forged(place: Place, statement: str) -> Verified:
    """What verify finds where the trigger wrote to the line of the other window, and both windows had their turn."""
    first, second = two_windows(place)
    for window in (first, second):
        place.export(window)
        place.check(window)
    forging(place, statement)
    place.delete(first)
    place.sql("DROP TRIGGER forge ON analytics.events")
    # A line by which rows left of a window that has no list is refused, and its rows stay.
    with suppress(CheckFailed):
        place.delete(second)
    return verified(place)


CLAIMS = {
    "deleted": f"UPDATE archiver.windows SET state = 'deleted', deleted_upto = 3, deleted_rows = 3, {WROTE} {OTHER}",
    "done with": f"UPDATE archiver.windows SET deleted_upto = 3, deleted_rows = 3, {WROTE} {OTHER}",
    "partly done": f"UPDATE archiver.windows SET deleted_upto = 2, deleted_rows = 2, {WROTE} {OTHER}",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_rows_that_left_by_the_ledger_and_are_in_the_table_are_a_problem(place: Place, claim: str) -> None:
    found = forged(place, CLAIMS[claim])
    (problem,) = found.problems
    assert "are in it as they were: the ledger was written to by somebody else, as by a trigger" in problem
    assert len(place.live()) == 3
    # What the message says puts it right.
    place.sql(f"UPDATE archiver.windows SET state = 'void' {OTHER}")
    place.ordered(run_id="run 2").archive()
    assert verified(place).problems == []
    assert len(place.live()) == 0
    restored(place)
    assert len(place.live()) == 6


WRONG = {
    "rows": ("SET rows = 4", "has another rows than its manifest"),
    "sha256": ("SET sha256 = 'x'", "has another sha256 than its manifest"),
    "bytes": ("SET object_bytes = 1", "has another object_bytes than its manifest"),
    "object": ("SET object_key = object_key || 'x'", "has another object_key than its manifest"),
    "etag": ("SET etag = 'x'", "has the etag of another one, or none"),
    "no run": ("SET deleted_upto = 3, deleted_rows = 3", "says that rows left, and of no run that deleted them"),
    "kept": (
        f"SET deleted_upto = 3, kept_positions = '{{7,8,9}}', {WROTE}",
        "names rows that stayed which are none of those that were processed",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_line_that_does_not_fit_its_manifest_or_itself_is_a_problem(place: Place, wrong: str) -> None:
    first, second = two_windows(place)
    for window in (first, second):
        place.export(window)
        place.check(window)
    change, words = WRONG[wrong]
    forging(place, f"UPDATE archiver.windows {change} {OTHER}")
    place.delete(first)
    assert words in " ".join(verified(place).problems)


def test_a_window_that_a_trigger_marks_as_checked_deletes_nothing_and_is_a_problem(place: Place) -> None:
    first, second = two_windows(place)
    place.export(first)
    place.check(first)
    place.export(second)
    forging(place, f"UPDATE archiver.windows SET state = 'stored' {OTHER}")
    place.delete(first)
    with pytest.raises(Exception, match="Nothing more is deleted"):
        place.delete(second)
    assert len(place.live()) == 3
    assert "is missing or unusable" in " ".join(verified(place).problems)


def test_a_line_that_a_trigger_makes_up_is_a_problem(place: Place) -> None:
    first, _ = two_windows(place)
    place.export(first)
    place.check(first)
    columns = (
        "client, table_schema, table_name, cell_start, cell_end, span_start, span_end, state, bucket, rows, run_id,"
        " manifest, sha256, etag"
    )
    forging(
        place,
        f"INSERT INTO archiver.windows ({columns}, generation, object_key) SELECT {columns}, 7, object_key || 'x'"
        f" FROM archiver.windows",
    )
    place.delete(first)
    assert "has another object_key than its manifest" in " ".join(verified(place).problems)


def test_what_a_trigger_changes_after_the_end_of_a_delete_is_a_problem(place: Place) -> None:
    first, second = two_windows(place)
    for window in (first, second):
        place.export(window)
        place.check(window)
    place.delete(second)
    forging(place, f"UPDATE archiver.windows SET deleted_upto = 0, deleted_rows = 0 {OTHER}")
    place.delete(first)
    assert "by the ledger 0 rows of" in " ".join(verified(place).problems)


def test_a_line_that_a_trigger_takes_out_is_told(place: Place) -> None:
    first, second = two_windows(place)
    for window in (first, second):
        place.export(window)
        place.check(window)
    place.delete(second)
    forging(place, f"DELETE FROM archiver.windows {OTHER}")
    place.delete(first)
    found = verified(place)
    assert found.problems == []
    assert "the ledger has no line for 1 object with a manifest" in " ".join(found.notes)


@pytest.mark.parametrize("rewrite", ["VACUUM FULL analytics.events", "CLUSTER analytics.events USING events_pkey"])
def test_a_table_that_was_rewritten_or_restored_into_is_no_problem(place: Place, rewrite: str) -> None:
    place.sql(EVENTS)
    place.events(*[hours_ago(60) for _ in range(6)])
    window = place.stored_window()
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id > 4")
    place.delete(window)
    place.sql(rewrite)
    assert verified(place).problems == []
    restored(place)
    found = verified(place)
    assert (found.problems, found.notes) == ([], [])


def test_where_rows_cannot_be_looked_up_by_their_time_that_is_told(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    place.archive()
    place.sql("DROP INDEX analytics.events_triggered_at")
    (note,) = verified(place).notes
    assert "still in the table was not checked: no index begins with triggered_at" in note
    place.sql("DROP TABLE analytics.events")
    assert (verified(place).problems, verified(place).notes) == ([], [])
