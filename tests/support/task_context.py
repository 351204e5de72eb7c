"""A place reached as a task reaches it: through Airflow's connections, with the context of a run."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from pg_archiver.airflow import archive, preview
from pg_archiver.airflow.archive import TableWork
from pg_archiver.airflow.variables import ClientVariables
from pg_archiver.policies.yaml_file import Client, Policies
from tests.support.any_place import NOW, AnyPlace


def connect_airflow(place: AnyPlace, monkeypatch: pytest.MonkeyPatch, endpoint_url: str = "") -> None:
    """Gives Airflow the connections to the place's servers; to S3 by another address, if there is one."""
    server = {"conn_type": "postgres", "host": place.server.host, "port": place.server.port}
    account = {"login": place.server.user, "password": place.server.password}
    monkeypatch.setenv("AIRFLOW_CONN_RDS_MAIN", json.dumps(server | account))
    storage = {
        "conn_type": "aws",
        "login": place.s3.access_key,
        "password": place.s3.secret_key,
        "extra": {"endpoint_url": endpoint_url or place.s3.endpoint_url, "region_name": place.s3.region},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(storage))


def set_variables(monkeypatch: pytest.MonkeyPatch, enabled: str | None = None, **keep_days: str) -> None:
    """What Airflow's Variables say from here on."""
    found = ClientVariables(dict(keep_days), enabled, ())
    for tasks in (archive, preview):
        monkeypatch.setattr(tasks, "read_client_variables", lambda _client: found)


def work_on(place: AnyPlace, **client: Any) -> TableWork:
    """The place's table as the only one of its client."""
    ours = Client(place.database, "rds_main", place.database, (place.policy,), **client)
    return TableWork(ours, place.policy, Policies("the test", (ours,), {}))


def context_of(run_id: str = "run 1", map_index: int = 0, **parameters: object) -> dict[str, Any]:
    """The context of a task of a run by hand, with these values in its form."""
    form = {"keep_days": 2, "dry_run": False, "start": None, "end": None, "adopt": None}
    run = SimpleNamespace(run_id=run_id, run_after=NOW, conf=parameters)
    return {
        "params": form | parameters,
        "dag": SimpleNamespace(params=form, dag_id="archive__x"),
        "dag_run": run,
        "ti": SimpleNamespace(map_index=map_index),
    }
