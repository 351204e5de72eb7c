"""A real PgBouncer in front of a Postgres server, on 127.0.0.1."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

from dev.accounts import give, server_user
from dev.debian import Package, unpack
from dev.postgres import PostgresServer
from dev.processes import LOCALHOST, Child, ProcessError, free_port
from dev.running import Running
from dev.secret_files import write_secret

# Of Debian 12; PgBouncer's other needs are on every Debian machine that has Python.
PACKAGES = (
    Package(
        "pgbouncer",
        "1.18.0-1+deb12u1",
        {"amd64": "b8468c31f94596da0967b1a27980a0a036268eb8e53d3e647651bd7b82b6f65e"},
    ),
    Package(
        "libevent-2.1-7",
        "2.1.12-stable-8",
        {"amd64": "ca8858a7095ade7776c9f73437812423a45ccd90de2079e8c34830d291df290f"},
    ),
    Package(
        "libc-ares2",
        "1.18.1-3",
        {"amd64": "087fd5c2ac883202e1786ab45617cdab7f77bc7f060d58cca177ddf6b6c3fa73"},
    ),
)
_CACHE = Path(__file__).absolute().parent.parent / ".state" / "debian"


class PgBouncer(Running):
    """One pooler for all databases and the superuser of a running server."""

    def __init__(
        self, server: PostgresServer, pool_mode: Literal["session", "transaction"], pool_size: int = 1
    ) -> None:
        """`pool_mode` says for how long a client keeps one of the `pool_size` connections to each database."""
        self.port = 0
        self._server = server
        self._pool_mode = pool_mode
        self._pool_size = pool_size
        self._folder: Path | None = None
        self._child: Child | None = None

    def start(self) -> None:
        """Start the pooler; raises ProcessError when it cannot be had or does not start."""
        user = server_user()
        # Not below our own folder, which the pooler's account may not be able to enter.
        self._folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        try:
            program, libraries = _program(self._folder / "unpacked")
            self.port = free_port()
            settings = self._write_settings(self._folder)
            if user:
                give(user, self._folder)
            self._child = Child(
                "pgbouncer",
                [program, settings],
                self._folder / "pgbouncer.log",
                {"PATH": os.defpath, "LD_LIBRARY_PATH": libraries},
                directory=Path("/"),
                user=user,
            )
            self._child.start()
            self._child.wait_until_listening(LOCALHOST, self.port)
        except BaseException:
            self.stop()
            raise

    def dsn(self, database: str) -> dict[str, Any]:
        """Return the arguments of `psycopg.connect` for the superuser in `database`, through the pooler."""
        return {**self._server.dsn(database), "port": self.port}

    def stop(self) -> None:
        """Stop the pooler, and remove its folder."""
        if self._child:
            self._child.stop()
        if self._folder:
            shutil.rmtree(self._folder)
        self._child = self._folder = None

    def _write_settings(self, folder: Path) -> Path:
        users = folder / "users.txt"
        write_secret(users, f'"{self._server.user}" "{self._server.password}"\n')
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={self._server.host} port={self._server.port}\n"
            f"[pgbouncer]\nlisten_addr = {LOCALHOST}\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\n"
            f"pool_mode = {self._pool_mode}\ndefault_pool_size = {self._pool_size}\n"
        )
        return settings


def _program(unpacked: Path) -> tuple[Path, str]:
    """Return the program and the folder of its libraries: ARCHIVER_PGBOUNCER, else Debian's packages, else the one on
    PATH.
    """
    chosen = os.environ.get("ARCHIVER_PGBOUNCER")
    if chosen:
        return Path(chosen), ""
    try:
        unpack(PACKAGES, _CACHE, unpacked)
    except ProcessError as reason:
        installed = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
        if installed is None:
            raise ProcessError(
                f"no PgBouncer to test with: install it, or set ARCHIVER_PGBOUNCER to the program; "
                f"Debian's package cannot be had, because {reason}"
            ) from reason
        return Path(installed), ""
    (libraries,) = (unpacked / "usr" / "lib").glob("*-linux-gnu*")
    return unpacked / "usr" / "sbin" / "pgbouncer", str(libraries)
