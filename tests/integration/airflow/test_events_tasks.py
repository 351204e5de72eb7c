"""The tasks of the DAG of a client's events, and what the sweep finds: by Airflow's connections, without a run."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from psycopg import sql

from dev.postgres import PostgresServer
from pg_archiver.airflow import events as tasks
from pg_archiver.airflow import job_connections
from pg_archiver.airflow.airflow_ids import events_dag_id
from pg_archiver.airflow.events import ClientEvents, count_lanes
from pg_archiver.airflow.events_sweep import sweep_events
from pg_archiver.airflow.jobs import InstanceRun
from pg_archiver.errors import SettingError
from pg_archiver.ledger.event_queue import EventQueue
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.policies.yaml_file import Client, Policies, load
from tests.support.concurrency import in_background, until
from tests.support.place import Place

pytestmark = pytest.mark.more

FUNCTIONS = """
from pg_archiver.events import Event, event_function


@event_function("copy")
def copy(event, db):
    print("own words of a tenant 7713")
    if event.key["id"] < 0:
        raise ValueError("own words of a tenant 7713")
    db.execute("INSERT INTO app.sink (id, operation) VALUES (%s, %s)", [event.key["id"], event.operation])
"""
TABLES = """
    CREATE SCHEMA app;
    CREATE TABLE app.source (id int PRIMARY KEY, data text);
    CREATE TABLE app.sink (id int, operation text)
"""
FORM = {"bindings": [], "retry_dead": False, "max_seconds": None}


@dataclass(frozen=True)
class Watched:
    """A database with a watched table, as one run of its client's DAG sees it."""

    place: Place
    policies: Policies
    client: Client

    def run(self, **parameters: Any) -> ClientEvents:
        context = {
            "params": {**FORM, **parameters},
            "dag": SimpleNamespace(params=FORM, dag_id=events_dag_id(self.client.name)),
            "dag_run": SimpleNamespace(run_id="run 1", dag_id=events_dag_id(self.client.name), conf=parameters),
        }
        return ClientEvents(self.policies, self.client, context)

    def choose(self) -> list[str]:
        """A look at the jobs, as the DAG of jobs does it; returns its problems."""
        context = {"dag_run": SimpleNamespace(run_id="run 1", dag_id="jobs__rds_main")}
        instance = InstanceRun(self.policies, self.policies.jobs["rds_main"], context)
        (source,) = instance.list_sources()
        return [str(one) for one in instance.look(source, most=100).problems]

    def watch(self, name: str = "copy", function: str = "copy", **settings: Any) -> int:
        self.place.sql(
            "INSERT INTO archiver.jobs (job_name, action, function_name) VALUES (%s, 'function', %s)", name, function
        )
        given = "".join(f", {one} => %s" for one in settings)
        statement = f"SELECT archiver.watch('app.source', %s, topic => '.id'{given})"
        ((number,),) = self.place.sql(statement, name, *settings.values())
        self.choose()
        return int(number)

    def insert(self, *ids: int) -> None:
        for number in ids:
            self.place.sql("INSERT INTO app.source VALUES (%s, 'test input')", number)

    def sink(self) -> list[Any]:
        return self.place.sql("SELECT id, operation FROM app.sink ORDER BY id")


@pytest.fixture
def watched(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Watched:
    place.sql(TABLES)
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "copies.py").write_text(FUNCTIONS)
    monkeypatch.setenv("ARCHIVER_FUNCTIONS", str(tmp_path / "functions"))
    address = {"conn_type": "postgres", "host": place.server.host, "port": place.server.port}
    account = {"login": place.server.user, "password": place.server.password}
    for name in ("RDS_MAIN", "RDS_EVENTS"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(address | account))
    path = tmp_path / "policies.yaml"
    client = {
        "name": "acme",
        "database": place.database,
        "own_jobs": True,
        "events": {"conn_id": "rds_events", "lanes": 2, "linger": 0},
    }
    jobs = {"actions": ["function", "delete"], "approve": [], "min_keep_days": 0, "grace_minutes": 0}
    instance = {"conn_id": "rds_main", "jobs": jobs, "clients": [client]}
    path.write_text(yaml.safe_dump({"defaults": {"bucket": "archive"}, "instances": [instance]}))
    policies = load(path)
    monkeypatch.setattr(tasks, "find_events_pause", lambda _client, _known: None)
    with place.session() as session:
        EventTables(session).migrate()
    return Watched(place, policies, policies.clients[0])


