"""The scripts of roles as a superuser runs them, by psql."""

from __future__ import annotations

import subprocess

from dev.postgres import PostgresServer
from pg_archiver.postgres.statements import FOLDER


def run_role_script(server: PostgresServer, database: str, script: str, **variables: str) -> None:
    """Runs one with these variables."""
    done = subprocess.run(
        [
            server.tool("psql"),
            *("--no-psqlrc", "--quiet", "-f", FOLDER / "roles" / f"{script}.sql"),
            *(word for name, value in variables.items() for word in ("-v", f"{name}={value}")),
        ],
        env=server.tool_environment(database),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
