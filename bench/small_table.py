"""What a day of a small table costs through Airflow, by how its run is dealt out: CPU seconds of every process.

`python -m bench.small_table [TABLES [MODE ...]]` prints them as JSON: of the tasks' processes, the scheduler, the API
server, Postgres (the client's and Airflow's own in one) and S3, each a table and day, less what the same processes take
while nothing runs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import yaml

from bench.airflow_runs import INTERVALS
from bench.cpu_seconds import CpuMeter
from dev.airflow import API_SERVER, SCHEDULER
from dev.stack import BUCKET, DATABASE_CONNECTION, Stack
from pg_archiver.airflow.airflow_ids import dag_id
from pg_archiver.airflow.pools import list_pools
from pg_archiver.policies.yaml_file import load

MODES: Mapping[str, Mapping[str, object]] = {
    "chain": {"tasks": "chain"},
    "chain_day": {"tasks": "chain", "window_hours": "auto"},
    "one": {"tasks": "one"},
    "one_day": {"tasks": "one", "window_hours": "auto"},
    "auto_day": {"tasks": "auto", "window_hours": "auto"},
}
IDLE_SECONDS = 20.0
TIMEOUT_SECONDS = 600.0
_DAY = """
    CREATE SCHEMA analytics;
    CREATE TABLE analytics.events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, triggered_at timestamp NOT NULL, name text, data jsonb
    );
    CREATE INDEX ON analytics.events (triggered_at);
    INSERT INTO analytics.events (triggered_at, name, data)
    SELECT
        date_trunc('day', now() AT TIME ZONE 'UTC') - interval '4 days'
        + make_interval(hours => hour, secs => second),
        md5(second::text), jsonb_build_object('a', md5(hour::text), 'b', second)
    FROM generate_series(0, 23) AS hour, generate_series(1, 195) AS second
"""


def measure(tables: int, modes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Returns the CPU seconds and task instances of a table's day, by mode; the first table of each is not counted."""
    with tempfile.TemporaryDirectory(prefix="small-table-") as folder:
        clients = {mode: [f"{mode}-{number}" for number in range(tables + 1)] for mode in modes}
        policies = Path(folder) / "policies.yaml"
        policies.write_text(yaml.safe_dump(_make_policies(clients)), encoding="utf-8")
        with Stack(Path(folder) / "state", policies=policies, airflow_environment=INTERVALS) as stack:
            api = stack.airflow.api()
            api.set_pools(list_pools(load(policies)))
            names = [name for of_mode in clients.values() for name in of_mode]
            for name in names:
                stack.postgres.create_database(name)
                with stack.postgres.connect(name) as connection:
                    connection.execute(_DAY.encode())
            stack.airflow.wait_for_dags([dag_id(name) for name in names])
            for name in names:
                api.unpause(dag_id(name))
            idle = _Meter(stack)
            time.sleep(IDLE_SECONDS)
            rest = {family: seconds / IDLE_SECONDS for family, seconds in idle.seconds().items()}
            return {mode: _measure_mode(stack, of_mode, rest) for mode, of_mode in clients.items()}


def _make_policies(clients: Mapping[str, list[str]]) -> dict[str, object]:
    entries = [
        {"name": name, "enabled": True, "schedule": None, **MODES[mode]} for mode in clients for name in clients[mode]
    ]
    return {"defaults": {"bucket": BUCKET}, "instances": [{"conn_id": DATABASE_CONNECTION, "clients": entries}]}


def _measure_mode(stack: Stack, names: list[str], rest: Mapping[str, float]) -> dict[str, float]:
    _run(stack, names[0])
    meter, began = _Meter(stack), time.monotonic()
    instances = [_run(stack, name) for name in names[1:]]
    elapsed, seconds = time.monotonic() - began, meter.seconds()
    tables = len(names) - 1
    found = {family: round((seconds[family] - rest[family] * elapsed) / tables, 3) for family in seconds}
    return {**found, "all": round(sum(found.values()), 3), "instances": sum(instances) / tables}


def _run(stack: Stack, name: str) -> int:
    """Runs the client's DAG; returns how many task instances had a process of their own."""
    api = stack.airflow.api()
    run_id = api.trigger(dag_id(name))
    state = api.wait_for_run(dag_id(name), run_id, TIMEOUT_SECONDS)
    with stack.postgres.connect(name) as connection:
        ((left,),) = connection.execute(b"SELECT count(*) FROM analytics.events").fetchall()
    if state != "success" or left:
        raise RuntimeError(f"the run of {name} is {state}, and {left} rows are left")
    return api.task_states(dag_id(name), run_id).get("success", 0)


class _Meter:
    """The CPU of all families, and of the scheduler without the tasks that are its children."""

    def __init__(self, stack: Stack) -> None:
        folder = stack.airflow.home / "processes"
        roots = {
            name: int((folder / f"{name}.pid").read_text(encoding="utf-8").split()[0])
            for name in (SCHEDULER, API_SERVER)
        }
        self._scheduler = psutil.Process(roots[SCHEDULER])
        self._own = self._read_own()
        self._meter = CpuMeter({**roots, "postgres": stack.postgres.pid, "s3": stack.s3.pid})

    def seconds(self) -> dict[str, float]:
        found = self._meter.seconds()
        own = self._read_own() - self._own
        return {**found, SCHEDULER: own, "tasks": found[SCHEDULER] - own}

    def _read_own(self) -> float:
        return sum(self._scheduler.cpu_times()[:2])


if __name__ == "__main__":
    chosen = sys.argv[2:] or list(MODES)
    json.dump(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3, chosen), sys.stdout, indent=2)
    sys.stdout.write("\n")
