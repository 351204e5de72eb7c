"""The steps side by side in one process: the promise of each is kept, and none runs on when another one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg
import pytest

from dev.s3 import RcloneS3
from pg_archiver.archive import pipeline
from pg_archiver.archive.delete import Deleted
from pg_archiver.archive.export import export as export_step
from pg_archiver.archive.pipeline import archive
from pg_archiver.domain.windows import DueWindow
from pg_archiver.errors import ArchiverError, CheckFailed, DatabaseInterrupted, OwnedElsewhere, Stopped
from pg_archiver.postgres.session import Session
from tests.support.place import EVENTS, Place, hours_ago

HOURS = (60, 59, 58, 57, 56, 55)
ROWS_A_WINDOW = 3


@pytest.fixture
def filled(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(*(hours_ago(hour - part / 10) for hour in HOURS for part in range(1, ROWS_A_WINDOW + 1)), hours_ago(1))
    # So many a window are none that goes together with others.
    return place.ordered(batch_size=ROWS_A_WINDOW)


def archived(place: Place, stopping: Callable[[], bool] = lambda: False) -> Deleted:
    def session(step: str) -> AbstractContextManager[Session]:
        return Session.connect(place.connect, place.database, step)

    threads = set(threading.enumerate())
    try:
        return archive(session, place.store, place.order, place.windows(), stopping)
    finally:
        assert set(threading.enumerate()) <= threads


def states(place: Place) -> list[str]:
    return [state for (state,) in place.sql("SELECT state FROM archiver.windows ORDER BY cell_start, generation")]


def rows(place: Place) -> int:
    return int(place.sql("SELECT count(*) FROM analytics.events")[0][0])


def test_every_window_goes_through_all_steps_and_the_rest_stays(filled: Place) -> None:
    assert archived(filled) == Deleted(len(HOURS) * ROWS_A_WINDOW, 0)
    assert states(filled) == ["deleted"] * len(HOURS)
    assert rows(filled) == 1
    assert archived(filled) == Deleted(0, 0)


def test_windows_of_few_rows_go_through_all_steps_together(filled: Place) -> None:
    small = filled.ordered(batch_size=1000)
    assert archived(small) == Deleted(len(HOURS) * ROWS_A_WINDOW, 0)
    assert states(small) == ["deleted"] * len(HOURS)
    ((transactions,),) = small.sql("SELECT count(DISTINCT xmin::text) FROM archiver.windows")
    assert transactions == 1, "they left in one transaction"
    assert small.csv_of_table().total() == 1
    assert small.archived().total() == len(HOURS) * ROWS_A_WINDOW


def test_an_object_that_comes_back_damaged_keeps_its_own_rows_and_no_others(
    filled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = filled.s3
    assert isinstance(s3, RcloneS3)
    damaged = filled.windows()[2]
    whole = export_step

    def export(*arguments: object) -> object:
        exported = whole(*arguments)  # type: ignore[arg-type]
        if arguments[-1] == damaged:
            (key,) = filled.sql("SELECT object_key FROM archiver.windows WHERE state = 'exported' ORDER BY id DESC")[0]
            path = s3.bucket_folder(filled.store.name) / key
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        return exported

    monkeypatch.setattr(pipeline, "export", export)
    with pytest.raises(CheckFailed, match="Nothing was deleted"):
        archived(filled)
    assert states(filled) == ["deleted", "deleted", "void", *["deleted"] * (len(HOURS) - 3)]
    assert rows(filled) == ROWS_A_WINDOW + 1
    monkeypatch.undo()
    archived(filled)
    assert rows(filled) == 1
    assert states(filled).count("deleted") == len(HOURS)


@pytest.mark.parametrize(("step", "name"), [("export", "export"), ("store", "store_each"), ("delete", "delete_each")])
def test_a_connection_that_breaks_in_any_step_ends_the_work_and_a_rerun_goes_on(
    filled: Place, monkeypatch: pytest.MonkeyPatch, step: str, name: str
) -> None:
    work, broken = getattr(pipeline, name), filled.windows()[3]

    def breaks(*arguments: object) -> object:
        if broken in arguments or (broken,) in arguments:
            filled.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", step)
        return work(*arguments)

    monkeypatch.setattr(pipeline, name, breaks)
    with pytest.raises(DatabaseInterrupted):
        archived(filled)
    assert rows(filled) >= (len(HOURS) - 3) * ROWS_A_WINDOW + 1
    monkeypatch.undo()
    archived(filled)
    assert rows(filled) == 1
    assert states(filled).count("deleted") == len(HOURS)


def test_another_database_that_acts_for_the_archive_is_not_joined(filled: Place) -> None:
    assert archived(filled).rows == len(HOURS) * ROWS_A_WINDOW
    filled.sql("DELETE FROM archiver.owners")
    filled.events(hours_ago(54))
    with pytest.raises(OwnedElsewhere, match="adopt"):
        archived(filled)
    assert rows(filled) == 2


def test_it_stops_when_told_and_goes_on_when_run_again(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[DueWindow] = []
    whole = export_step

    def export(*arguments: object) -> object:
        exported.append(filled.windows()[0])
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "export", export)
    with pytest.raises(Stopped, match="Run it again"):
        archived(filled, lambda: len(exported) >= 2)
    assert rows(filled) > 1
    monkeypatch.undo()
    archived(filled)
    assert rows(filled) == 1


def test_the_error_of_the_step_that_failed_is_told_and_no_other(filled: Place) -> None:
    def session(step: str) -> AbstractContextManager[Session]:
        def refused() -> psycopg.Connection[object]:
            raise psycopg.OperationalError("no route")

        return Session.connect(refused if step == "delete" else filled.connect, filled.database, step)

    with pytest.raises(ArchiverError, match="no route"):
        archive(session, filled.store, filled.order, filled.windows(), lambda: False)
    assert rows(filled) == len(HOURS) * ROWS_A_WINDOW + 1
