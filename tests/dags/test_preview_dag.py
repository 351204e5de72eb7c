"""The DAG `preview`: its form, that it may run at once and can delete nothing, and how it looks for a server's pool."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from dev.stack import PROJECT_ROOT
from pg_archiver.airflow.preview import choose_tables, look_for_pool, probe_state, read_form, read_limits
from pg_archiver.errors import SettingError
from pg_archiver.policies.yaml_file import Policies, load

DAGS = Path(__file__).parents[2] / "dags"
POLICIES = {
    "defaults": {"bucket": "archive"},
    "instances": [
        {"conn_id": "rds_main", "clients": [{"name": "acme"}, {"name": "broken", "keep_dayz": 3}]},
        {
            "conn_id": "rds.other",
            "clients": [{"name": "globex", "tables": [{"table": "a.b"}, {"table": "a.c"}]}],
        },
    ],
}
FORM = {"client": "acme", "table": None, "keep_days": None, "start": None, "end": None}
# Whatever can remove or rewrite rows, or write objects.
ABLE = (
    "airflow.archive airflow.maintenance airflow.restore airflow.verify archive.delete archive.drop_partition "
    "archive.export archive.exported_rows archive.pipeline archive.store ledger.removed_rows ledger.maintenance_log "
    "maintenance.compact maintenance.index maintenance.reclaim maintenance.vacuum maintenance.validate restore verify"
)


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policies:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    return load(path)


def filled(**fields: object) -> dict[str, Any]:
    run = SimpleNamespace(run_id="run 1", run_after=datetime(2026, 1, 31, tzinfo=UTC), conf=fields)
    return {"params": FORM | fields, "dag_run": run, "dag": SimpleNamespace(params=FORM, dag_id="preview")}


def test_the_form(policies: Policies) -> None:
    bag = DagBag(str(DAGS), bundle_name="dags-folder")
    assert bag.import_errors == {}
    dag = bag.dags["preview"]
    archive = bag.dags["archive__acme"]
    assert set(dag.params) == set(FORM)
    assert dag.params.get_param("client").schema["enum"] == ["acme", "globex"]
    for name in ("keep_days", "start", "end"):
        schemas = [one.params.get_param(name).schema for one in (dag, archive)]
        assert schemas[0]["type"] == schemas[1]["type"]
        assert schemas[0].get("format") == schemas[1].get("format")
    assert all("offset is needed" in dag.params.get_param(name).description for name in ("start", "end"))
    DagSerialization.to_dict(dag)


def test_the_tasks_and_their_pools(policies: Policies) -> None:
    dag = DagBag(str(DAGS), bundle_name="dags-folder").dags["preview"]
    assert {task.task_id: task.pool for task in dag.tasks} == {
        "choose": "default_pool",
        "probe_rds_main": "archive_rds_main",
        "probe_rds--2Eother": "archive_rds.other",
        "look_for_pool": "default_pool",
        "preview": "default_pool",
    }
    assert dag.schedule is None
    assert {task.task_id for task in dag.leaves} == {"preview", "probe_rds_main", "probe_rds--2Eother"}
    others = {task.priority_weight for task in DagBag(str(DAGS)).dags["archive__acme"].tasks}
    assert dag.get_task("probe_rds_main").priority_weight > max(others)


@pytest.mark.parametrize("site", ["True", "False"])
def test_it_is_not_paused_when_it_is_new_whatever_the_site_says(
    policies: Policies, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", site)
    assert DagBag(str(DAGS), bundle_name="dags-folder").dags["preview"].is_paused_upon_creation is False


def test_nothing_that_can_delete_is_even_loaded() -> None:
    script = "import sys, runpy; runpy.run_path('dags/preview.py'); print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": "include"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(ended.stdout.splitlines()[-1].split())
    assert "pg_archiver.preview.preview" in loaded
    assert loaded & {f"pg_archiver.{name}" for name in ABLE.split()} == set()


def test_without_any_client_there_is_a_form_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES | {"instances": [{"conn_id": "rds_main", "clients": []}]}))
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    bag = DagBag(str(DAGS), bundle_name="dags-folder")
    assert bag.import_errors == {}
    assert set(bag.dags["preview"].params) == set(FORM)


def test_what_is_filled_in_chooses(policies: Policies) -> None:
    globex = read_form(policies, filled(client="globex"))
    assert [one.table for one in choose_tables(policies, globex, filled(client="globex"))] == ["a.b", "a.c"]
    assert [one.table for one in choose_tables(policies, globex, filled(table="a.c"))] == ["a.c"]
    limits = read_limits(filled(start="2026-01-01T00:00:00+00:00"))
    assert (limits.start, limits.end) == (datetime(2026, 1, 1, tzinfo=UTC), None)
    assert limits.run_time == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"client": "nobody"}, r"client is 'nobody': .* has no such client \(acme, globex\)"),
        ({"client": "broken"}, "keep_dayz: no such setting"),
        ({"table": "a.b"}, "does not list for client 'acme'. It lists analytics.events"),
        ({"table": "events"}, "parameter table: 'events' is not schema.table"),
        ({"start": "yesterday"}, "parameter start is 'yesterday'"),
        ({"end": "soon"}, "parameter end is 'soon'"),
        ({"keep_days": "abc"}, "the run's parameter keep_days is 'abc'.*set it to -1"),
        ({"keep_days": 1.5}, "the run's parameter keep_days is 1.5"),
        ({"keep_days": ""}, "the run's parameter keep_days is ''"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(policies: Policies, fields: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        read_form(policies, filled(**fields))


@pytest.mark.parametrize("state", ["queued", "running", "success", "failed", "up_for_retry"])
def test_a_probe_that_left_the_queue_for_its_pool_tells_that_the_pool_is_there(policies: Policies, state: str) -> None:
    states = iter([None, "scheduled", state])
    assert look_for_pool(policies.clients[0], lambda: next(states), seconds=10).ok


@pytest.mark.parametrize("state", [None, "scheduled", "skipped"])
def test_a_probe_that_does_not_tells_both_reasons_and_the_command(policies: Policies, state: str | None) -> None:
    check = look_for_pool(policies.clients[0], lambda: state, seconds=0)
    assert not check.ok
    assert check.subject == "pool archive_rds_main"
    assert "python -m pg_archiver.airflow.pools > pools.json; airflow pools import pools.json" in check.told
    assert "hold all of its slots" in check.told


def test_the_state_of_the_probe_is_that_of_this_run(policies: Policies) -> None:
    def states(dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, str | None]]:
        assert (dag_id, task_ids, run_ids) == ("preview", ["probe_rds_main"], ["run 1"])
        return {"run 1": {"probe_rds_main": "queued"}}

    ti = SimpleNamespace(dag_id="preview", run_id="run 1", get_task_states=states)
    assert probe_state(policies.clients[0], {"ti": ti}) == "queued"
    ti.get_task_states = lambda **_: {}
    assert probe_state(policies.clients[0], {"ti": ti}) is None
