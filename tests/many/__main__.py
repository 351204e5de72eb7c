"""Fifty client databases archived at once on one server, through the scheduler: `python -m tests.many`.

The pool bounds the tasks at work, nobody starves, and the one client that has no database fails alone. The last line
says what was found; the exit status is 0 only if all of this holds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

from dev.stack import BUCKET, DATABASE_CONNECTION, Stack
from pg_archiver.airflow.airflow_ids import dag_id, pool_name
from pg_archiver.airflow.pools import list_pools
from pg_archiver.policies.yaml_file import load
from tests.acceptance.conftest import TABLE, Tenant
from tests.many.bounds import most_at_once

CLIENTS = 50
BROKEN = "without-a-database"
SLOTS = 3
KEPT = 40
ROWS = f"""
    INSERT INTO analytics.events (triggered_at, name)
    SELECT now() AT TIME ZONE 'UTC' - make_interval(hours => hour), 'event'
    FROM generate_series(1, {KEPT} + 12) AS hour WHERE hour <= {KEPT} OR hour > 48
"""
RUN_SECONDS = 1800.0


def main() -> int:
    """Runs all clients at once and looks at what they left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    names = [f"client-{number:02}" for number in range(parser.parse_args().clients)]
    with tempfile.TemporaryDirectory(prefix="many-") as folder:
        policies = Path(folder) / "policies.yaml"
        entry = {"conn_id": DATABASE_CONNECTION, "pool_slots": SLOTS}
        clients = [{"name": name, "enabled": True} for name in [*names, BROKEN]]
        defaults = {"bucket": BUCKET, "schedule": None, "max_mapped_windows": 1}
        policies.write_text(yaml.safe_dump({"defaults": defaults, "instances": [entry | {"clients": clients}]}))
        with Stack(Path(folder) / "state", policies=policies) as stack:
            _create(stack, names)
            stack.airflow.api().set_pools(list_pools(load(policies)))
            return _run(stack, names)


def _create(stack: Stack, names: list[str]) -> None:
    stack.postgres.create_database("template_client")
    with stack.postgres.connect("template_client") as connection:
        connection.execute(TABLE.encode())
        connection.execute(ROWS.encode())
    with stack.postgres.connect() as connection:
        for name in names:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template_client'.encode())


def _run(stack: Stack, names: list[str]) -> int:
    api = stack.airflow.api()
    every = [*names, BROKEN]
    stack.airflow.wait_for_dags([dag_id(name) for name in every])
    for name in every:
        api.unpause(dag_id(name))
    tenants = {name: Tenant(name, stack, api) for name in every}
    began, used = time.monotonic(), _cpu_seconds()
    runs = {name: tenant.start() for name, tenant in tenants.items()}
    states = {name: api.wait_for_run(dag_id(name), run, RUN_SECONDS) for name, run in runs.items()}
    seconds, used = time.monotonic() - began, _cpu_seconds() - used
    tasks = [task for name in every for task in api.task_instances(dag_id(name), runs[name])]
    most = most_at_once(task for task in tasks if task["pool"] == pool_name(DATABASE_CONNECTION))
    worked = sum(task["start_date"] is not None for task in tasks)
    problems = [f"{name}: its run ended as {states[name]}" for name in names if states[name] != "success"]
    problems += [f"{name}: {tenants[name].count()} rows are left" for name in names if tenants[name].count() != KEPT]
    if states[BROKEN] != "failed":
        problems.append(f"{BROKEN}: its run ended as {states[BROKEN]}")
    if not 1 < most <= SLOTS:
        problems.append(f"{most} tasks ran at once in a pool of {SLOTS}")
    print("\n".join(problems), flush=True)  # noqa: T201
    print(  # noqa: T201
        f"clients: {len(names)}, failed alone: {states[BROKEN] == 'failed'}, tasks at once: {most} of {SLOTS}, task "
        f"instances: {worked}, seconds: {seconds:.0f}, CPU seconds a task instance: {used / worked:.2f}, "
        f"problems: {len(problems)}"
    )
    return 1 if problems else 0


def _cpu_seconds() -> float:
    """What the processes of this run have used, those that have ended and were waited for among them."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


if __name__ == "__main__":
    sys.exit(main())