def test_what_waits_gets_a_worker_and_nothing_of_it_is_told(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert watched.run().survey() == []
    watched.watch(max_attempts=1)
    watched.insert(1, 2, -3)
    lanes = watched.run().survey()
    assert lanes == [{"lane": 0, "lanes": 2}]
    ended = watched.run().work(**lanes[0])
    assert watched.sink() == [(1, "INSERT"), (2, "INSERT")]
    assert ended["ended"] == {"done": 2, "failed": 1}
    assert ended["dead"] == 1
    assert watched.run().survey() == []
    assert "7713" not in caplog.text
    assert "7713" in str(watched.place.sql("SELECT err_message, output FROM archiver.event_log"))


def test_a_table_whose_job_keeps_versions_is_worked_on_by_the_same_workers(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops: list[str] = ["Airflow Variable archive_jobs_paused is true"]
    monkeypatch.setattr(job_connections, "find_stop", lambda *_: stops[0] if stops else None)
    watched.place.sql("CREATE TABLE app.docs (doc_id int, version bigint, PRIMARY KEY (doc_id, version))")
    config = {"table": "app.docs", "keep_days": 0, "keep_versions": 1}
    config |= {"key_columns": ["doc_id"], "version_column": "version"}
    watched.place.sql(
        "INSERT INTO archiver.jobs (job_name, action, config) VALUES ('docs', 'delete', %s)", json.dumps(config)
    )
    watched.place.sql("SELECT archiver.watch('app.docs', 'docs', merge => true)")
    watched.place.sql("INSERT INTO app.docs SELECT 1, generate_series(1, 3)")
    assert watched.choose() == []
    # Not before its rehearsal, and nobody is sent to work for it.
    assert watched.run().survey() == []
    watched.place.sql("UPDATE archiver.job_state SET rehearsed_definition = definition, rehearsed_at = now()")
    lanes = watched.run().survey()
    assert len(lanes) == 1
    watched.run().work(**lanes[0])
    # A job that a person has stopped is nothing to be red about, however long its events wait.
    watched.place.sql("UPDATE archiver.events SET queued_at = now() - interval '1 day'")
    assert sweep_events(watched.client).problems == ()
    left = "SELECT array_agg(version ORDER BY version) FROM app.docs"
    assert watched.place.sql(left) == [([1, 2, 3],)]
    stops.clear()
    watched.run().work(**lanes[0])
    assert watched.place.sql(left) == [([3],)]
    counted = "SELECT total_keys, total_rows, highest_version FROM archiver.job_stats WHERE action = 'delete'"
    assert watched.place.sql(counted) == [(1, 2, "2")]
    assert watched.run().survey() == []


def test_the_events_of_a_job_that_is_refused_or_not_checked_wait(watched: Watched) -> None:
    watched.watch("gone", function="gone")
    watched.insert(1)
    assert watched.run().survey() == []
    assert watched.place.sql("SELECT state FROM archiver.job_state") == [("refused",)]
    watched.place.sql("UPDATE archiver.jobs SET function_name = 'copy'")
    assert watched.run().survey() == []
    assert watched.run().work(lane=0, lanes=2)["ended"] == {}
    watched.choose()
    assert watched.run().survey() == [{"lane": 0, "lanes": 2}]
    watched.run().work(lane=0, lanes=2)
    assert watched.sink() == [(1, "INSERT")]


def test_dead_events_come_back_by_the_form(watched: Watched) -> None:
    watched.watch(max_attempts=1)
    watched.insert(-1, -2)
    watched.run().survey()
    watched.run().work(lane=0, lanes=2)
    found = sweep_events(watched.client)
    (problem,) = found.problems
    assert problem.startswith("client acme, binding 1 (app.source, job copy): 2 dead events, which nobody tries again")
    assert "then run events__acme with retry_dead" in problem
    with pytest.raises(SettingError, match=r"bindings names 7, which has no dead events.*choose of 1"):
        watched.run(retry_dead=True, bindings=[7]).survey()
    assert watched.run(retry_dead=True, bindings=[1]).survey() == [{"lane": 0, "lanes": 2}]
    assert watched.place.sql("SELECT count(*) FROM archiver.dead_events") == [(0,)]
    assert sweep_events(watched.client).problems == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"bindings": [1]}, "bindings is set without retry_dead"),
        ({"max_seconds": 0}, "max_seconds is 0"),
        ({"max_seconds": 86_401}, "max_seconds is 86401"),
        ({"binding": [1]}, "did you mean 'bindings'"),
    ],
)
def test_a_form_that_asks_for_what_cannot_be_is_refused(watched: Watched, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        watched.run(**asked).survey()


def test_what_is_paused_starts_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.watch()
    watched.insert(1)
    monkeypatch.setattr(tasks, "find_events_pause", lambda _client, _known: "archive_events_paused__acme")
    assert watched.run().survey() == []
    assert watched.run().work(lane=0, lanes=2) == {}
    assert watched.sink() == []


def test_a_worker_that_airflow_asks_to_end_ends_although_it_lingers(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.watch()
    watched.insert(1)
    watched.run().survey()
    assert watched.client.events
    lingers = watched.client.events.model_copy(update={"linger": 300.0})
    lingering = replace(watched, client=replace(watched.client, events=lingers))

    def stop_it() -> None:
        until(lambda: watched.sink() == [(1, "INSERT")])
        os.kill(os.getpid(), signal.SIGTERM)

    with in_background(stop_it):
        ended = lingering.run().work(lane=0, lanes=2)
    assert (ended["ended"], ended["why"]) == ({"done": 1}, "it was told to end")


def test_the_sweep_wakes_for_what_waits_and_is_red_for_what_overflows(watched: Watched) -> None:
    watched.watch(max_waiting=2)
    assert sweep_events(watched.client).wakes is False
    watched.insert(1, 2)
    found = sweep_events(watched.client)
    assert (found.ready, found.wakes, found.problems) == (2, True, ())
    watched.insert(3)
    (problem,) = sweep_events(watched.client).problems
    assert (
        "binding 1 (app.source, job copy): more than max_waiting = 2 events waited, so it notes nothing more" in problem
    )
    watched.insert(4)
    watched.run().work(lane=0, lanes=2)
    assert [number for number, _ in watched.sink()] == [1, 2, 3]
    assert sweep_events(watched.client).problems == (problem,)
    watched.place.sql("UPDATE archiver.bindings SET suspended_at = NULL")
    assert sweep_events(watched.client).problems == ()


def test_the_sweep_is_red_where_nobody_has_worked_for_long(watched: Watched) -> None:
    watched.watch()
    watched.insert(1)
    watched.place.sql("UPDATE archiver.incoming_events SET queued_at = now() - interval '11 minutes'")
    (problem,) = sweep_events(watched.client).problems
    assert "1 event could run, the first for 11 minutes, and nobody is at work. Fix: unpause events__acme" in problem
    assert "create the pool events_rds_main" in problem


def test_the_sweep_is_red_where_events_wait_for_a_job_that_is_refused(watched: Watched) -> None:
    watched.watch("gone", function="gone")
    watched.insert(1)
    assert sweep_events(watched.client).problems == ()
    watched.place.sql("UPDATE archiver.events SET queued_at = now() - interval '11 minutes'")
    (problem,) = sweep_events(watched.client).problems
    assert problem.startswith("client acme: 1 event of job 'gone' waited for ten minutes, since it is refused. Fix: ")


def test_the_sweep_is_red_where_the_job_of_a_binding_is_gone(watched: Watched) -> None:
    number = watched.watch()
    watched.insert(1)
    watched.place.sql("DELETE FROM archiver.jobs")
    (problem,) = sweep_events(watched.client).problems
    assert problem.startswith(f"client acme, binding {number} (app.source, job copy): its job is gone, so nobody runs")
    watched.place.sql("SELECT archiver.unwatch(%s)", number)
    (again,) = sweep_events(watched.client).problems
    assert again == problem
    watched.place.sql("SELECT archiver.unwatch(%s, discard => true)", number)
    assert sweep_events(watched.client).problems == ()


def test_the_sweep_is_red_where_somebody_keeps_events_from_the_queue(watched: Watched) -> None:
    watched.watch()
    watched.insert(1)
    with watched.place.server.connect(watched.place.database) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtextextended('archiver events taken in', 0))")
        assert sweep_events(watched.client).problems == ()
        watched.place.sql("UPDATE archiver.incoming_events SET queued_at = now() - interval '11 minutes'")
        (problem,) = sweep_events(watched.client).problems
        said = f"the session with pid {holder.info.backend_pid} of database {watched.place.database} holds it"
    assert said in problem
    watched.place.sql("UPDATE archiver.incoming_events SET queued_at = now()")
    assert sweep_events(watched.client).problems == ()


def test_what_waits_while_those_at_work_are_busy_gets_another_lane(watched: Watched) -> None:
    watched.watch()
    watched.insert(1, 2)
    with watched.place.session() as session:
        EventQueue(session).begin_worker("here", None, 0)
        assert watched.run().survey() == []
        watched.place.sql("UPDATE archiver.events SET queued_at = now() - interval '2 minutes'")
        assert watched.run().survey() == [{"lane": 1, "lanes": 2}]


def test_the_sweep_prunes_the_log(watched: Watched) -> None:
    watched.watch(log="all")
    watched.insert(1)
    watched.run().survey()
    watched.run().work(lane=0, lanes=2)
    assert watched.place.sql("SELECT count(*) FROM archiver.event_log") == [(1,)]
    watched.place.sql("UPDATE archiver.event_log SET started_at = now() - interval '8 days'")
    sweep_events(watched.client)
    assert watched.place.sql("SELECT count(*) FROM archiver.event_log") == [(0,)]


def test_a_login_that_may_not_reach_the_queue_is_told_so(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = sql.Identifier("stranger")
    with watched.place.server.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(stranger))
    try:
        server: PostgresServer = watched.place.server
        address = {"conn_type": "postgres", "host": server.host, "port": server.port}
        monkeypatch.setenv("AIRFLOW_CONN_RDS_EVENTS", json.dumps({**address, "login": "stranger", "password": "x"}))
        watched.watch()
        watched.insert(1)
        with pytest.raises(Exception, match=r"stranger|permission|may not|privilege"):
            watched.run().work(lane=0, lanes=2)
        assert watched.sink() == []
    finally:
        with watched.place.server.connect() as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(stranger))


@pytest.mark.parametrize(
    ("events", "topics", "lanes", "worth"),
    [(0, 0, 4, 0), (1, 1, 4, 1), (60, 60, 4, 1), (61, 61, 4, 2), (1000, 1, 4, 1), (1000, 3, 4, 3), (1000, 900, 4, 4)],
)
def test_so_many_lanes_are_worth_a_worker(events: int, topics: int, lanes: int, worth: int) -> None:
    assert count_lanes(events, topics, lanes) == worth


def test_a_client_without_events_has_no_tasks(watched: Watched) -> None:
    nobody = replace(watched, client=replace(watched.client, events=None))
    with pytest.raises(SettingError, match="has no events"):
        nobody.run().survey()
