"""One real stack for the session: Airflow's own scheduler, Postgres and S3, and a client database for each test."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from dev.airflow_api import AirflowApi
from dev.airflow_session import AirflowApiError
from dev.postgres import PostgresServer
from dev.s3 import S3Server
from dev.stack import BUCKET, Stack
from pg_archiver.airflow.airflow_ids import dag_id, maintenance_pool_name, pool_name
from tests.acceptance import settings
from tests.acceptance.clusters import Cluster, run_clusters
from tests.acceptance.watching import Watching, start_watching

HOURS = 60
TABLE = """
    CREATE SCHEMA analytics;
    CREATE TABLE analytics.events (id serial PRIMARY KEY, triggered_at timestamp NOT NULL, name text);
    CREATE INDEX ON analytics.events (triggered_at)
"""
FILL = f"""
    INSERT INTO analytics.events (triggered_at, name)
    SELECT now() AT TIME ZONE 'UTC' - make_interval(hours => hour), 'event ' || hour
    FROM generate_series(0, {HOURS - 1}) AS hour
"""
RUN_SECONDS = 240.0


@dataclass(frozen=True)
class Finished:
    """A run that has ended."""

    tenant: Tenant
    run_id: str
    state: str

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """The instances of one task of the table's group, such as `plan` or `window.export`."""
        found = self.tenant.api.task_instances(self.tenant.dag_id, self.run_id)
        return [one for one in found if one["task_id"] == f"analytics-events.{name}" or one["task_id"] == name]

    def all_tasks(self) -> list[dict[str, Any]]:
        """The task instances of all of the client's tables."""
        return self.tenant.api.task_instances(self.tenant.dag_id, self.run_id)

    def log(self, name: str, map_index: int = -1) -> str:
        """The log of that task's last try."""
        (one,) = [task for task in self.tasks(name) if task["map_index"] == map_index]
        return self.tenant.api.task_log(
            self.tenant.dag_id, self.run_id, one["task_id"], one["try_number"], one["map_index"]
        )

    @property
    def report(self) -> dict[str, Any]:
        """What the report returned."""
        found: dict[str, Any] = self.tenant.api.xcom(self.tenant.dag_id, self.run_id, "analytics-events.report")
        return found


class Servers(Protocol):
    """Where a client's rows are, before and after."""

    @property
    def postgres(self) -> PostgresServer: ...
    @property
    def s3(self) -> S3Server: ...


@dataclass(frozen=True)
class Tenant:
    """One client, as a user of Airflow and of the database sees it."""

    name: str
    stack: Servers
    api: AirflowApi

    @property
    def dag_id(self) -> str:
        return dag_id(self.name)

    def sql(self, statement: str, *values: object) -> list[Any]:
        with self.stack.postgres.connect(self.name) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def count(self) -> int:
        return int(self.sql("SELECT count(*) FROM analytics.events")[0][0])

    def objects(self) -> dict[str, str]:
        """The keys of this client's objects, data, sidecars and manifests alike, each with its etag."""
        pages = (
            self.stack.s3.client()
            .get_paginator("list_objects_v2")
            .paginate(Bucket=BUCKET, Prefix=f"client={self.name}/")
        )
        return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}

    def data_objects(self) -> set[str]:
        """Of these, those that hold rows: names that begin with `_` are for sidecars, manifests, notes and owners."""
        return {key for key in self.objects() if "/_" not in key}

    def has_ledger(self) -> bool:
        return bool(self.sql("SELECT to_regclass('archiver.windows') IS NOT NULL")[0][0])

    def start(self, logical_date: datetime | None = None, **conf: object) -> str:
        return self.api.trigger(self.dag_id, conf, logical_date)

    def wait(self, run_id: str) -> Finished:
        return Finished(self, run_id, self.api.wait_for_run(self.dag_id, run_id, RUN_SECONDS))

    def run(self, logical_date: datetime | None = None, **conf: object) -> Finished:
        return self.wait(self.start(logical_date, **conf))

    def create_backfill_again(self, first: datetime, last: datetime) -> None:
        """Runs past dates once more; Airflow refuses this until it has taken note of the first backfill's end."""
        deadline = time.monotonic() + RUN_SECONDS
        while True:
            try:
                self.api.create_backfill(self.dag_id, first, last, max_active_runs=2, again="completed")
            except AirflowApiError as error:
                if error.status != HTTPStatus.CONFLICT or time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                return

    def wait_for_backfill(self, runs: int) -> list[Finished]:
        """Waits until so many runs of backfills have ended."""
        deadline = time.monotonic() + RUN_SECONDS
        while len(found := self.api.backfill_runs(self.dag_id)) < runs:
            assert time.monotonic() < deadline, f"{len(found)} of {runs} runs were made"
            time.sleep(0.5)
        return [self.wait(run["dag_run_id"]) for run in found]


