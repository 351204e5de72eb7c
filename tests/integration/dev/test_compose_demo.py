"""The databases of the compose file's profile `demo`, made by the real psql on a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dev.postgres import PostgresServer
from pg_archiver.airflow.pools import DEFAULT_POLICIES
from pg_archiver.policies.yaml_file import load

SCRIPT = Path(__file__).parents[3] / "dev" / "compose_demo.sql"


def test_it_makes_every_table_of_the_shipped_policies(tmp_path: Path) -> None:
    with PostgresServer(tmp_path / "postgres") as server:
        command: list[str | Path] = [
            server.tool("psql"),
            "--no-psqlrc",
            "--set",
            "ON_ERROR_STOP=1",
            "--quiet",
            "--file",
            SCRIPT,
        ]
        subprocess.run(command, env=server.tool_environment(), check=True, capture_output=True, text=True)
        for client in load(DEFAULT_POLICIES).clients:
            with server.connect(client.database) as connection:
                for table in client.tables:
                    statement = (
                        f"SELECT count(*) FROM {table.table} WHERE {table.timestamp_column} < now() - interval '7 d'"
                    )
                    found = connection.execute(statement.encode()).fetchone()
                    assert found != (0,), f"{client.name}: {table.table}"
