"""What a session takes from Airflow's connection."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dev.postgres import PostgresServer
from pg_archiver.airflow import connections
from pg_archiver.policies.yaml_file import Client


def test_a_list_of_hosts_is_known_as_the_connection_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """psycopg tries one after the other, and which one answers is no fact about the database."""
    with PostgresServer(tmp_path) as server:
        connection = {
            "conn_type": "postgres",
            "host": "127.0.0.1,localhost",
            "port": server.port,
            "login": server.user,
            "password": server.password,
        }
        endpoints = []
        client = Client(name="postgres", conn_id="rds", database="postgres", tables=())
        for changes in ({}, {"extra": json.dumps({"host": "localhost,127.0.0.1"})}, {"host": "127.0.0.1"}):
            monkeypatch.setenv("AIRFLOW_CONN_RDS", json.dumps({**connection, **changes}))
            with connections.open_session(client, "plan", writes=True) as session:
                endpoints.append(session.endpoint)
    port = str(server.port)
    assert endpoints == [("127.0.0.1,localhost", port), ("localhost,127.0.0.1", port), ("127.0.0.1", port)]
