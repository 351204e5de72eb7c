"""Sessions whose client is gone end on the server too, and connections that went dead are noticed on this side."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from pg_archiver.airflow import connections
from pg_archiver.airflow.maintenance import Maintenance
from pg_archiver.ledger.maintenance_log import Action
from pg_archiver.maintenance.pg_repack import client_options
from pg_archiver.policies.yaml_file import Client
from pg_archiver.postgres.base_session import ALIVE
from pg_archiver.postgres.session import Session
from tests.support.concurrency import until
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.task_context import connect_airflow

pytestmark = pytest.mark.more

ROOT = Path(__file__).parents[3]
OURS = (
    "SELECT wait_event FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'archiver %'"
)
KEPT = {"check": "5s", "idle": "60", "interval": "10", "count": "6"}


@pytest.fixture
def known(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A table in a place that Airflow knows."""
    place.sql(EVENTS)
    place.events(*(hours_ago(number) for number in range(50, 70)))
    connect_airflow(place, monkeypatch)
    return place


def client_of(place: Place) -> Client:
    return Client(place.database, "rds_main", place.database, (place.policy,))


@pytest.mark.parametrize(("what", "waits"), [("delete", "PgSleep"), ("vacuum", "VacuumDelay")])
def test_the_server_ends_what_a_killed_task_had_begun(known: Place, what: str, waits: str) -> None:
    """Either would go on for longer than this test waits."""
    wide = "SELECT now(), repeat('x', 900) FROM generate_series(1, 4000)"
    known.sql(f"INSERT INTO analytics.events (triggered_at, name) {wide}")
    order = {"client": known.database, "connection": os.environ["AIRFLOW_CONN_RDS_MAIN"], "what": what}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.gone_worker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        try:
            assert any(line == "ready\n" for line in process.stdout)
            until(lambda: (waits,) in known.sql(OURS))
        finally:
            process.kill()
    until(lambda: not known.sql(OURS))


def maintenance_of(place: Place) -> Maintenance:
    run = SimpleNamespace(run_id="run 1", conf={})
    context = {"params": {"dry_run": False}, "dag": SimpleNamespace(params={}, dag_id="x"), "dag_run": run}
    return Maintenance(client_of(place), place.policy, context)


SESSIONS: dict[str, Callable[[Place], AbstractContextManager[Session]]] = {
    step: lambda place, step=step: connections.open_session(
        client_of(place), step, writes=step != "verify", policy=place.policy
    )
    for step in ("plan", "export", "store", "delete", "restore", "verify")
} | {
    "maintenance": lambda place: maintenance_of(place).open_session(Action.VACUUM, writes=True),
    "watch": lambda place: maintenance_of(place).open_watcher(),
}
# Told to everybody who looks, by the one thing that also a session may say that writes nothing.
TELLING = """
    SELECT set_config('application_name', concat_ws(' ',
        current_setting('client_connection_check_interval'), current_setting('tcp_keepalives_idle'),
        current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count')), false)
"""


def shown(place: Place, session: Session) -> dict[str, str]:
    """What the server says of the session."""
    session.run_script(TELLING)
    ((told,),) = place.sql("SELECT application_name FROM pg_stat_activity WHERE pid = %s", session.process)
    return dict(zip(KEPT, told.split(), strict=True))


def kept_alive(place: Place, session: Session) -> list[int]:
    """What the operating system says of this side's socket, which is known by its port."""
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    ((port,),) = place.sql("SELECT client_port FROM pg_stat_activity WHERE pid = %s", session.process)
    (number,) = [one.fd for one in psutil.Process().net_connections() if one.laddr and one.laddr.port == port]
    with socket.socket(fileno=os.dup(number)) as line:
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        return [line.getsockopt(socket.IPPROTO_TCP, option) for option in options]


@pytest.mark.parametrize("kind", SESSIONS)
def test_each_kind_of_session_is_kept_alive_and_looked_after(known: Place, kind: str) -> None:
    with SESSIONS[kind](known) as database:
        assert shown(known, database) == KEPT
        assert kept_alive(known, database) == [60, 10, 6, 120_000]


def test_what_an_airflow_connection_says_of_it_counts_more(known: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    connection: dict[str, Any] = json.loads(os.environ["AIRFLOW_CONN_RDS_MAIN"])
    extra = {
        "keepalives_idle": 30,
        "tcp_user_timeout": 90_000,
        "options": "-c client_connection_check_interval=2s -c tcp_keepalives_count=3",
    }
    monkeypatch.setenv("AIRFLOW_CONN_RDS_MAIN", json.dumps({**connection, "extra": json.dumps(extra)}))
    with SESSIONS["delete"](known) as database:
        # As after code of users.
        with database.transaction():
            database.use_database_search_path(builtins_first=False)
        assert shown(known, database) == KEPT | {"check": "2s", "count": "3"}
        assert kept_alive(known, database) == [30, 10, 6, 90_000]
        assert client_options(database.client_environment()).index("=2s") > client_options({}).index("=5s")


def test_the_client_of_pg_repack_is_told_the_same() -> None:
    assert all(f"-c {name}={setting}" in client_options({}) for name, setting in ALIVE.items())
