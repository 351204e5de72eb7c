"""What a crash of the server takes back was not yet said to be done, and a plain rerun does it again, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.pipeline import archive
from pg_archiver.domain.windows import DueWindow
from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.objects.object_keys import kept_folder
from pg_archiver.verify.verify_archive import verify
from tests.faults.account import Account
from tests.faults.archiving import Run
from tests.faults.comparing import compared
from tests.faults.lost_commits import (
    ALONE,
    HOURS,
    ROWS_A_WINDOW,
    SETTINGS,
    TOGETHER,
    crash,
    states_of,
    unwritten,
    windows_of,
)
from tests.faults.place import Place
from tests.faults.postgres_faults import BreakingStore, checked
from tests.faults.recorder import Recorder, opened
from tests.support.hooks import before_statement

ALL = len(HOURS) * ROWS_A_WINDOW
SIZES = {"alone": ALONE, "together": TOGETHER}


@pytest.fixture(scope="module")
def losing_place(tmp_path_factory: pytest.TempPathFactory, rclone: RcloneS3) -> Iterator[Place]:
    with (
        PostgresServer(tmp_path_factory.mktemp("losing"), SETTINGS) as server,
        Place.made(server, rclone, "losing") as made,
    ):
        yield opened(made)


def finish(table: Place) -> None:
    """A plain rerun, after which all that ever left is there once, and nothing contradicts the ledger."""
    run = Run.of(table)
    run.settle()
    assert table.rows() == 0
    with run.session("verify") as session:
        assert verify(session, run.store, run.order).problems == []
    verdict = Account(table).check() + compared(table)
    assert verdict.good, str(verdict)


@pytest.mark.more
def test_batches_that_a_crash_takes_back_are_back_with_their_notes_and_go_once_more(losing_place: Place) -> None:
    table = windows_of(losing_place, "batches", ALONE)
    run, windows = checked(table)
    asked = count()

    def crash_in_the_second_window() -> bool:
        if next(asked) == 3:
            assert states_of(table)[0] == ("deleted", ROWS_A_WINDOW)
            assert states_of(table)[1] == ("stored", ALONE)
            assert table.rows() == ALL - ROWS_A_WINDOW - ALONE
            crash(table)
        return False

    with unwritten(table), pytest.raises(DatabaseInterrupted):
        run.delete(windows, crash_in_the_second_window)
    assert table.rows() == ALL
    assert states_of(table) == [("stored", 0)] * len(HOURS)
    finish(table)


@pytest.mark.more
@pytest.mark.parametrize("step", ["store", "delete"])
@pytest.mark.parametrize("size", SIZES)
def test_a_step_says_nothing_of_what_is_not_on_the_disk(
    losing_place: Place, monkeypatch: pytest.MonkeyPatch, step: str, size: str
) -> None:
    table = windows_of(losing_place, f"unsaid_{step}_{size}", SIZES[size])
    run = Run.of(table)
    windows = run.plan()
    run.export(windows)
    if step == "delete":
        run.check(windows)
    steps: dict[str, Callable[[list[DueWindow]], object]] = {"store": run.check, "delete": run.delete}
    with unwritten(table), monkeypatch.context() as patched:
        before_statement(patched, "ledger/windows/flush", lambda: crash(table))
        with pytest.raises(DatabaseInterrupted):
            steps[step](windows)
    assert table.rows() == ALL
    assert states_of(table) == [("exported" if step == "store" else "stored", 0)] * len(HOURS)
    finish(table)


@pytest.mark.more
@pytest.mark.parametrize("size", SIZES)
def test_what_a_step_has_said_stays(losing_place: Place, size: str) -> None:
    table = windows_of(losing_place, f"said_{size}", SIZES[size])
    run = Run.of(table)
    windows = run.plan()
    with unwritten(table):
        with run.session("export") as session:
            export_all(session, run.store, run.order, windows)
        crash(table)
    assert states_of(table) == [("exported", 0)] * len(HOURS)
    with unwritten(table):
        run.check(windows)
        crash(table)
    assert states_of(table) == [("stored", 0)] * len(HOURS)
    with unwritten(table):
        assert run.delete(windows) == ALL
        crash(table)
    assert table.rows() == 0
    assert states_of(table) == [("deleted", ROWS_A_WINDOW)] * len(HOURS)
    finish(table)


@pytest.mark.more
@pytest.mark.parametrize("size", SIZES)
def test_what_steps_side_by_side_have_said_stays(losing_place: Place, size: str) -> None:
    table = windows_of(losing_place, f"beside_{size}", SIZES[size])
    run = Run.of(table)
    windows = run.plan()
    with unwritten(table):
        assert archive(run.session, run.store, run.order, windows, lambda: False).rows == ALL
        crash(table)
    assert table.rows() == 0
    assert states_of(table) == [("deleted", ROWS_A_WINDOW)] * len(HOURS)
    finish(table)


@pytest.mark.more
@pytest.mark.parametrize("size", SIZES)
def test_a_key_under_which_an_object_may_lie_is_never_given_out_again(losing_place: Place, size: str) -> None:
    table = windows_of(losing_place, f"begun_{size}", SIZES[size])
    windows = Run.of(table).plan()
    bucket = BreakingStore(table.client, table.bucket, breaking=[lambda: crash(table)])
    run = Run.of(table, bucket)
    with unwritten(table), pytest.raises(DatabaseInterrupted), run.session("export") as session:
        export_all(session, run.store, run.order, windows)
    begun = 1 if size == "alone" else len(HOURS)
    assert states_of(table) == [("planned", 0)] * begun
    finish(table)


@pytest.mark.more
def test_a_note_in_s3_speaks_of_rows_that_no_crash_brings_back(
    losing_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = windows_of(losing_place, "noted", ALONE)
    # So that rows leave by their list, and one that changed stays by itself.
    table.sql("DROP INDEX analytics.noted_triggered_at")
    run, windows = checked(table)
    with table.server.connect(table.database) as connection:
        Recorder(connection, table).update([1], "changed since the export")
    with unwritten(table), monkeypatch.context() as patched:
        before_statement(patched, "ledger/windows/mark_deleted", lambda: crash(table))
        with pytest.raises(DatabaseInterrupted):
            run.delete(windows[-1:])
    keys = table.sql("SELECT object_key FROM archiver.windows WHERE table_name = 'noted' ORDER BY cell_start")
    assert len(list(run.store.list_keys(kept_folder(keys[-1][0])))) == 1
    assert states_of(table)[-1] == ("stored", ROWS_A_WINDOW - 1)
    finish(table)
