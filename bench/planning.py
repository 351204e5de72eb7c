"""What planning costs: one plan over a large table, and the DAG file of a thousand clients."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg

from bench.archive_data import KEEP_DAYS, Load, load_template
from bench.place import BUCKET, Place
from dev.airflow_environment import base_environment
from dev.stack import PROJECT_ROOT
from pg_archiver.airflow.selection import make_order
from pg_archiver.archive.plan import plan
from pg_archiver.archive.run_span import Limits
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.yaml_file import load
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket

INSTANCES = 10


def plan_ms(place: Place, load_: Load, times: int) -> list[float]:
    """Milliseconds of each of several plans of the table, each on a connection of its own that is not counted."""
    load_template(place.postgres, load_)
    (client,) = load(place.policies).clients
    (policy,) = client.tables
    order = make_order(client, policy, "bench", dry_run=False)
    bucket = Bucket(boto3.client("s3", **place.task()["s3"]), BUCKET)
    bucket.check("", writing=True)  # botocore reads its model of S3 at the first request
    limits = Limits(datetime.now(UTC), None, None)

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**place.postgres.dsn(load_.name))

    runs = []
    for _ in range(times):
        with Session.connect(connect, load_.name, "archiver bench") as session:
            started = time.monotonic()
            plan(session, bucket, order, policy, KeepDays(KEEP_DAYS, "the benchmark"), limits)
            runs.append(round((time.monotonic() - started) * 1000, 1))
    return runs


def parse_s(folder: Path, clients: int, times: int) -> list[float]:
    """Seconds to parse and serialise the DAG file of so many clients over ten instances, each in a new process."""
    policies = folder / "many.yaml"
    policies.write_text(json.dumps(_many(clients)), encoding="utf-8")
    home = folder / "home"
    environment = {
        **base_environment(home, PROJECT_ROOT),
        "ARCHIVER_POLICIES": str(policies),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
    }
    return [_parsed(environment, clients) for _ in range(times)]


def _parsed(environment: dict[str, str], clients: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.planning"], env=environment, cwd=PROJECT_ROOT, capture_output=True, check=True
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["dags"] == clients, answer
    return float(answer["seconds"])


def _many(clients: int) -> dict[str, Any]:
    names = [f"client{number:04}" for number in range(clients)]
    instances = [
        {"conn_id": f"rds_{number}", "clients": [{"name": name} for name in names[number::INSTANCES]]}
        for number in range(INSTANCES)
    ]
    return {"defaults": {"bucket": BUCKET}, "instances": instances}


def parse_here() -> None:
    """Parses the DAG file of the archive and serialises all its DAGs; prints how long both took."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 (seconds, for this process alone)
    from airflow.serialization.serialized_objects import DagSerialization  # noqa: PLC0415

    started = time.monotonic()
    bag = DagBag(str(Path(PROJECT_ROOT) / "dags" / "archive.py"), bundle_name="dags-folder")
    for dag in bag.dags.values():
        DagSerialization.to_dict(dag)
    print(json.dumps({"dags": len(bag.dags), "seconds": round(time.monotonic() - started, 2)}))


if __name__ == "__main__":
    parse_here()
