"""The form's values as Airflow itself makes them of a run's conf: a dry run never becomes a real one on the way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.definitions.param import process_params

from pg_archiver.airflow.run_context import read_parameters
from pg_archiver.errors import SettingError

DAGS = Path(__file__).parents[2] / "dags"
OVERRIDES = "AIRFLOW__CORE__DAG_RUN_CONF_OVERRIDES_PARAMS"


@pytest.fixture
def dag() -> DAG:
    """Parsed anew for each test: Airflow writes a run's values into the parameters of the DAG itself."""
    return DagBag(str(DAGS), bundle_name="dags-folder").dags["archive__acme"]


def context_of(dag: DAG, conf: dict[str, Any]) -> dict[str, Any]:
    task = dag.get_task("analytics-events.plan")
    return {
        "dag": dag,
        "dag_run": SimpleNamespace(conf=conf),
        "params": process_params(dag, task, conf, suppress_exception=False),
    }


def test_what_a_run_asks_for_is_what_its_tasks_get(dag: DAG) -> None:
    found = read_parameters(context_of(dag, {"dry_run": True, "keep_days": -1}))
    assert (found["dry_run"], found["keep_days"], found["adopt"]) == (True, -1, None)


def test_a_dry_run_whose_form_airflow_ignores_is_refused(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDES, "False")
    context = context_of(dag, {"dry_run": True, "keep_days": -1})
    assert context["params"]["dry_run"] is False, "a real run, if nobody looked"
    with pytest.raises(SettingError, match="dag_run_conf_overrides_params is False"):
        read_parameters(context)
    assert read_parameters(context_of(dag, {}))["dry_run"] is False


def test_a_misspelt_dry_run_is_refused(dag: DAG) -> None:
    context = context_of(dag, {"dryrun": True})
    assert context["params"]["dry_run"] is False, "a real run, if nobody looked"
    with pytest.raises(SettingError, match="did you mean 'dry_run'"):
        read_parameters(context)
