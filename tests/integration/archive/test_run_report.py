"""What a run is reported to have done, from a real ledger: the present state, and what is red about it."""

from __future__ import annotations

import pytest

from pg_archiver.archive.report import BatchEnd, Report, report
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import Batch
from pg_archiver.errors import CheckFailed
from pg_archiver.ledger.window_generation import State
from pg_archiver.ledger.window_ledger import WindowLedger
from tests.support.place import EVENTS, Place, hours_ago


@pytest.fixture
def place_with_rows(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(hours_ago(60.5), hours_ago(55.5), hours_ago(1))
    return place


def ends(*windows: DueWindow, failed: str = "", exported: bool = True) -> list[BatchEnd]:
    return [BatchEnd(Batch((window,)), f"label of {window}", failed, exported) for window in windows]


def reported(place: Place, ended: list[BatchEnd]) -> Report:
    with place.session() as session:
        return report(session, place.order, ended)


def archived(place: Place, window: DueWindow) -> None:
    place.export(window)
    place.check(window)
    place.delete(window)


def test_all_that_was_planned_is_done(place_with_rows: Place) -> None:
    first, second = place_with_rows.windows()
    for window in (first, second):
        archived(place_with_rows, window)
    found = reported(place_with_rows, ends(first, second))
    assert (found.windows, found.rows, found.deleted, found.unfinished) == (2, 2, 2, ())


def test_a_cleared_run_still_reports_what_it_had_done_before(place_with_rows: Place) -> None:
    windows = place_with_rows.windows()
    for window in windows:
        archived(place_with_rows, window)
    assert place_with_rows.windows() == []
    found = reported(place_with_rows, [])
    assert (found.windows, found.rows, found.deleted) == (2, 2, 2)
    assert reported(place_with_rows.ordered(run_id="run 2"), []).windows == 0


def test_what_never_came_to_its_first_line_is_named(place_with_rows: Place) -> None:
    first, second = place_with_rows.windows()
    archived(place_with_rows, first)
    found = reported(place_with_rows, [*ends(first), *ends(second, failed="export failed", exported=False)])
    assert found.unfinished == (f"window {second} was not begun: export failed",)
    marked = reported(place_with_rows, [*ends(first), *ends(second, exported=False)])
    assert "its export did not report a result" in marked.unfinished[0]


def test_a_window_that_was_left_alone_by_an_export_that_said_so_is_none(place_with_rows: Place) -> None:
    first, second = place_with_rows.windows()
    archived(place_with_rows, first)
    assert reported(place_with_rows, ends(first, second)).unfinished == ()


def test_a_batch_without_windows_that_failed_is_named_by_its_label(place_with_rows: Place) -> None:
    place_with_rows.windows()
    found = reported(place_with_rows, [BatchEnd(Batch(()), "partition analytics.old", "delete failed", exported=True)])
    assert found.unfinished == ("partition analytics.old: delete failed",)


def test_an_open_window_is_named_once(place_with_rows: Place) -> None:
    first, _ = place_with_rows.windows()
    place_with_rows.export(first)
    found = reported(place_with_rows, ends(first, failed="store failed, delete failed"))
    assert len(found.unfinished) == 1
    assert "generation 1, exported" in found.unfinished[0]


def test_a_damaged_object_is_named_until_its_window_is_archived_anew(place_with_rows: Place) -> None:
    first, _ = place_with_rows.windows()
    place_with_rows.export(first)
    (key,) = place_with_rows.data_keys()
    place_with_rows.write(key, b"something else")
    with pytest.raises(CheckFailed, match="is damaged"):
        place_with_rows.check(first)
    found = reported(place_with_rows, ends(first, failed="store failed"))
    assert len(found.unfinished) == 1
    assert "generation 1, void" in found.unfinished[0]
    archived(place_with_rows, first)
    assert reported(place_with_rows, ends(first)).unfinished == ()


def give_up(place: Place, window: DueWindow) -> None:
    """Ends the window's generation as a delete does that finds the table rewritten."""
    place.export(window)
    place.check(window)
    place.sql("VACUUM FULL analytics.events")
    place.delete(window)


def test_given_up_once_is_a_note_and_in_two_runs_one_after_the_other_is_red(place_with_rows: Place) -> None:
    first, _ = place_with_rows.windows()
    give_up(place_with_rows, first)
    once = reported(place_with_rows, ends(first))
    assert once.unfinished == ()
    assert "the table was rewritten" in once.given_up[0]
    night = place_with_rows.ordered(run_id="run 2")
    give_up(night, first)
    twice = reported(night, ends(first))
    assert twice.given_up == ()
    assert len(twice.unfinished) == 1
    assert twice.unfinished[0].endswith("abandoned, in two runs in a row")
    third = place_with_rows.ordered(run_id="run 3")
    archived(third, first)
    assert reported(third, ends(first)).unfinished == ()


def test_a_trigger_that_keeps_rows_is_told_from_rows_that_changed(place_with_rows: Place) -> None:
    place_with_rows.sql(
        """
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keeping BEFORE DELETE ON analytics.events FOR EACH ROW EXECUTE FUNCTION keep()
        """
    )
    first, _ = place_with_rows.windows()
    archived(place_with_rows, first)
    assert reported(place_with_rows, ends(first)).unfinished == ()
    night = place_with_rows.ordered(run_id="run 2")
    archived(night, first)
    (line,) = reported(night, ends(first)).unfinished
    assert line.endswith("not one of its rows left, in two runs in a row")
    assert place_with_rows.ledger("generation, state, deleted_rows") == [(1, State.DELETED, 0), (2, State.DELETED, 0)]


def test_windows_that_kept_every_row_because_of_changes_are_told(place_with_rows: Place) -> None:
    first, _ = place_with_rows.windows()
    place_with_rows.export(first)
    place_with_rows.check(first)
    place_with_rows.sql("UPDATE analytics.events SET name = 'changed'")
    place_with_rows.delete(first)
    found = reported(place_with_rows, ends(first))
    assert (found.unfinished, found.given_up) == ((), ())
    assert found.notes == (
        "1 window(s) kept every row, because rows changed since the export in each part of them; the next run exports "
        "them again, and after two such runs all rows leave but those that changed",
    )


def test_damage_of_what_an_earlier_run_began_is_this_runs_to_tell(place_with_rows: Place) -> None:
    first, _ = place_with_rows.windows()
    place_with_rows.export(first)
    (key,) = place_with_rows.data_keys()
    place_with_rows.write(key, b"something else")
    night = place_with_rows.ordered(run_id="run 2")
    with pytest.raises(CheckFailed):
        night.check(first)
    night.check(first)
    night.delete(first)
    (line,) = reported(night, ends(first)).unfinished
    assert "generation 1, void" in line


def test_what_is_given_up_night_after_night_is_red_whatever_lies_in_between(place_with_rows: Place) -> None:
    first, _ = place_with_rows.windows()
    for night in range(1, 4):
        run = place_with_rows.ordered(run_id=f"run {night}")
        with run.session() as session:
            ledger = WindowLedger(session, run.order)
            row = ledger.begin(first, 2 * night - 1)
            ledger.mark_void(row, "its worker died")
        give_up(run, first)
        unfinished = reported(run, ends(first)).unfinished
        assert bool(unfinished) is (night > 1)


def test_what_one_run_gives_up_twice_is_no_pattern(place_with_rows: Place) -> None:
    """A window that an earlier run had begun is given up by the export, and its next generation by the delete."""
    first, _ = place_with_rows.windows()
    place_with_rows.export(first)
    night = place_with_rows.ordered(run_id="run 2")
    with night.session() as session:
        ledger = WindowLedger(session, night.order)
        row = ledger.find_latest(first.cell)
        assert row is not None
        ledger.abandon(row, "more of the window was exported than is due now")
    give_up(night, first)
    found = reported(night, ends(first))
    assert found.unfinished == ()
    assert len(found.given_up) == 1


def test_what_another_run_still_has_open_elsewhere_is_none_of_this_runs(place_with_rows: Place) -> None:
    first, second = place_with_rows.windows()
    place_with_rows.ordered(run_id="other").export(second)
    archived(place_with_rows, first)
    assert reported(place_with_rows, ends(first)).unfinished == ()
    assert len(reported(place_with_rows, ends(first, second)).unfinished) == 1


@pytest.mark.first_run
def test_the_ledger_of_a_former_version_is_not_read_for_a_run_that_planned_nothing(place_with_rows: Place) -> None:
    with place_with_rows.session() as session:
        ledger = WindowLedger(session, place_with_rows.order)
        assert not ledger.is_current()
        ledger.migrate()
        assert ledger.is_current()
        place_with_rows.sql("DELETE FROM archiver.migrations WHERE number = 14")
        assert not ledger.is_current()
