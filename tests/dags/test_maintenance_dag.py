"""The DAG `maintenance`: its shape, what the form chooses, and how the free space is asked for."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
from pg_archiver.airflow import maintenance
from pg_archiver.airflow.free_space import find_free_space
from pg_archiver.airflow.maintenance import choose_tables
from pg_archiver.airflow.pools import list_pools
from pg_archiver.domain.sizes import Sizes
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import SettingError, StorageInterrupted
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace, estimate_room
from pg_archiver.maintenance.inspection import Method, TablePart
from pg_archiver.maintenance.strategy import disk_hindrance
from pg_archiver.policies.maintenance_settings import Disk
from pg_archiver.policies.yaml_file import Client, Policies, load

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
EMPTY = {
    "clients": None,
    "tables": None,
    "actions": None,
    "strategy": None,
    "force": False,
    "reason": None,
    "dry_run": False,
}


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policies:
    path = tmp_path / "policies.yaml"
    path.write_text(yaml.safe_dump(POLICIES), encoding="utf-8")
    monkeypatch.setenv("ARCHIVER_POLICIES", str(path))
    return load(path)


def form(**fields: object) -> dict[str, Any]:
    return {
        "params": EMPTY | fields,
        "dag_run": SimpleNamespace(run_id="run 1", conf=fields),
        "dag": SimpleNamespace(dag_id="maintenance", params=EMPTY),
    }


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
    assert {name: pool["slots"] for name, pool in list_pools(policies).items() if name.startswith("maintenance")} == {
        "maintenance_rds_main": 1,
        "maintenance_rds_two": 1,
    }


def test_the_form_chooses_the_tables(policies: Policies, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_tables(policies, "rds_main", form()) == [["a", "s.one"], ["a", "s.two"]]
    assert choose_tables(policies, "rds_two", form()) == [["b", "s.two"]]
    assert choose_tables(policies, "rds_main", form(tables=["s.two"])) == [["a", "s.two"]]
    assert choose_tables(policies, "rds_two", form(clients=["a"])) == []
    with pytest.raises(SettingError, match="clients names 'nobody'"):
        choose_tables(policies, "rds_main", form(clients=["a", "nobody"]))
    with pytest.raises(SettingError, match=r"clients names 'bad': .*tables is empty"):
        choose_tables(policies, "rds_main", form(clients=["bad"]))
    with pytest.raises(SettingError, match=r"tables names 's\.three'"):
        choose_tables(policies, "rds_main", form(tables=["s.three"]))
    with pytest.raises(SettingError, match="force is set without reason"):
        choose_tables(policies, "rds_main", form(force=True, reason=" "))
    ignored = form(dry_run=True) | {"params": EMPTY}
    with pytest.raises(SettingError, match="asked for dry_run = True, and Airflow passed False"):
        choose_tables(policies, "rds_main", ignored)
    monkeypatch.setattr(maintenance, "MOST_MAPPED_WINDOWS", 1)
    with pytest.raises(SettingError, match="2 tables of rds_main are more than the 1"):
        choose_tables(policies, "rds_main", form())


def on(**disk: Any) -> Client:
    return Client("a", "rds_main", "a", (), Disk(**disk) if disk else None)


def test_free_space_is_asked_for_as_the_policy_says(tmp_path: Path) -> None:
    assert find_free_space(on()).ask() is None
    assert find_free_space(on(free_gb=1.5)).ask() == 1_500_000_000
    assert find_free_space(on(free_bytes=0)).ask() == 0
    free = find_free_space(on(path=str(tmp_path))).ask()
    assert free is not None
    assert abs(free - shutil.disk_usage(tmp_path).free) < 10**9
    with pytest.raises(SettingError, match=r"disk\.path is /no/such/folder"):
        find_free_space(on(path="/no/such/folder")).ask()


def test_a_function_that_tells_the_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our_disks.py").write_text(
        "def free():\n    return 77\ndef unknown():\n    return None\ndef wrong():\n    return '77'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_free_space(on(callable="our_disks:free")).ask() == 77
    assert find_free_space(on(callable="our_disks:unknown")).ask() is None
    with pytest.raises(SettingError, match=r"returned '77'\. It must return bytes"):
        find_free_space(on(callable="our_disks:wrong")).ask()
    for place in ("our_disks:nothing", "no_such_module:free"):
        with pytest.raises(SettingError, match=f"disk.callable is '{place}', which cannot be imported"):
            find_free_space(on(callable=place)).ask()


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
        assert find_free_space(on(rds_instance_id="main-1")).ask() == 4_000_000_000
        assert find_free_space(on(rds_instance_id="main-2")).ask() is None


class CloudWatch(BaseHTTPRequestHandler):
    """A CloudWatch that has one answer for everybody: an error."""

    status = 403
    code = "AccessDenied"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"__type": f"com.amazonaws#{self.code}", "message": "arn of somebody"}).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("x-amzn-query-error", f"{self.code};Sender")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    handler = type("Answering", (CloudWatch,), {"status": status, "code": code})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return monkeypatch


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "AccessDenied", SettingError, "answers AccessDenied.*Fix: allow cloudwatch:GetMetricStatistics"),
        (403, "InvalidClientTokenId", SettingError, "InvalidClientTokenId.*Fix: correct the credentials or the region"),
        (400, "Throttling", StorageInterrupted, r"CloudWatch is busy \(Throttling\)"),
        (503, "ServiceUnavailable", StorageInterrupted, r"CloudWatch is busy \(ServiceUnavailable\)"),
    ],
)
def test_what_cloudwatch_does_not_tell_is_an_error_that_names_the_fix(
    aws: pytest.MonkeyPatch, status: int, code: str, kind: type[Exception], words: str
) -> None:
    with answering(status, code) as endpoint:
        aws.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(kind, match=f"RDS instance main-1 .*{words}") as raised:
            find_free_space(on(rds_instance_id="main-1")).ask()
    assert "arn of somebody" not in str(raised.value)


def test_a_cloudwatch_that_cannot_be_reached_is_tried_again(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageInterrupted, match="CloudWatch cannot be reached"):
        find_free_space(on(rds_instance_id="main-1")).ask()


def test_space_that_is_not_known_is_never_enough() -> None:
    new = Sizes(heap=1)
    for space in (UNKNOWN_SPACE, FreeSpace(lambda: None, "CloudWatch has no figure")):
        part = TablePart(1, TableName("s", "one"), new, Sizes(), 1, 0, True, "owner")
        room = estimate_room(part, Method.MEASURED, space)
        assert not room.enough
        assert "how much is free is not known" in str(disk_hindrance(room))