@dataclass(frozen=True)
class Tenants:
    """All clients of the session's policies."""

    stack: Stack
    api: AirflowApi

    def __getitem__(self, name: str) -> Tenant:
        return Tenant(name, self.stack, self.api)

    def run_all(self, names: Sequence[str]) -> dict[str, Finished]:
        """Starts one run of each and waits for all of them."""
        started = {name: self[name].start() for name in names}
        return {name: self[name].wait(run_id) for name, run_id in started.items()}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of these tests, those that look for secrets in all that was written come after all that write."""
    places = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ordered = sorted((items[place] for place in places), key=lambda item: item.path.name == "test_secrets.py")
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


@pytest.fixture(scope="package")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    folder: Path = tmp_path_factory.mktemp("stack")
    policies = folder / "policies.yaml"
    policies.write_text(yaml.safe_dump(settings.POLICIES, allow_unicode=True), encoding="utf-8")
    with Stack(folder / "state", policies=policies, airflow_environment=settings.AIRFLOW) as stack:
        for name in [*settings.WITH_DATABASE, settings.POOLLESS]:
            stack.postgres.create_database(name)
            with stack.postgres.connect(name) as connection:
                connection.execute(TABLE.encode())
                connection.execute(FILL.encode())
        for name in settings.WALKED:
            stack.postgres.create_database(name)
        api = stack.airflow.api()
        address = {"host": stack.postgres.host, "port": stack.postgres.port, "login": stack.postgres.user}
        api.set_connection(settings.WRONG_PASSWORD, "postgres", password=settings.SECRET, **address)
        api.set_connection(settings.NO_POOL, "postgres", password=stack.postgres.password, **address)
        for conn_id in settings.CONNECTIONS:
            if conn_id != settings.NO_POOL:
                api.set_pool(pool_name(conn_id), 8)
            api.set_pool(maintenance_pool_name(conn_id), 1)
        for key, value in settings.VARIABLES.items():
            api.set_variable(key, value)
        ids = [dag_id(name) for name in settings.NAMES]
        stack.airflow.wait_for_dags(ids)
        assert api.import_errors() == []
        for one in set(ids) - {dag_id(name) for name in settings.PAUSED}:
            api.unpause(one)
        yield Tenants(stack, api)


@pytest.fixture(scope="package")
def watching(tenants: Tenants) -> Iterator[Watching]:
    """The database whose tables make events, and a login for functions that has no right but what it needs."""
    with start_watching(tenants.stack, tenants.api) as found:
        yield found


@pytest.fixture(scope="package")
def started_clusters(tenants: Tenants, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cluster]]:
    """Databases of two servers whose procedures are run."""
    with run_clusters(tenants.stack, tenants.api, tmp_path_factory.mktemp("second")) as found:
        yield found


@pytest.fixture
def clusters(started_clusters: dict[str, Cluster]) -> Iterator[dict[str, Cluster]]:
    """The same, without a job of another test: tests of several modules share them, in whatever order."""
    yield started_clusters
    for one in started_clusters.values():
        one.drop_jobs()


def utc_now() -> datetime:
    return datetime.now(UTC)
