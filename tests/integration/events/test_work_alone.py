"""A worker without Airflow: a program and a call, by a login that may do nothing but that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pg_archiver.errors import DatabaseRefused, FunctionRefused, RightMissing, SettingError
from pg_archiver.events.make_queue import main as make_the_queue
from pg_archiver.events.work import main, run_worker
from tests.support.event_place import ROOT, EventPlace
from tests.support.place import Place

SECRET = "secretjohndoe4711"
# What a login of functions may do, besides what the tenant grants it.
MAY = (
    "take_in_events",
    "claim_events",
    "begin_worker",
    "join_worker",
    "note_in_hand",
    "end_worker",
    "recover_workers",
    "complete_events",
    "put_off_event",
    "fail_event",
    "release_event",
)


def test_it_is_a_call_of_the_library(events: EventPlace) -> None:
    number = events.put()
    result = run_worker(events.dsn, events.folder)
    assert events.sink == [number]
    assert str(result).startswith("events: 1 done; nothing is left after ")


def test_it_is_a_program(events: EventPlace) -> None:
    number = events.put()
    status, log = events.run()
    assert (status, events.sink) == (0, [number])
    assert "INFO events: 1 done; nothing is left after " in log
    assert events.server.password not in log


def test_the_folder_is_that_of_the_variable_unless_it_is_named(
    events: EventPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHIVER_FUNCTIONS", str(events.folder))
    number = events.put()
    run_worker(events.dsn)
    assert events.sink == [number]


def test_a_login_that_may_do_nothing_but_that_can_work(events: EventPlace) -> None:
    role = sql.Identifier(f"functions_{events.database}")
    password = sql.Literal(events.server.password)
    events.user.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
    login = make_conninfo(events.dsn, user=f"functions_{events.database}")
    number = events.put()
    events.user.execute(sql.SQL("GRANT USAGE ON SCHEMA archiver TO {}").format(role))
    with pytest.raises(RightMissing):
        run_worker(login, events.folder)
    for name in MAY:
        events.user.execute(sql.SQL("GRANT EXECUTE ON FUNCTION archiver.{} TO {}").format(sql.Identifier(name), role))
    events.user.execute(sql.SQL("GRANT INSERT ON sink TO {}").format(role))
    run_worker(login, events.folder)
    assert events.sink == [number]
    events.user.execute(sql.SQL("DROP OWNED BY {role}; DROP ROLE {role}").format(role=role))


def test_its_queue_is_made_by_a_command(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    dsn = make_conninfo(**place.server.dsn(place.database))
    assert make_the_queue([dsn]) == make_the_queue([dsn]) == 0
    assert place.sql("SELECT count(*) FROM archiver.events") == [(0,)]
    assert make_the_queue(["nonsense"]) == 1
    assert SECRET not in capsys.readouterr().err


def test_it_knows_nothing_of_airflow(events: EventPlace) -> None:
    told = "import sys; import pg_archiver.events.work; print([m for m in sys.modules if m.startswith('airflow')])"
    ended = subprocess.run(
        [sys.executable, "-c", told],
        env={"PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "[]\n"


def test_what_is_wrong_is_told_and_nothing_is_run(
    events: EventPlace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    number = events.put()
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "broken.py").write_text(f"raise RuntimeError('{SECRET}')\n")
    with pytest.raises(FunctionRefused, match=r"can be used\. Nothing was run"):
        run_worker(events.dsn, empty)
    with pytest.raises(SettingError, match="is not there"):
        run_worker(events.dsn, tmp_path / "none")
    with pytest.raises(SettingError, match="the DSN cannot be read"):
        run_worker(SECRET, events.folder)
    assert main([SECRET, "--functions", str(events.folder)]) == 1
    assert "broken.py: RuntimeError in broken.py, line 1 when it was imported" in caplog.text
    assert SECRET not in caplog.text
    assert [row[0] for row in events.waiting()] == [number]


def test_a_database_without_a_queue_is_told_so(place: Place, events: EventPlace) -> None:
    with pytest.raises(DatabaseRefused, match="has no queue of events, so there is nothing to work on"):
        run_worker(make_conninfo(**place.server.dsn(place.database)), events.folder)
    assert place.sql("SELECT to_regnamespace('archiver')") == [(None,)]


@pytest.mark.parametrize(
    "arguments",
    [["--lanes", "0"], ["--lanes", "2", "--lane", "2"], ["--lane", "-1"], ["--linger", "-1"], ["--max-seconds", "nan"]],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["postgresql://nowhere/nothing", *arguments])
    assert ended.value.code == 2
    assert ": write " in capsys.readouterr().err
