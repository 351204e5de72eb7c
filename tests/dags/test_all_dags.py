"""What holds for every DAG: what starts by itself, what is pushed, what a mapped task is called."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

DAGS = Path(__file__).parents[2] / "dags"
POLICIES = {
    "defaults": {"bucket": "archive"},
    "instances": [{"conn_id": "rds_main", "clients": [{"name": "acme"}, {"name": "globex"}]}],
}
OTHERS = {"maintenance", "restore", "verify"}


@pytest.fixture(params=["True", "False"])
def bag(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DagBag:
    """The DAGs at a site where new DAGs are paused, and at one where they are not."""
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", request.param)
    found = DagBag(str(DAGS), bundle_name="dags-folder")
    assert found.import_errors == {}
    assert set(found.dags) >= OTHERS
    return found


def test_what_has_a_schedule_is_paused_when_it_is_new_and_what_has_none_is_not(bag: DagBag) -> None:
    paused = {dag_id: bag.dags[dag_id].is_paused_upon_creation for dag_id in OTHERS}
    assert paused == {"maintenance": True, "verify": True, "restore": False}
    assert {dag_id for dag_id in OTHERS if bag.dags[dag_id].schedule} == {"maintenance", "verify"}


def test_with_a_prefix_no_dag_pool_or_asset_has_a_name_that_others_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    monkeypatch.setenv("ARCHIVER_NAME_PREFIX", "ours_")
    found = DagBag(str(DAGS), bundle_name="dags-folder")
    assert found.import_errors == {}
    assert set(found.dags) == {"ours_" + name for name in (*OTHERS, "preview", "archive__acme", "archive__globex")}
    tasks = [task for dag in found.dags.values() for task in dag.tasks]
    assert {task.pool for task in tasks} <= {"ours_archive_rds_main", "ours_maintenance_rds_main", "default_pool"}
    assets = [outlet for task in tasks for outlet in task.outlets]
    assert assets
    assert all(asset.name.startswith("ours_") for asset in assets)


def test_what_has_a_schedule_takes_no_backfill(bag: DagBag) -> None:
    for dag_id in ("maintenance", "verify"):
        assert {kind.value for kind in bag.dags[dag_id].allowed_run_types} == {
            "scheduled",
            "manual",
            "operator_triggered",
        }


def test_no_task_pushes_each_key_of_its_result(bag: DagBag) -> None:
    tasks = [task for dag in bag.dags.values() for task in dag.tasks]
    several = [
        task.task_id
        for task in tasks
        if getattr(task, "multiple_outputs", False) or getattr(task, "partial_kwargs", {}).get("multiple_outputs")
    ]
    assert len(tasks) > 10
    assert several == []


def label(dag: Any, task_id: str, chosen: object) -> str:
    """The label as Airflow renders it before the task's body runs: from the argument alone."""
    task = dag.get_task(task_id)
    ready = SimpleNamespace(op_kwargs={"chosen": chosen}, chosen=chosen)
    rendered: str = dag.get_template_env().from_string(task.map_index_template).render(task=ready)
    return rendered


def test_a_mapped_task_is_called_after_client_and_table(bag: DagBag) -> None:
    dag = bag.dags["maintenance"]
    mapped = [task.task_id for task in dag.tasks if task.task_id.startswith("on_")]
    assert len(mapped) == 7
    for task_id in mapped:
        assert label(dag, task_id, ["acme", "analytics.events"]) == "acme analytics.events"
        # By its keyword: what is given by its place is in op_args, of which the template knows nothing.
        assert "chosen" in getattr(dag.get_task(task_id), "op_kwargs", {"chosen": None})


def test_a_mapped_task_of_verify_is_called_after_its_first_tables(bag: DagBag) -> None:
    tables = [["acme", f"s.t{number}"] for number in range(5)]
    dag = bag.dags["verify"]
    assert label(dag, "verify", tables[:1]) == "acme s.t0"
    assert label(dag, "verify", tables[:3]) == "acme s.t0, acme s.t1, acme s.t2"
    assert label(dag, "verify", tables) == "acme s.t0, acme s.t1, acme s.t2, ..."


def test_a_label_fits_the_column_that_airflow_has_for_it(bag: DagBag) -> None:
    long = ["c" * 200, f"{'s' * 63}.{'t' * 63}"]
    assert len(label(bag.dags["maintenance"], "on_rds_main.index", long)) <= 250
    assert len(label(bag.dags["verify"], "verify", [long, long, long])) <= 250
