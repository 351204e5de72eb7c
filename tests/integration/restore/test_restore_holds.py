"""Restored rows stay in the table until their hold ends: plan and export leave them alone, and nothing else."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.postgres.session import Session
from tests.support.hooks import before_statement
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, events, restored


def back(place: Place, hold_days: int = 7) -> Place:
    """Rows of two hours, archived and restored."""
    events(place, rows=90)
    place.archive()
    restored(place, hold_days=hold_days)
    return place


def ended(place: Place) -> None:
    place.sql("UPDATE archiver.restores SET hold_until = clock_timestamp() - interval '1 second'")


def test_the_next_runs_leave_restored_rows_alone_until_the_hold_ends(place: Place) -> None:
    back(place)
    plan = place.plan()
    assert plan.batches == ()
    assert len([note for note in plan.notes if "held by a restore until" in note]) == 1
    assert place.archive() == []
    assert differences(place) == []
    ended(place)
    assert place.archive() == [Deleted(60, 0), Deleted(30, 0)]
    assert restored(place).restored == 90
    assert differences(place) == []


def test_the_form_sets_how_long_it_lasts(place: Place) -> None:
    back(place, hold_days=30)
    days = "SELECT round(extract(epoch FROM min(hold_until) - now()) / 86400) FROM archiver.restores"
    assert place.sql(days) == [(30,)]
    restored(place, hold_days=60)
    assert place.sql(days.replace("min", "max")) == [(60,)], "a second restore of the same rows holds them longer"


def test_no_days_are_no_hold(place: Place) -> None:
    back(place, hold_days=0)
    assert len(place.plan().batches) == 2


def test_only_windows_with_restored_rows_are_held(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    restored(place, hours_ago(59), hours_ago(58))
    place.events(hours_ago(60), hours_ago(70))
    assert [window.cell.start for window in place.windows()] == [hours_ago(70), hours_ago(60)]


def test_windows_before_and_after_a_held_one_leave(place: Place) -> None:
    events(place, rows=90)
    place.archive()
    restored(place, hours_ago(59), hours_ago(58))
    place.events(hours_ago(60), hours_ago(55))
    assert place.archive() == [Deleted(1, 0), Deleted(1, 0)]


def test_held_windows_do_not_keep_others_from_their_turn(place: Place) -> None:
    events(place, rows=60 * 5, hours=70)
    place.archive()
    restored(place)
    place.events(hours_ago(60), hours_ago(59))
    place = place.with_policy(max_mapped_windows=1, windows_per_task=1)
    plan = place.plan()
    assert [batch.windows[0].cell.start for batch in plan.batches] == [hours_ago(60)]
    assert plan.more


def test_an_export_planned_before_the_restore_leaves_its_rows_alone(place: Place) -> None:
    events(place, rows=5)
    place.archive()
    place.events(hours_ago(60))
    window = place.window()
    restored(place)
    place.export(window)
    assert place.delete(window) == Deleted(5, 0), "that is what the ledger says of the first generation"
    assert len(place.data_keys()) == 1


def test_a_restore_between_an_export_s_first_look_and_its_snapshot_is_seen(place: Place) -> None:
    """Without the lock on the window, which a lost connection gives up."""
    events(place, rows=5)
    place.archive()
    place.events(hours_ago(60))
    window = place.window()
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        _restore_at_the_snapshot(place, patched)
        place.export(window)
    assert len(place.data_keys()) == 1
    assert place.ledger("generation, state") == [(1, "deleted"), (2, "void")]
    assert place.live().total() == 6


def _restore_at_the_snapshot(place: Place, patched: pytest.MonkeyPatch) -> None:
    def restore_now() -> None:
        with pytest.MonkeyPatch.context() as within:
            within.setattr(Session, "advisory_lock", lambda *_: nullcontext())
            restored(place)

    before_statement(patched, "ledger/windows/begin", restore_now)
