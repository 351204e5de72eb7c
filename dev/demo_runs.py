"""The demo's part in Airflow: settings, then a run of every client's DAG at once, watched to the end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dev.airflow_api import AirflowApi
from dev.airflow_session import Record
from dev.demo_clients import CLIENTS, VARIABLES, DemoClient
from dev.stack import Stack
from pg_archiver.airflow.airflow_ids import dag_id
from pg_archiver.airflow.pools import list_pools
from pg_archiver.policies.yaml_file import load

DAGS = {client.name: dag_id(client.name) for client in CLIENTS}

TIMEOUT_SECONDS = 2700.0
"""How long the runs may take, all together."""

_POLL_SECONDS = 2.0
_PROGRESS_SECONDS = 5.0
_MOST_FAILURES = 5
_ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


@dataclass(frozen=True)
class Outcome:
    """What Airflow says of one client's runs: ours, and one that the scheduler may have added meanwhile.

    `moment` is the latest of the runs' own times, in UTC without an offset; `seconds` go from the first start to
    the last end.
    """

    states: tuple[str, ...]
    moment: datetime
    seconds: float


def prepare(api: AirflowApi, policies: Path) -> None:
    """Set Variables and pools, keep the DAGs from running, and end the runs that an interrupted demo left behind."""
    for dag in DAGS.values():
        api.pause(dag)
    for run in api.unfinished_runs():
        api.fail_run(run["dag_id"], run["dag_run_id"])
    for key in api.variables():
        if key.startswith(("archive_keep_days", "archive_enabled")):
            api.delete_variable(key)
    for key, value in VARIABLES.items():
        api.set_variable(key, value)
        print(f"Airflow Variable {key} = {value}", flush=True)
    api.set_pools(list_pools(load(policies)))


def count_deleted(stack: Stack, client: DemoClient) -> int:
    """Return how many rows have left the client's table so far, by the ledger; for progress, never for a check."""
    with stack.postgres.connect(client.database) as connection:
        there = connection.execute("SELECT to_regclass('archiver.windows') IS NOT NULL").fetchone()
        if there != (True,):
            return 0
        found = connection.execute("SELECT coalesce(sum(deleted_rows), 0) FROM archiver.windows").fetchone()
        return int(found[0]) if found else 0


class DemoRuns:
    """One run of every client's DAG for the same moment."""

    def __init__(self, api: AirflowApi, count_deleted: Callable[[DemoClient], int]) -> None:
        """Remember which runs there are already: they are none of ours.

        `count_deleted` says how many rows of a client have left its table so far.
        """
        self._api = api
        self._count_deleted = count_deleted
        self._former = {dag: {run["dag_run_id"] for run in api.runs(dag)} for dag in DAGS.values()}

    def start(self, moment: datetime) -> None:
        """Trigger and unpause every DAG; `moment` is UTC without an offset.

        Unpausing may start one more run of a DAG, for the latest past time of its schedule.
        """
        for dag in DAGS.values():
            self._api.trigger(dag, logical_date=moment.replace(tzinfo=UTC))
        for dag in DAGS.values():
            self._api.unpause(dag)

    def watch(self, meanwhile: Callable[[set[str]], None]) -> dict[str, Outcome]:
        """Wait for the end of all runs, with a line every few seconds; return the outcome by client.

        `meanwhile` is called every two seconds with the names of the clients that are still at work.
        Raises TimeoutError.
        """
        started = time.monotonic()
        next_line = started + _PROGRESS_SECONDS
        while True:
            unfinished = {run["dag_id"] for run in self._api.unfinished_runs()}
            at_work = {client for client, dag in DAGS.items() if dag in unfinished}
            meanwhile(at_work)
            passed = time.monotonic() - started
            if time.monotonic() > next_line or not at_work:
                parts = [self._line(client, at_work) for client in CLIENTS]
                print(f"{passed:4.0f} s  " + "   ".join(parts), flush=True)
                next_line = time.monotonic() + _PROGRESS_SECONDS
            if not at_work:
                return {client: _outcome(self._runs(dag)) for client, dag in DAGS.items()}
            if passed > TIMEOUT_SECONDS:
                raise TimeoutError(f"still running after {passed:.0f} s: {', '.join(sorted(at_work))}")
            time.sleep(_POLL_SECONDS)

    def failures(self, client: str) -> list[str]:
        """Return the errors of the client's failed tasks, a line each, not more than five."""
        dag = DAGS[client]
        lines = []
        for run in self._runs(dag):
            tasks = self._api.task_instances(dag, run["dag_run_id"]) if run["state"] == "failed" else []
            for task in [task for task in tasks if task["state"] == "failed"][:_MOST_FAILURES]:
                place = task["task_id"], task["try_number"], task["map_index"]
                error = self._api.task_error(dag, run["dag_run_id"], *place)
                lines.append(f"{task['task_id']} {task['rendered_map_index'] or ''}: {error}")
        return lines

    def _runs(self, dag: str) -> list[Record]:
        return [run for run in self._api.runs(dag) if run["dag_run_id"] not in self._former[dag]]

    def _line(self, client: DemoClient, at_work: set[str]) -> str:
        """Return how many rows of the client have left so far, and how far its tasks are."""
        runs = self._runs(DAGS[client.name])
        rows = f"{self._count_deleted(client):,} rows out"
        if client.name not in at_work:
            states = sorted({run["state"] for run in runs})
            return f"{client.name} {'done' if states == ['success'] else '/'.join(states)}, {rows}"
        counts: list[tuple[str, int]] = []
        for run in runs:
            counts += self._api.task_states(DAGS[client.name], run["dag_run_id"]).items()
        ended = sum(count for state, count in counts if state in _ENDED)
        return f"{client.name} {ended} of {sum(count for _, count in counts)} tasks, {rows}"


def _outcome(runs: Sequence[Record]) -> Outcome:
    times = [run["data_interval_end"] or run["logical_date"] or run["run_after"] for run in runs]
    starts = [datetime.fromisoformat(run["start_date"]) for run in runs if run["start_date"]]
    ends = [datetime.fromisoformat(run["end_date"]) for run in runs if run["end_date"]]
    return Outcome(
        states=tuple(run["state"] for run in runs),
        moment=max(datetime.fromisoformat(moment) for moment in times).astimezone(UTC).replace(tzinfo=None),
        seconds=(max(ends) - min(starts)).total_seconds() if starts and ends else 0.0,
    )
