"""The edge to pg_repack: its client program in a process of its own.

The client copies the table beside itself while a trigger notes what changes meanwhile, and swaps the files under a lock
that it holds for a moment. It never ends other people's sessions here, and it never learns its password by its command
line, which everybody on the machine can read. What it writes goes to the log line by line, except what may quote a row.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused, LockWait, MaintenanceRefused, Stopped
from pg_archiver.maintenance.inspection import TablePart
from pg_archiver.maintenance.pg_repack_output import Output
from pg_archiver.postgres.activity import StatementMonitor, describe_progress
from pg_archiver.postgres.base_session import ALIVE
from pg_archiver.postgres.session import Row, Session

log = logging.getLogger(__name__)

# From this version on the owner of a table may repack it; before, the server wants a superuser.
_FOR_OWNERS = (1, 5, 2)
# How long it tries for its locks; it waits in the queue for a second at a time, and others behind it no longer.
LOCK_SECONDS = 60
POLL_SECONDS = 0.5
# Removing what it made needs a lock, too.
_CLEANING_SECONDS = 30.0
# Airflow kills this process five seconds after it asked it to end; the client continues to tidy up by itself.
_STOPPING_SECONDS = 1.5
_VERSION_SECONDS = 10.0
# Whatever a role or a database sets by itself would end or hinder it in the middle.
_SESSION = (
    "-c statement_timeout=0 -c lock_timeout=10s -c idle_in_transaction_session_timeout=0 -c client_min_messages=warning"
)
_PASSED_ON = ("PATH", "HOME", "LD_LIBRARY_PATH", "KRB5CCNAME", "KRB5_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR")
_MAY_NOT = re.compile(r"permission denied|must be (?:superuser|a superuser|owner)")
_SKIPPED = re.compile(r"timed out, do not cancel|due to timeout")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Repacker:
    """The client program by its path, None where there is none, and what tells that the run was told to stop."""

    program: str | None = None
    stop_requested: Callable[[], AbstractContextManager[Callable[[], bool]]] = lambda: nullcontext(lambda: False)


def find_obstacles(session: Session, repacker: Repacker) -> tuple[str, ...]:
    """Return what is missing for pg_repack in this database and on this machine, and the fix of each."""
    found = session.fetch_one("maintenance/pg_repack/installation")
    missing = tuple(filter(None, (_no_extension(session, found), _no_program(found, repacker.program))))
    if missing or repacker.program is None:
        return missing
    version = read_client_version(repacker.program)
    if version != found.installed:
        return (
            f"the program {repacker.program} is pg_repack {version or 'of an unknown version'}, and the extension in "
            f"database {session.name} is {found.installed}. Both have to be the same. Fix: install that version of "
            "either, and for the extension DROP EXTENSION pg_repack and CREATE EXTENSION pg_repack",
        )
    return tuple(filter(None, (_no_right(session, found),)))


def _no_extension(session: Session, found: Row) -> str | None:
    if found.installed:
        return None
    package = "" if found.available else f"install the package postgresql-{found.server}-repack on the server, then "
    return (
        f"the extension pg_repack is not in database {session.name}: {package}a superuser (on RDS rds_superuser) runs "
        f"CREATE EXTENSION pg_repack there"
    )


def _no_program(found: Row, program: str | None) -> str | None:
    if program and os.access(program, os.X_OK):
        return None
    where = (
        f"ARCHIVER_PG_REPACK is {program}, which is not an executable" if program else "there is no pg_repack on PATH"
    )
    return (
        f"{where} where this task runs. Fix: install the package postgresql-{found.server}-repack there, and set "
        "ARCHIVER_PG_REPACK to the path of the client program if PATH does not lead to it"
    )


def _no_right(session: Session, found: Row) -> str | None:
    if found.superuser:
        return None
    if not found.rds_superuser and _numbers(found.installed) < _FOR_OWNERS:
        return (
            f"pg_repack {found.installed} lets only a superuser (on RDS rds_superuser) repack. Fix: install "
            f"{'.'.join(map(str, _FOR_OWNERS))} or later, or let the Airflow connection be one"
        )
    if not found.may_use:
        return (
            "the role of the Airflow connection may not use the schema of pg_repack. Fix: GRANT USAGE, CREATE ON "
            f"SCHEMA repack in database {session.name} to it"
        )
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def read_client_version(program: str) -> str | None:
    """Ask the client program for its version; None if it does not tell."""
    try:
        done = subprocess.run(
            [program, "--version"],
            env=_environment({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_VERSION_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"pg_repack (\S+)", done.stdout.strip())
    return found[1] if found else None


def find_missing_key(session: Session, part: TablePart) -> str | None:
    """Return why pg_repack cannot take this table, None where it can."""
    found = session.fetch_one("maintenance/pg_repack/table_requirements", oid=part.oid)
    if not found.permanent:
        return f"{part.table} is unlogged or not an ordinary table, which pg_repack does not support"
    if not found.has_key:
        return (
            f"{part.table} has no primary key and no unique index over NOT NULL columns, without which pg_repack "
            "cannot follow changes. Fix: give it one, or set reclaim to vacuum_full or compact"
        )
    return None


def repack(session: Session, part: TablePart, repacker: Repacker, longest: timedelta, watch: StatementMonitor) -> None:
    """Rewrite one table while others continue to read and write it.

    The caller holds the locks that keep the archive and other maintenance out, and removes leftovers before and after.

    Args:
        session: a session on the client database; not in a transaction.
        part: which table.
        repacker: the client program; nothing may be missing.
        longest: after this time the client is stopped.
        watch: is told how long others were seen waiting.

    Raises:
        Stopped: the run was told to stop; the table is as it was.
        LockWait: others held the table all the while.
        DatabaseRefused: this role may not.
        DatabaseInterrupted: it took too long, or broke off; the table is as it was.
        MaintenanceRefused: there is no client program.
    """
    if repacker.program is None:
        raise MaintenanceRefused(f"{part.table} is not rewritten: there is no pg_repack where this task runs")
    before = session.fetch_one("maintenance/pg_repack/table_requirements", oid=part.oid)
    environment = session.client_environment()
    command = [repacker.program, "--no-password", "--no-order", "--no-kill-backend", "--no-superuser-check"]
    command += [f"--wait-timeout={LOCK_SECONDS}", f"--table={before.quoted}"]
    what = f"pg_repack of {part.table}"
    output = Output()
    process = _start_client(command, environment)
    reader = threading.Thread(
        target=output.read, args=(process.stdout, what, environment.get("PGPASSWORD", "")), daemon=True
    )
    reader.start()
    with repacker.stop_requested() as stopping:
        try:
            reason = _wait_for_client(process, session, part, stopping, longest, watch)
        finally:
            if _stop_client(process, stopping):
                reader.join()
    if reason is not None:
        raise reason
    _judge(session, part, before, process.returncode, output)


def _start_client(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # A signal to the whole group of this task would end it before it has cleaned up.
        start_new_session=True,
        preexec_fn=_end_with_us,  # noqa: PLW1509  # one system call
    )


def _wait_for_client(
    process: subprocess.Popen[str],
    session: Session,
    part: TablePart,
    stopping: Callable[[], bool],
    longest: timedelta,
    watch: StatementMonitor,
) -> Stopped | DatabaseInterrupted | None:
    """Look on until the client has ended; return why it is to be ended before."""
    deadline = time.monotonic() + longest.total_seconds()
    told: dict[int, str] = {}
    while True:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            return None
        if stopping():
            return Stopped(f"stopped in the middle of pg_repack of {part.table}. The table is as it was")
        if time.monotonic() > deadline:
            return DatabaseInterrupted(
                f"pg_repack of {part.table} did not end within {longest}, so it was stopped. The table is as it "
                f"was{watch.waited_for_text}"
            )
        for row in session.fetch_all("maintenance/pg_repack/processes", oid=part.oid):
            told[row.pid] = describe_progress(
                session, row.pid, f"pg_repack of {part.table}", watch, told.get(row.pid, "")
            )


def _stop_client(process: subprocess.Popen[str], stopping: Callable[[], bool]) -> bool:
    """End a client that still runs: by the signal at which it tidies up, and by force if that takes long.

    Where this process has to end itself, the client is left to its tidying up, which it continues alone. Returns
    whether it has ended.
    """
    if process.poll() is not None:
        return True
    process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + _CLEANING_SECONDS
    patience: float | None = None
    while time.monotonic() < deadline:
        if stopping():
            patience = time.monotonic() + _STOPPING_SECONDS if patience is None else patience
            if time.monotonic() > patience:
                return False
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            return True
    process.kill()
    process.wait()
    return True


def _judge(session: Session, part: TablePart, before: Row, status: int, output: Output) -> None:
    """Decide by the table's file whether it succeeded: the client also ends well if it skipped the table."""
    if session.fetch_one("maintenance/pg_repack/table_requirements", oid=part.oid).file_node != before.file_node:
        if status:
            log.warning("pg_repack of %s rewrote it, and then: %s", part.table, output.last)
        return
    if output.has_said(_SKIPPED):
        raise LockWait(
            f"pg_repack of {part.table} did not get its lock in {LOCK_SECONDS} seconds, since others held the table. "
            "Nobody was cut off, and the table is as it was (see pg_locks)"
        )
    message = f"pg_repack of {part.table} ended with status {status}, and the table is as it was: {output.last}"
    if output.lasting and not output.has_said(_MAY_NOT):
        message += (
            ". Trying again would copy the whole table once more, most likely for nothing, so it is not tried. If no "
            "reason is given here, the server's log has it"
        )
    raise (DatabaseRefused if output.lasting else DatabaseInterrupted)(message)


def _environment(connection: Mapping[str, str]) -> dict[str, str]:
    """Return all that the client gets: nothing of Airflow's own settings, and a name by which it knows its like."""
    ours = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**ours, "LC_ALL": "C", **connection, "PGOPTIONS": client_options(connection), "PGAPPNAME": "pg_repack"}


def client_options(connection: Mapping[str, str]) -> str:
    """Return what the server is told when the client logs in. Of an option that is given twice the last one counts."""
    alive = " ".join(f"-c {name}={setting}" for name, setting in ALIVE.items())
    return " ".join(filter(None, (alive, connection.get("PGOPTIONS"), _SESSION)))


def _end_with_us() -> None:
    """Let the client end on Linux when the thread that started it is gone."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))
