"""The DAGs of jobs: which there are, what wakes them, and what each run may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import AssetWatcher
from airflow.serialization.serialized_objects import DagSerialization

DAGS = Path(__file__).parents[2] / "dags"
OURS = {"jobs__rds_main", "jobs__rds_two", "sweep", "approve_jobs"}
CALLS = {"actions": ["call"], "procedures": ["app.*"], "procedures_conn_id": "procedures"}
ROLLUP = {"name": "rollup", "action": "call", "procedure": "app.rollup", "schedule": "30 2 * * *"}
POLICIES: dict[str, Any] = {
    "defaults": {"bucket": "archive"},
    "instances": [
        {
            "conn_id": "rds_main",
            "jobs": {**CALLS, "database": "control", "databases": ["*"], "slots": 3},
            "clients": [{"name": "acme", "own_jobs": True}, {"name": "globex", "jobs": [ROLLUP]}, {"name": "initech"}],
        },
        {
            "conn_id": "rds_two",
            "jobs": {**CALLS, "approve": ["call"]},
            "clients": [{"name": "hooli", "own_jobs": True}],
        },
        {"conn_id": "rds_plain", "clients": [{"name": "umbrella"}]},
    ],
}


def bag_of(policies: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DagBag:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(policies), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    bag = DagBag(str(DAGS), bundle_name="dags-folder")
    assert bag.import_errors == {}
    return bag


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagBag]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield bag_of(POLICIES, tmp_path_factory.mktemp("bag"), monkeypatch)


def watchers(dag: Any) -> list[AssetWatcher]:
    (asset,) = dag.timetable.asset_condition.objects
    return list(asset.watchers)


def test_there_is_one_for_each_instance_with_jobs_and_none_for_others(bag: DagBag) -> None:
    assert set(bag.dags) >= OURS
    assert "jobs__rds_plain" not in bag.dags


def test_where_no_instance_has_jobs_there_are_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"defaults": {"bucket": "archive"}, "instances": POLICIES["instances"][2:]}
    assert not OURS & set(bag_of(plain, tmp_path, monkeypatch).dags)


def test_each_database_that_holds_jobs_is_watched_once(bag: DagBag) -> None:
    found = [one.trigger.serialize() for one in watchers(bag.dags["jobs__rds_main"])]
    assert [arguments for _, arguments in found] == [
        {"conn_id": "rds_main", "database": database, "what": "jobs"} for database in ("acme", "control", "globex")
    ]
    assert {path for path, _ in found} == {"pg_archiver.airflow.due_trigger.Due"}


def test_jobs_run_in_the_instance_s_own_pool_and_are_not_tried_again_by_airflow(bag: DagBag) -> None:
    tasks = {task.task_id: task for task in bag.dags["jobs__rds_main"].tasks}
    assert set(tasks) == {"choose", "run", "report"}
    assert (tasks["run"].pool, tasks["run"].retries) == ("jobs_rds_main", 0)
    # A choice that waited for a slot would wait for the very jobs that it is to find.
    assert {tasks[name].pool for name in ("choose", "report")} == {"default_pool"}


def test_where_the_file_wants_approval_a_run_also_asks(bag: DagBag) -> None:
    assert {task.task_id for task in bag.dags["jobs__rds_two"].tasks} == {
        "choose",
        "run",
        "report",
        "list_requests",
        "ask",
    }


def test_nothing_of_jobs_takes_a_backfill(bag: DagBag) -> None:
    for dag_id in OURS - {"approve_jobs"}:
        kinds = bag.dags[dag_id].allowed_run_types
        assert kinds
        assert "backfill" not in {kind.value for kind in kinds}


def test_what_runs_by_itself_is_paused_when_it_is_new(bag: DagBag) -> None:
    paused = {dag_id: bag.dags[dag_id].is_paused_upon_creation for dag_id in OURS}
    assert paused == {"jobs__rds_main": True, "jobs__rds_two": True, "sweep": True, "approve_jobs": False}


def test_a_mapped_job_is_called_after_its_database_and_its_name(bag: DagBag) -> None:
    dag = bag.dags["jobs__rds_main"]
    template = dag.get_task("run").map_index_template
    ready = SimpleNamespace(op_kwargs={"claim": {"database": "acme", "job_name": "r" * 300}})
    label = dag.get_template_env().from_string(template).render(task=ready)
    assert label.startswith("acme / rrr")
    assert len(label) <= 250


def test_what_is_serialised_does_not_change_from_parse_to_parse(bag: DagBag) -> None:
    again = DagBag(str(DAGS), bundle_name="dags-folder")
    for dag_id in OURS:
        one, other = (DagSerialization.to_dict(found.dags[dag_id]) for found in (bag, again))
        assert one == other
