"""A streaming replica of a server: what somebody may enter by mistake as the place to archive from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.accounts import give, run_as, server_user
from dev.postgres import PostgresServer


@contextmanager
def standby_of(server: PostgresServer, directory: Path) -> Iterator[PostgresServer]:
    """Copies the running server with pg_basebackup, and lets the copy follow it."""
    data = directory / "data"
    data.mkdir(mode=0o700, parents=True)
    user = server_user()
    if user:
        give(user, data)
        for folder in (directory, *directory.parents):
            # The account of the server must reach what it is to fill.
            if folder.owner() == "root" and folder.stat().st_mode & 0o001 == 0:
                folder.chmod(folder.stat().st_mode | 0o011)
    subprocess.run(
        [server.tool("pg_basebackup"), "--pgdata", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
        env=server.tool_environment(),
        cwd="/",
        check=True,
        capture_output=True,
        **run_as(user),
    )
    shutil.copy(server.directory / "password", directory / "password")
    with PostgresServer(directory) as standby:
        yield standby
