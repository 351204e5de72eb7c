"""A streaming replica of a server: what somebody may enter by mistake as the place to archive from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.postgres import PostgresServer


@contextmanager
def standby_of(server: PostgresServer, directory: Path) -> Iterator[PostgresServer]:
    """Copies the running server into `directory` with pg_basebackup, and lets the copy follow it."""
    directory.mkdir(parents=True)
    command = ["--pgdata", str(directory / "data"), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    subprocess.run(
        [server.tool("pg_basebackup"), *command], env=server.tool_environment(), check=True, capture_output=True
    )
    shutil.copy(server.directory / "password", directory / "password")
    # A standby takes no less than its primary has.
    with PostgresServer(directory, {"max_prepared_transactions": "10"}) as standby:
        yield standby
