"""The form of the DAG `restore`, and what becomes of what is filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from pg_archiver.airflow.pools import list_pools
from pg_archiver.airflow.restore import choose_table, make_restore_order
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import OnConflict
from pg_archiver.errors import SettingError
from pg_archiver.policies.yaml_file import Policies, load

DAGS = Path(__file__).parents[2] / "dags"
POLICIES: dict[str, Any] = {
    "defaults": {"bucket": "archive"},
    "instances": [
        {"conn_id": "rds_main", "clients": [{"name": "acme"}, {"name": "broken", "keep_dayz": 3}]},
        {
            "conn_id": "rds.other",
            "clients": [{"name": "globex", "tables": [{"table": "a.b", "timezone": "Asia/Tokyo"}]}],
        },
    ],
}
FORM = {
    "client": "acme",
    "table": "analytics.events",
    "start": "2026-01-01T00:00:00+00:00",
    "end": "2026-01-02T00:00:00",
    "into": None,
    "on_conflict": "skip",
    "hold_days": 7,
    "ignore_missing_columns": False,
    "text_columns": None,
    "set_sequences": False,
    "dry_run": False,
}


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policies:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    return load(path)


def filled(**fields: object) -> dict[str, Any]:
    return {
        "params": FORM | fields,
        "dag_run": SimpleNamespace(run_id="run 1", conf=fields),
        "dag": SimpleNamespace(dag_id="restore", params=FORM),
    }


def test_the_form(policies: Policies) -> None:
    bag = DagBag(str(DAGS), bundle_name="dags-folder")
    assert bag.import_errors == {}
    dag = bag.dags["restore"]
    assert set(dag.params) == set(FORM)
    assert dag.params.get_param("client").schema["enum"] == ["acme", "globex"]
    assert dag.params.get_param("on_conflict").schema["enum"] == ["skip", "newest", "fail"]
    assert {task.task_id: task.pool for task in dag.tasks} == {
        "choose": "default_pool",
        "restore_rds_main": "archive_rds_main",
        "restore_rds--2Eother": "archive_rds.other",
    }
    assert dag.schedule is None
    DagSerialization.to_dict(dag)


def test_without_any_client_there_is_a_form_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES | {"instances": [{"conn_id": "rds_main", "clients": []}]}))
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    bag = DagBag(str(DAGS), bundle_name="dags-folder")
    assert bag.import_errors == {}
    assert set(bag.dags["restore"].params) == set(FORM)


def test_databases_that_no_client_stands_for_may_be_named_and_have_their_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policies.yaml"
    instance = {"conn_id": "rds_jobs", "jobs": {"database": "postgres", "databases": ["*"]}, "clients": []}
    path.write_text(yaml.safe_dump(POLICIES | {"instances": [*POLICIES["instances"], instance]}), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    dag = DagBag(str(DAGS), bundle_name="dags-folder").dags["restore"]
    client = dag.params.get_param("client")
    assert "enum" not in client.schema
    assert client.schema["examples"] == ["acme", "globex"]
    assert dag.get_task("restore_rds_jobs").pool in list_pools(load(path))
    DagSerialization.to_dict(dag)


def test_what_is_filled_in_becomes_the_order(policies: Policies) -> None:
    context = filled(client="globex", table="a.b", into='"odd.schema".copy', on_conflict="newest", dry_run=True)
    assert make_restore_order(*choose_table(policies, context), context).text_columns == ()
    context = filled(
        client="globex", table="a.b", into='"odd.schema".copy', on_conflict="newest", dry_run=True,
        text_columns="role, other name ,", set_sequences=True,
    )  # fmt: skip
    order = make_restore_order(*choose_table(policies, context), context)
    assert (order.start, order.end) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2))  # noqa: DTZ001
    assert order.into == TableName("odd.schema", "copy")
    assert order.on_conflict is OnConflict.NEWEST
    assert (order.text_columns, order.set_sequences) == (("role", "other name"), True)
    assert (order.work.client, order.work.timezone, order.work.dry_run) == ("globex", "Asia/Tokyo", True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"client": "nobody"}, r"client is 'nobody': .* has no such client \(acme, globex\)"),
        ({"client": "broken"}, "keep_dayz: no such setting"),
        ({"table": "events"}, "parameter table: 'events' is not schema.table"),
        ({"into": "copy"}, "parameter into: 'copy' is not schema.table"),
        ({"start": "yesterday"}, "parameter start is 'yesterday'"),
        ({"end": ""}, "start and end must both be set"),
        ({"hold_days": -1}, "hold_days is -1"),
        ({"hold_days": 1.5}, "hold_days is 1.5"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(policies: Policies, fields: dict[str, object], words: str) -> None:
    context = filled(**fields)
    with pytest.raises(SettingError, match=words):
        make_restore_order(*choose_table(policies, context), context)


def test_a_dry_run_that_airflow_made_a_real_one_is_refused(policies: Policies) -> None:
    context = filled(dry_run=True) | {"params": FORM}
    with pytest.raises(SettingError, match="asked for dry_run = True, and Airflow passed False"):
        choose_table(policies, context)
