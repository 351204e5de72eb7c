"""The local stack's Postgres keeps its port, by which the archive knows it, and is adopted where it cannot."""

from __future__ import annotations

import socket
from pathlib import Path

from dev.adopting import adopt_after_move
from dev.postgres import PostgresServer
from dev.processes import LOCALHOST
from dev.s3 import S3Server
from pg_archiver.postgres.session import Session
from tests.support.owners import claim, confirm, refused_claim
from tests.support.place import EVENTS, Place


def test_a_port_is_kept_however_the_server_ended(tmp_path: Path) -> None:
    with PostgresServer(tmp_path) as server:
        port = server.port
        server.stop()
        server.start()
        assert (server.port, server.moved) == (port, False)
        server.kill()
    with PostgresServer(tmp_path) as again:
        assert (again.port, again.moved) == (port, False)
    (tmp_path / "port").write_text("")
    with PostgresServer(tmp_path) as again:
        assert not again.moved


def test_the_usual_port_is_told_too_though_the_driver_leaves_it_out(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("5432")
    # Where somebody else listens on 5432 it is another one, which the driver does not leave out.
    with PostgresServer(tmp_path) as server, Session.connect(server.connect, "postgres", "test") as session:
        assert session.endpoint == ("127.0.0.1", str(server.port))


def test_databases_are_adopted_where_the_port_was_taken(tmp_path: Path, rclone: S3Server) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(
        "defaults: {bucket: place9501}\n"
        "instances: [{conn_id: x, clients: [{name: place9501}, {name: not_there}, {name: postgres}]}]\n"
    )
    with PostgresServer(tmp_path / "postgres") as server, Place.made(server, rclone, 9501) as place:
        place.sql(EVENTS)
        claim(place, "run 1")
        port = server.port
        server.stop()
        with socket.create_server((LOCALHOST, port)):
            server.start()
            assert server.port != port
            assert server.moved
            assert f"was '{port}' and is '{server.port}' now" in refused_claim(place, "run 2")
            assert adopt_after_move(server, rclone, policies) == ["place9501"]
            assert adopt_after_move(server, rclone, policies) == []
            claim(place, "run 2")
            confirm(place, "run 2")
        reason = f"the local stack moved to port {server.port}"
        with server.connect(place.database) as connection:
            found = connection.execute("SELECT run_id, adopted FROM archiver.owners ORDER BY number").fetchall()
        assert found == [("run 1", None), (reason, reason), ("run 2", None)]
