"""The scripts for psql without a terminal and on one; and the role that may read the ledger and nothing else."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Mapping

import psycopg
import pytest
from psycopg import errors

from dev.postgres import binaries_folder
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.roles import SCRIPTS, Owned

NAMES = {"schema": "analytics", "table": "events"}
PATIENCE_SECONDS = 60.0
# Makes its standard input the terminal of its session, and becomes the program.
OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
PASSWORD = 'it\'s "odd" $HOME `id` \\ %s'


@pytest.fixture
def owned(place: Place) -> Owned:
    place.sql(EVENTS)
    place.events(hours_ago(60), hours_ago(1))
    return Owned.made(place)


def command(owned: Owned, *variables: str) -> tuple[list[str], dict[str, str]]:
    path = owned.place.server.directory / "role.sql"
    path.write_text((SCRIPTS / "role.sql").read_text(encoding="utf-8"), encoding="utf-8")
    words = [str(binaries_folder() / "psql"), "--no-psqlrc", "--quiet", "-f", str(path), "-v", f"role={owned.role}"]
    environment = {**owned.place.server.tool_environment(owned.place.database), "PGUSER": owned.master}
    return [*words, *(word for variable in variables for word in ("-v", variable))], environment


def run(owned: Owned, *variables: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """role.sql as a job runs it: without a terminal, with nothing on its input."""
    words, environment = command(owned, *variables)
    return subprocess.run(
        words,
        env={**environment, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )


def run_on_terminal(owned: Owned, *answers: str) -> int:
    """role.sql as a person runs it: psql asks for the password, twice, on the terminal."""
    words, environment = command(owned)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL, *words],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            for answer in answers:
                wait_for_question(ours)
                os.write(ours, f"{answer}\n".encode())
            return process.wait(PATIENCE_SECONDS)
        finally:
            # One that still waits for an answer would be waited for without end.
            process.kill()
            os.close(ours)


def wait_for_question(terminal: int) -> None:
    """Reads until the last line looks like a question."""
    seen = b""
    while b":" not in seen.rpartition(b"\n")[2]:
        assert select.select([terminal], [], [], PATIENCE_SECONDS)[0], f"no question came after {seen!r}"
        seen += os.read(terminal, 1000)


def exists(owned: Owned) -> bool:
    return bool(owned.place.sql("SELECT FROM pg_roles WHERE rolname = %s", owned.role))


def log_in(owned: Owned, password: str) -> None:
    psycopg.connect(**{**owned.place.server.dsn("postgres"), "user": owned.role, "password": password}).close()


def test_without_terminal_and_password_it_fails_and_no_role_is_made(owned: Owned) -> None:
    done = run(owned)
    assert done.returncode != 0
    assert "no role was made: there is no terminal on which to ask for its password" in done.stderr
    assert "ARCHIVER_ROLE_PASSWORD" in done.stderr
    assert not exists(owned)


def test_an_empty_password_is_none(owned: Owned) -> None:
    for done in (run(owned, "password="), run(owned, env={"ARCHIVER_ROLE_PASSWORD": ""})):
        assert done.returncode != 0
        assert "no role was made" in done.stderr
    assert not exists(owned)


def test_a_password_from_the_environment_or_the_command_line_is_taken_as_it_is(owned: Owned) -> None:
    assert run(owned, env={"ARCHIVER_ROLE_PASSWORD": PASSWORD}).returncode == 0
    log_in(owned, PASSWORD)
    assert run(owned, "password=other").returncode == 0
    log_in(owned, PASSWORD)
    owned.place.sql(f'DROP ROLE "{owned.role.replace(chr(34), chr(34) * 2)}"')
    assert run(owned, f"password={PASSWORD}").returncode == 0
    log_in(owned, PASSWORD)


def test_on_a_terminal_it_asks(owned: Owned) -> None:
    assert run_on_terminal(owned, "one thing", "another") != 0
    assert not exists(owned)
    assert run_on_terminal(owned, "one thing", "one thing") == 0
    log_in(owned, "one thing")


def test_a_reader_reads_the_ledger_of_now_and_of_later_and_nothing_else(owned: Owned) -> None:
    place = owned.place
    reader = f"reader of {place.database}"
    owned.run("role")
    owned.run("table", NAMES)
    owned.run("role", {"role": reader})
    variables = {"role": reader, "archive": owned.role}
    owned.run("ledger_reader", variables)
    owned.login().archive()
    owned.run("ledger_reader", variables)
    members = "SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole AND roleid = %s::regrole AND set_option"
    assert place.sql(members, owned.master, f'"{owned.role.replace(chr(34), chr(34) * 2)}"') == [(0,)]

    def asked(statement: str) -> object:
        with psycopg.connect(**{**place.server.dsn(place.database), "user": reader}) as connection:
            return connection.execute(statement.encode()).fetchall()

    assert asked("SELECT state FROM archiver.windows") == [("deleted",)]
    tables = place.sql("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'archiver'")
    for (table,) in tables:
        # What a run said is for the owners of the job, the database and the ledger.
        if table != "archiver.job_runs":
            asked(f"SELECT * FROM {table}")
    asked("SELECT * FROM archiver.job_stats")
    for statement in (
        "SELECT * FROM analytics.events",
        "SELECT err_message FROM archiver.job_runs",
        "UPDATE archiver.windows SET state = 'void' RETURNING 1",
        "DELETE FROM archiver.windows RETURNING 1",
        "CREATE TABLE archiver.mine AS SELECT 1",
        f"SET ROLE {place.user.info.user}",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            asked(statement)


def test_a_reader_of_a_ledger_that_is_another_roles_is_refused(owned: Owned) -> None:
    reader = f"reader of {owned.place.database}"
    owned.run("role")
    owned.run("table", NAMES)
    owned.place.archive()
    owned.run("role", {"role": reader})
    with pytest.raises(AssertionError, match=r"permission denied|belongs to another role"):
        owned.run("ledger_reader", {"role": reader, "archive": owned.role})
