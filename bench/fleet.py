"""What a thousand small clients cost a day through Airflow: CPU minutes of all that takes part, ours and before.

A policy file lists a thousand clients of 50 rows an hour each. Some of them are archived, for a day, by a real
scheduler: all are triggered at once and wait for the server's pool. What that took beyond the same processes at rest is
scaled to a thousand. An hour of the day before, for which each client's ledger is made, is not counted. The release
before runs its own DAGs on the same Airflow. `python -m bench.fleet` puts its figures beside those of `make bench`;
`SCALE=small` takes two clients out of twenty, and only prints.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.airflow_runs import INTERVALS
from bench.drawing import markdown_table
from bench.environments import release_before
from bench.machine import machine
from bench.parts import Part, tell, where
from bench.place import FOLDER
from bench.small_clients import HOURS, ROWS_AN_HOUR, SmallClients
from bench.stack_meter import FAMILIES, StackMeter, await_runs, measure_rest
from dev.entry import exit_status
from dev.stack import BUCKET, DATABASE_CONNECTION, PROJECT_ROOT, Stack
from pg_archiver.airflow.airflow_ids import dag_id
from pg_archiver.airflow.pools import list_pools
from pg_archiver.policies.yaml_file import load

FLEET = 1000
IDLE_SECONDS = 30.0
# For what the last tasks' processes, or the server after many new rows, still do.
SETTLE_SECONDS = 5.0
TIMEOUT_SECONDS = 1800.0
# The file is parsed once: what a DAG processor takes depends on its own settings, not on what runs.
ONCE = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "7200",
    # So a parse that is ended for taking too long would not come again.
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
}


@dataclass(frozen=True)
class Scale:
    """How many clients the policy file lists, how many of them are archived, for how many days after the first."""

    listed: int
    measured: int
    days: int


@dataclass(frozen=True)
class Way:
    """A release, and how it is told to treat such clients."""

    name: str
    figure: str
    settings: Mapping[str, object]
    before: bool = False


WAYS = (
    Way(
        "ours, `tasks: one` and `window_hours: auto`",
        "fleet_1000_cpu_min",
        {"tasks": "one", "window_hours": "auto"},
    ),
    Way("the release before, as it comes", "before_fleet_1000_cpu_min", {}, before=True),
)
SCALES = {"full": Scale(FLEET, 12, 2), "small": Scale(20, 2, 1)}


def measured(scale: Scale) -> dict[str, Any]:
    """Each release in turn, with a stack of its own."""
    runs: dict[str, Any] = {}
    at_rest: dict[str, Any] = {}
    for way in WAYS:
        runs[way.figure], at_rest[way.figure], on = _measure(way, scale)
        tell(way.figure, runs[way.figure])
    figures = {figure: statistics.median(day["all"] for day in days) for figure, days in runs.items()}
    figures["fleet_of_before_x"] = round(figures["fleet_1000_cpu_min"] / figures["before_fleet_1000_cpu_min"], 3)
    load_ = {"listed": scale.listed, "measured": scale.measured, "days": scale.days, "rows": ROWS_AN_HOUR * HOURS}
    return {"figures": figures, "load": load_, "runs": {**runs, "at_rest": at_rest}, "machine": on}


def _measure(way: Way, scale: Scale) -> tuple[list[dict[str, float]], dict[str, float], dict[str, Any]]:
    """CPU minutes of a thousand clients' day, by family and day; CPU seconds a second at rest; and the machine."""
    root = release_before(FOLDER) if way.before else PROJECT_ROOT
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        policies = Path(folder) / "policies.yaml"
        names = [f"client-{number}" for number in range(scale.listed)]
        policies.write_text(yaml.safe_dump(_make_policies(way, names)), encoding="utf-8")
        environment = {**INTERVALS, **ONCE, **({"PYTHONPATH": str(root)} if way.before else {})}
        with Stack(
            Path(folder) / "state", project_root=root, policies=policies, airflow_environment=environment
        ) as stack:
            stack.airflow.api().set_pools(list_pools(load(policies)))
            clients = SmallClients(stack.postgres, names[: scale.measured], days=1 + scale.days)
            stack.airflow.wait_for_dags([dag_id(name) for name in names], timeout=TIMEOUT_SECONDS)
            for name in clients.names:
                stack.airflow.api().unpause(dag_id(name))
            clients.add_day(hours=1)
            _archive_day(stack, clients)
            clients.refuse_leftovers(way.name)
            time.sleep(SETTLE_SECONDS)
            rest = measure_rest(stack, IDLE_SECONDS)
            days = []
            for _ in range(scale.days):
                clients.add_day()
                time.sleep(SETTLE_SECONDS)
                meter = StackMeter(stack)
                _archive_day(stack, clients)
                days.append(_as_minutes(meter.seconds_beyond(rest), scale.measured))
                clients.refuse_leftovers(way.name)
            return days, {family: round(found, 4) for family, found in rest.items()}, machine(stack.postgres)


def _make_policies(way: Way, names: list[str]) -> dict[str, object]:
    clients = [{"name": name, **({} if way.before else {"enabled": True})} for name in names]
    return {
        "defaults": {"bucket": BUCKET, "schedule": None, **way.settings},
        "instances": [{"conn_id": DATABASE_CONNECTION, "clients": clients}],
    }


def _archive_day(stack: Stack, clients: SmallClients) -> None:
    """Triggers all clients at once, and waits for their ends."""
    api = stack.airflow.api()
    for name in clients.names:
        api.trigger(dag_id(name))
    await_runs(stack, TIMEOUT_SECONDS)


def _as_minutes(seconds: Mapping[str, float], clients: int) -> dict[str, float]:
    found = {family: round(taken * FLEET / clients / 60, 2) for family, taken in seconds.items()}
    return {**found, "all": round(sum(found.values()), 2)}


def table(result: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    load_, figures, runs = result["load"], result["figures"], result["runs"]
    before = figures["before_fleet_1000_cpu_min"]
    rows = [
        [
            way.name,
            f"{figures[way.figure]:.0f} min",
            f"{figures[way.figure] / before:.2f}x",
            *(f"{statistics.median(day[family] for day in runs[way.figure]):.1f}" for family in FAMILIES),
        ]
        for way in WAYS
    ]
    head = ("CPU minutes a day", "all", "of before", "tasks", "scheduler", "API server", "Postgres", "S3")
    return (
        f"A thousand clients of {load_['rows']:,} rows a day each, scaled from {load_['measured']} of the "
        f"{load_['listed']:,} that the policy file lists, medians of {load_['days']} day(s). {where(result)}.\n\n"
        f"{markdown_table(head, rows)}"
    )


PART = Part("fleet", SCALES, measured, table)

if __name__ == "__main__":
    sys.exit(exit_status(PART.run))
