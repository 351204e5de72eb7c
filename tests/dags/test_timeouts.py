"""How long tasks may run, and what a deployment must therefore allow."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

from pg_archiver.airflow.default_args import task_timeout
from pg_archiver.policies.durations import LONGEST_STATEMENT

ROOT = Path(__file__).parents[2]


def test_a_task_may_take_as_long_as_its_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept of a window's export that is ended in the middle."""
    tables = [{"table": "analytics.events"}, {"table": "a.wide", "statement_timeout": "9h"}]
    clients = [{"name": "usual"}, {"name": "large", "tables": tables}]
    policies = {"defaults": {"bucket": "archive"}, "instances": [{"conn_id": "rds_main", "clients": clients}]}
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(policies), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    bag = DagBag(str(ROOT / "dags"), bundle_name="dags-folder")
    for name, hours in (("usual", 4), ("large", 18)):
        tasks = bag.dags[f"archive__{name}"].tasks
        assert {task.execution_timeout for task in tasks} == {timedelta(hours=hours)}


def test_the_longest_that_a_policy_allows_is_less_than_the_broker_waits() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
    settings = compose["x-airflow-common"]["environment"]
    waits = int(settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"])
    assert task_timeout(LONGEST_STATEMENT) < timedelta(seconds=waits)


def test_the_broker_waits_longer_for_a_task_than_any_may_run() -> None:
    bag = DagBag(str(ROOT / "dags"), bundle_name="dags-folder")
    # A task that waits for a person is deferred: it is with no worker.
    people = {"approve", "ask"}
    tasks = [task for dag in bag.dags.values() for task in dag.tasks if task.task_id.split(".")[-1] not in people]
    longest = max(task.execution_timeout.total_seconds() for task in tasks)
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
    settings = compose["x-airflow-common"]["environment"]
    assert int(settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"]) > longest
