"""The DAG `maintenance`: its shape, what the form chooses, and how the free space is asked for."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from dev.s3 import MotoS3
from include import maintenance_tasks
from include.approval import RewriteApproval, approved
from include.archiver.errors import SettingError
from include.archiver.maintenance_settings import Disk
from include.archiver.policy import Client, Policies, load
from include.free_space import free_space
from include.maintenance_tasks import subjects
from include.pools import pools

DAGS = Path(__file__).parents[2] / "dags"
POLICIES = {
    "defaults": {"bucket": "archive"},
    "instances": [
        {"conn_id": "rds_main", "clients": [{"name": "a", "tables": [{"table": "s.one"}, {"table": "s.two"}]}]},
        {
            "conn_id": "rds_two",
            "clients": [{"name": "b", "tables": [{"table": "s.two"}]}, {"name": "bad", "tables": []}],
        },
    ],
}
EMPTY = {"clients": None, "tables": None, "actions": None, "strategy": None, "force": False, "reason": None}


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policies:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    return load(path)


def form(**fields: object) -> dict[str, Any]:
    return {"params": EMPTY | fields, "dag_run": SimpleNamespace(run_id="run 1")}


def test_the_dag(policies: Policies) -> None:
    bag = DagBag(str(DAGS), bundle_name="dags-folder")
    assert bag.import_errors == {}
    dag = bag.dags["maintenance"]
    steps = ["inspect", "index", "validate", "vacuum", "approve", "reclaim", "report"]
    for conn_id in ("rds_main", "rds_two"):
        chain = [f"choose_{conn_id}", *(f"on_{conn_id}.{step}" for step in steps)]
        for first, second in pairwise(chain):
            assert second in dag.get_task(first).downstream_task_ids
        assert {dag.get_task(one).pool for one in chain} == {f"maintenance_{conn_id}"}
        weights = [dag.get_task(one).priority_weight for one in chain[1:]]
        assert weights == sorted(set(weights))
    assert len(dag.tasks) == 2 * (1 + len(steps))
    assert "backfill" not in {run_type.value for run_type in dag.allowed_run_types}
    DagSerialization.to_dict(dag)


def test_each_server_has_a_pool_of_one_slot_for_it(policies: Policies) -> None:
    assert {name: pool["slots"] for name, pool in pools(policies).items() if name.startswith("maintenance")} == {
        "maintenance_rds_main": 1,
        "maintenance_rds_two": 1,
    }


def test_the_form_chooses_the_tables(policies: Policies, monkeypatch: pytest.MonkeyPatch) -> None:
    assert subjects(policies, "rds_main", form()) == [["a", "s.one"], ["a", "s.two"]]
    assert subjects(policies, "rds_two", form()) == [["b", "s.two"]]
    assert subjects(policies, "rds_main", form(tables=["s.two"])) == [["a", "s.two"]]
    assert subjects(policies, "rds_two", form(clients=["a"])) == []
    with pytest.raises(SettingError, match="clients names 'nobody'"):
        subjects(policies, "rds_main", form(clients=["a", "nobody"]))
    with pytest.raises(SettingError, match=r"clients names 'bad': .*tables is empty"):
        subjects(policies, "rds_main", form(clients=["bad"]))
    with pytest.raises(SettingError, match=r"tables names 's\.three'"):
        subjects(policies, "rds_main", form(tables=["s.three"]))
    with pytest.raises(SettingError, match="force is set without reason"):
        subjects(policies, "rds_main", form(force=True, reason=" "))
    monkeypatch.setattr(maintenance_tasks, "MOST_MAPPED_WINDOWS", 1)
    with pytest.raises(SettingError, match="2 tables of rds_main are more than the 1"):
        subjects(policies, "rds_main", form())


def test_only_a_plain_yes_is_an_approval() -> None:
    assert approved({"chosen_options": [RewriteApproval.APPROVE]})
    answers: tuple[object, ...] = (
        None,
        {},
        {"chosen_options": []},
        {"chosen_options": [RewriteApproval.REJECT]},
        "Approve",
        True,
    )
    assert not any(map(approved, answers))


def on(**disk: Any) -> Client:
    return Client("a", "rds_main", "a", (), Disk(**disk) if disk else None)


def test_free_space_is_asked_for_as_the_policy_says(tmp_path: Path) -> None:
    assert free_space(on()).ask() is None
    assert free_space(on(free_gb=1.5)).ask() == 1_500_000_000
    assert free_space(on(free_bytes=0)).ask() == 0
    free = free_space(on(path=str(tmp_path))).ask()
    assert free is not None
    assert abs(free - shutil.disk_usage(tmp_path).free) < 10**9
    with pytest.raises(SettingError, match=r"disk\.path is /no/such/folder"):
        free_space(on(path="/no/such/folder")).ask()


def test_a_function_that_tells_the_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our_disks.py").write_text(
        "def free():\n    return 77\ndef unknown():\n    return None\ndef wrong():\n    return '77'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert free_space(on(callable="our_disks:free")).ask() == 77
    assert free_space(on(callable="our_disks:unknown")).ask() is None
    with pytest.raises(SettingError, match="returned '77'; it has to return bytes"):
        free_space(on(callable="our_disks:wrong")).ask()
    for place in ("our_disks:nothing", "no_such_module:free"):
        with pytest.raises(SettingError, match=f"disk.callable is '{place}', which cannot be imported"):
            free_space(on(callable=place)).ask()


def test_cloudwatch_tells_the_free_space_of_an_rds_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    with MotoS3() as aws:
        endpoint = aws.endpoint_url
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        client = boto3.client("cloudwatch", region_name="eu-central-1", endpoint_url=endpoint)
        now = datetime.now(UTC)
        for age, value in ((200, 1), (10, 5_000_000_000), (5, 4_000_000_000)):
            client.put_metric_data(
                Namespace="AWS/RDS",
                MetricData=[
                    {
                        "MetricName": "FreeStorageSpace",
                        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": "main-1"}],
                        "Timestamp": now - timedelta(minutes=age),
                        "Value": value,
                        "Unit": "Bytes",
                    }
                ],
            )
        assert free_space(on(rds_instance_id="main-1")).ask() == 4_000_000_000
        assert free_space(on(rds_instance_id="main-2")).ask() is None
