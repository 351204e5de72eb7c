"""What a day of a small table costs through Airflow, by how its run is dealt out: CPU seconds of every process.

`python -m bench.small_table` puts its figures beside those of `make bench`: of the tasks' processes, the scheduler, the
API server, Postgres (the client's and Airflow's own in one) and S3, each a table and day, less what the same processes
take while nothing runs. `SCALE=small` takes one table in two ways, and only prints.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.airflow_runs import INTERVALS
from bench.drawing import markdown_table
from bench.machine import machine
from bench.parts import Part, tell, where
from bench.stack_meter import FAMILIES, TASKS, StackMeter, await_runs, measure_rest
from dev.entry import exit_status
from dev.processes import ProcessError
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
NAMES = {
    "chain": "`tasks: chain`, windows of an hour",
    "chain_day": "`tasks: chain`, `window_hours: auto`",
    "one": "`tasks: one`, windows of an hour",
    "one_day": "`tasks: one`, `window_hours: auto`",
    "auto_day": "`tasks: auto`, `window_hours: auto`",
}
ROWS_AN_HOUR = 195
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
    FROM generate_series(0, 23) AS hour, generate_series(1, %(rows)s) AS second
"""


@dataclass(frozen=True)
class Scale:
    """How many tables in each way."""

    tables: int
    modes: Sequence[str]


SCALES = {"full": Scale(3, tuple(MODES)), "small": Scale(1, ("one", "one_day"))}


def measured(scale: Scale) -> dict[str, Any]:
    """The CPU seconds and task instances of a table's day, by mode; the first table of each is not counted."""
    with tempfile.TemporaryDirectory(prefix="small-table-") as folder:
        clients = {mode: [f"{mode}-{number}" for number in range(scale.tables + 1)] for mode in scale.modes}
        policies = Path(folder) / "policies.yaml"
        policies.write_text(yaml.safe_dump(_make_policies(clients)), encoding="utf-8")
        with Stack(Path(folder) / "state", policies=policies, airflow_environment=INTERVALS) as stack:
            api = stack.airflow.api()
            api.set_pools(list_pools(load(policies)))
            names = [name for of_mode in clients.values() for name in of_mode]
            for name in names:
                stack.postgres.create_database(name)
                with stack.postgres.connect(name) as connection:
                    connection.execute(_DAY.encode(), {"rows": ROWS_AN_HOUR})
            stack.airflow.wait_for_dags([dag_id(name) for name in names])
            for name in names:
                api.unpause(dag_id(name))
            rest = measure_rest(stack, IDLE_SECONDS)
            runs = {mode: _measure_mode(stack, of_mode, rest) for mode, of_mode in clients.items()}
            on = machine(stack.postgres)
    tell("small tables", runs)
    return {
        "figures": {
            "small_table_day_airflow_cpu_s": runs["one"][TASKS],
            **{f"small_table_{mode}_all_cpu_s": run["all"] for mode, run in runs.items()},
        },
        "load": {"tables": scale.tables, "rows": 24 * ROWS_AN_HOUR},
        "runs": runs,
        "machine": on,
    }


def _make_policies(clients: Mapping[str, list[str]]) -> dict[str, object]:
    entries = [
        {"name": name, "enabled": True, "schedule": None, **MODES[mode]} for mode in clients for name in clients[mode]
    ]
    return {"defaults": {"bucket": BUCKET}, "instances": [{"conn_id": DATABASE_CONNECTION, "clients": entries}]}


def _measure_mode(stack: Stack, names: list[str], rest: Mapping[str, float]) -> dict[str, float]:
    _archive(stack, names[0])
    meter = StackMeter(stack)
    runs = {name: _archive(stack, name) for name in names[1:]}
    found = {family: round(seconds / len(runs), 3) for family, seconds in meter.seconds_beyond(rest).items()}
    instances = sum(_count_instances(stack, name, run_id) for name, run_id in runs.items()) / len(runs)
    return {**found, "all": round(sum(found.values()), 3), "instances": instances}


def _archive(stack: Stack, name: str) -> str:
    """Runs the client's DAG; returns the run's id.

    Raises:
        ProcessError: the run failed, or left rows.
    """
    run_id = stack.airflow.api().trigger(dag_id(name))
    await_runs(stack, TIMEOUT_SECONDS)
    with stack.postgres.connect(name) as connection:
        found = connection.execute("SELECT count(*) FROM analytics.events").fetchone()
    if found != (0,):
        raise ProcessError(f"the run of {name} left rows: {found}")
    return run_id


def _count_instances(stack: Stack, name: str, run_id: str) -> int:
    """How many task instances had a process of their own."""
    return stack.airflow.api().task_states(dag_id(name), run_id).get("success", 0)


def table(result: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    load_ = result["load"]
    rows = [
        [
            NAMES[mode],
            f"{run['all']:.2f} s",
            *(f"{run[family]:.2f}" for family in FAMILIES),
            f"{run['instances']:.0f}",
        ]
        for mode, run in result["runs"].items()
    ]
    head = ("CPU of a table's day", "all", "tasks", "scheduler", "API server", "Postgres", "S3", "task instances")
    return (
        f"A day of {load_['rows']:,} rows through Airflow, means of {load_['tables']} table(s). {where(result)}.\n\n"
        f"{markdown_table(head, rows)}"
    )


PART = Part("small table", SCALES, measured, table)

if __name__ == "__main__":
    sys.exit(exit_status(PART.run))
