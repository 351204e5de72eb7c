"""How long tasks may run, and what a deployment must therefore allow."""

from __future__ import annotations

from pathlib import Path

import yaml
from airflow.dag_processing.dagbag import DagBag

ROOT = Path(__file__).parents[2]


def test_the_broker_waits_longer_for_a_task_than_any_may_run() -> None:
    bag = DagBag(str(ROOT / "dags"), bundle_name="dags-folder")
    # A task that waits for a person is deferred: it is with no worker.
    tasks = [task for dag in bag.dags.values() for task in dag.tasks if not task.task_id.endswith(".approve")]
    longest = max(task.execution_timeout.total_seconds() for task in tasks)
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
    settings = compose["x-airflow-common"]["environment"]
    assert int(settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"]) > longest
