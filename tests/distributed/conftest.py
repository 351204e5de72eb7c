"""Airflow past one machine: the services of docker-compose.yaml with two workers that share nothing but the network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from dev.cluster import Cluster, Machine
from dev.compose import ComposeFile
from dev.dotenv import generated
from dev.postgres import PostgresServer
from dev.processes import ProcessError
from dev.redis import RedisServer
from dev.s3 import RcloneS3
from dev.stack import BUCKET, DATABASE_CONNECTION, PROJECT_ROOT, connections
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import dag_id
from tests.acceptance.conftest import TABLE, Tenant
from tests.acceptance.test_stops import SLOW
from tests.distributed.watched import DAGS, INSTANCE, WATCHING, Watched

SPREAD, STRUCK = "spread", "struck"
# Archived at the same time as those two, on the same server: the last one has no database.
CROWD = ["crowd-1", "crowd-2", "crowd-3"]
NOWHERE = "nowhere"
# Fewer than the two workers take.
SLOTS = 3
# Twelve windows that are due and two that are not.
SPREAD_ROWS = """
    INSERT INTO analytics.events (triggered_at, name)
    SELECT now() AT TIME ZONE 'UTC' - make_interval(hours => hour), 'event ' || hour || ' ' || copy
    FROM (VALUES (1), (47), (49), (50), (51), (52), (53), (54), (55), (56), (57), (58), (59), (60)) AS due (hour),
        generate_series(1, 5) AS copy
"""
CROWD_ROWS = """
    INSERT INTO analytics.events (triggered_at, name)
    SELECT now() AT TIME ZONE 'UTC' - make_interval(hours => hour), 'event ' || hour
    FROM (VALUES (1), (50)) AS due (hour)
"""
# One window whose delete takes four minutes, if it is let: it is under way for sure when its worker is killed.
STRUCK_COUNT = 60
STRUCK_ROWS = f"""
    INSERT INTO analytics.events (triggered_at, name)
    SELECT date_trunc('hour', now() AT TIME ZONE 'UTC') - interval '55 hours' + make_interval(secs => second), 'event'
    FROM generate_series(1, {STRUCK_COUNT}) AS second
"""
POLICIES = {
    "defaults": {"bucket": BUCKET, "schedule": None},
    "instances": [
        {
            "conn_id": DATABASE_CONNECTION,
            "pool_slots": SLOTS,
            "clients": [
                {"name": SPREAD, "enabled": True, "max_mapped_windows": 4},
                {"name": STRUCK, "enabled": True, "batch_size": 2},
                *({"name": name, "enabled": True} for name in [*CROWD, NOWHERE]),
            ],
        },
        INSTANCE,
    ],
}
# Quick to react, where the defaults would have the tests wait for minutes.
QUICK = {
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__CELERY__SYNC_PARALLELISM": "1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}


@dataclass(frozen=True)
class Servers:
    """What the machines reach over the network."""

    postgres: PostgresServer
    s3: RcloneS3


@dataclass(frozen=True)
class Place:
    """The cluster and its clients, whose runs have been started."""

    cluster: Cluster
    tenants: dict[str, Tenant]
    watched: Watched
    runs: dict[str, str]
    variables: dict[str, str]

    def machines_of(self, name: str, task_id: str = "") -> set[str]:
        """The names of the machines that ran the client's tasks, or one of them, by the logs left there."""
        return {machine.name for machine in self.cluster.machines.values() if self.logs_of(machine, name, task_id)}

    def logs_of(self, machine: Machine, name: str, task_id: str = "") -> list[Path]:
        """The logs of tasks of the client's DAG on that machine."""
        pattern = f"dag_id={dag_id(name)}/**/task_id=*{task_id}/**/attempt=*.log"
        return sorted(machine.logs.glob(pattern))


def variables_of(servers: Servers) -> dict[str, str]:
    """What a .env would hold."""
    there = connections(servers.postgres, servers.s3, servers.s3.endpoint_url)
    there[WATCHING] = there[DATABASE_CONNECTION]
    return {**generated(), "WORKER_CONCURRENCY": "2", "ARCHIVER_CONNECTIONS": json.dumps(there)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("distributed")
    include = folder / "code" / "include"
    shutil.copytree(PROJECT_ROOT / "include", include)
    shutil.copy(Path(__file__).parent / "functions.py", include / "functions" / "note_machine.py")
    (include / "policies.yaml").write_text(yaml.safe_dump(POLICIES), encoding="utf-8")
    with PostgresServer(folder / "postgres") as postgres, RcloneS3(folder / "s3") as s3:
        s3.create_bucket(BUCKET)
        servers = Servers(postgres, s3)
        variables = variables_of(servers)
        compose = ComposeFile(PROJECT_ROOT / "docker-compose.yaml", variables)
        for name, rows in {SPREAD: SPREAD_ROWS, STRUCK: STRUCK_ROWS, **dict.fromkeys(CROWD, CROWD_ROWS)}.items():
            postgres.create_database(name)
            with postgres.connect(name) as connection:
                connection.execute(TABLE.encode())
                connection.execute(rows.encode())
        code = [PROJECT_ROOT / "dags", PROJECT_ROOT / "plugins", include]
        with (
            RedisServer(folder / "redis", variables["REDIS_PASSWORD"]) as redis,
            Cluster(folder / "machines", compose, postgres, redis, code=code, extra_environment=QUICK) as cluster,
        ):
            yield started(cluster, servers, variables)


def started(cluster: Cluster, servers: Servers, variables: dict[str, str]) -> Place:
    """Starts a run of each client, so that the tests need not wait for each other's."""
    api = cluster.api()
    tenants = {name: Tenant(name, servers, api) for name in (SPREAD, STRUCK, *CROWD, NOWHERE)}
    tenants[STRUCK].sql(SLOW.format(seconds=4))
    watched = Watched(servers.postgres, api)
    watched.prepare()
    ids = {tenant.dag_id for tenant in tenants.values()} | DAGS
    try:
        wait_until(lambda: ids <= {dag["dag_id"] for dag in api.dags()}, "the DAGs to be parsed", 60, 0.5)
    except TimeoutError as error:
        raise ProcessError(f"DAGs not found; import errors: {api.import_errors()}") from error
    for one in sorted(ids):
        api.unpause(one)
    runs = {name: tenant.start() for name, tenant in tenants.items()}
    return Place(cluster, tenants, watched, runs, variables)
