"""A small client of Airflow's REST API (version 2), for the demo, the tests and the benchmarks."""

import collections
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, cast

from dev.airflow_session import AirflowApiError, AirflowSession, Record, path_of

Progress = Callable[[Mapping[str, int]], None]

FINAL_STATES = frozenset({"success", "failed"})

_NOT_DETAILS = frozenset(
    {"timestamp", "level", "event", "dag_id", "run_id", "task_id", "ti_id", "map_index", "try_number"}
    | {"logger", "filename", "lineno"}
)


class AirflowApi(AirflowSession):
    """What the local stack does with an Airflow: one method a question or an order."""

    def health(self) -> Record:
        """Return the status and the latest heartbeat of each of Airflow's parts."""
        return self.request("GET", "/monitor/health")

    def dags(self) -> list[Record]:
        """Return the DAGs that the server knows."""
        return self.pages("/dags", "dags")

    def import_errors(self) -> list[Record]:
        """Return the errors of DAG files that could not be imported."""
        return self.pages("/importErrors", "import_errors")

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler start runs of the DAG."""
        self.request("PATCH", path_of("dags", dag_id), body={"is_paused": False})

    def pause(self, dag_id: str) -> None:
        """Keep the scheduler from starting runs of the DAG."""
        self.request("PATCH", path_of("dags", dag_id), body={"is_paused": True})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, logical_date: datetime | None = None) -> str:
        """Start a manual run with the parameters in `conf` and return its run id."""
        body = {"conf": dict(conf or {}), "logical_date": logical_date.isoformat() if logical_date else None}
        run_id: str = self.request("POST", path_of("dags", dag_id, "dagRuns"), body=body)["dag_run_id"]
        return run_id

    def run(self, dag_id: str, run_id: str) -> Record:
        """Return one run."""
        return self.request("GET", path_of("dags", dag_id, "dagRuns", run_id))

    def runs(self, dag_id: str) -> list[Record]:
        """Return every run of the DAG."""
        return self.pages(path_of("dags", dag_id, "dagRuns"), "dag_runs")

    def unfinished_runs(self) -> list[Record]:
        """Return the runs of all DAGs that have not come to an end."""
        return self.pages("/dags/~/dagRuns", "dag_runs", state=["queued", "running"])

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float, on_progress: Progress | None = None) -> str:
        """Wait up to `timeout` seconds for the run's end and return its final state.

        `on_progress` gets the number of task instances by state every three seconds.
        Raises TimeoutError.
        """
        deadline = time.monotonic() + timeout
        next_report = time.monotonic()
        while True:
            state: str = self.run(dag_id, run_id)["state"]
            if state in FINAL_STATES:
                return state
            if time.monotonic() > deadline:
                raise TimeoutError(f"run {run_id} of {dag_id} is still {state} after {timeout:.0f} s")
            if on_progress and time.monotonic() >= next_report:
                on_progress(self.task_states(dag_id, run_id))
                next_report = time.monotonic() + 3
            time.sleep(0.5)

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark the run as failed, which also ends its tasks."""
        self.request("PATCH", path_of("dags", dag_id, "dagRuns", run_id), body={"state": "failed"})

    def task_instances(self, dag_id: str, run_id: str) -> list[Record]:
        """Return every task instance of the run."""
        return self.pages(path_of("dags", dag_id, "dagRuns", run_id, "taskInstances"), "task_instances")

    def task_states(self, dag_id: str, run_id: str) -> dict[str, int]:
        """Return the number of the run's task instances by state; `none` is not scheduled yet."""
        return dict(collections.Counter(task["state"] or "none" for task in self.task_instances(dag_id, run_id)))

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one try of a task instance, an event a line."""
        return "\n".join(map(_log_line, self._log(dag_id, run_id, task_id, try_number, map_index)))

    def task_error(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the kind and the message of the error that ended one try of a task instance, "" if none did."""
        entries = self._log(dag_id, run_id, task_id, try_number, map_index)
        errors = [
            entry["error_detail"][0] for entry in entries if not isinstance(entry, str) and "error_detail" in entry
        ]
        return f"{errors[-1]['exc_type']}: {errors[-1]['exc_value']}" if errors else ""

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value that a task instance pushed under `key`."""
        path = path_of("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        return self.request("GET", path, parameters={"map_index": map_index})["value"]

    def _log(self, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int) -> Sequence[Record | str]:
        path = path_of("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", str(try_number))
        answer = self.request("GET", path, parameters={"map_index": map_index, "full_content": True})
        return cast(list[Record | str], answer["content"])

    def clear_task_instances(self, dag_id: str, run_id: str, task_ids: Sequence[str | tuple[str, int]]) -> int:
        """Run task instances again, given as task ids or (task id, map index); return how many."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": task_ids, "only_failed": False}
        answer = self.request("POST", path_of("dags", dag_id, "clearTaskInstances"), body=body)
        return int(answer["total_entries"])

    def fail_task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """Mark a task instance as failed, which also ends it if it runs."""
        path = path_of("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, str(map_index))
        self.request("PATCH", path, body={"new_state": "failed"})

    def create_backfill(
        self,
        dag_id: str,
        from_date: datetime,
        to_date: datetime,
        conf: Mapping[str, Any] | None = None,
        max_active_runs: int = 1,
        again: Literal["none", "failed", "completed"] = "none",
    ) -> int:
        """Run the DAG for the past dates of its schedule in the span, both ends included; return the id.

        `again` says which runs that a date has already had are run once more.
        """
        body = {
            "dag_id": dag_id,
            "from_date": from_date.isoformat(),
            "to_date": to_date.isoformat(),
            "dag_run_conf": dict(conf or {}),
            "max_active_runs": max_active_runs,
            "reprocess_behavior": again,
        }
        return int(self.request("POST", "/backfills", body=body)["id"])

    def backfill_runs(self, dag_id: str) -> list[Record]:
        """Return the runs that backfills of the DAG have made, oldest first."""
        runs = self.pages(path_of("dags", dag_id, "dagRuns"), "dag_runs", run_type="backfill")
        return sorted(runs, key=lambda run: str(run["run_after"]))

    def asset_events(self, dag_id: str | None = None, run_id: str | None = None) -> list[Record]:
        """Return the asset events, of one DAG or one run if given.

        Airflow 3.3.2 answers 500 while a run that one of them made has not begun (its answer has no room for a run
        without a `start_date`), so it is asked again for a minute.
        """
        wanted = {"source_dag_id": dag_id, "source_run_id": run_id}
        given = {name: value for name, value in wanted.items() if value is not None}
        until = time.monotonic() + 60
        while True:
            try:
                return self.pages("/assets/events", "asset_events", **given)
            except AirflowApiError as error:
                if error.status != HTTPStatus.INTERNAL_SERVER_ERROR or time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def answer(self, dag_id: str, run_id: str, task_id: str, map_index: int, option: str) -> None:
        """Choose one of the options of a task that waits for a person."""
        path = path_of("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, str(map_index), "hitlDetails")
        self.request("PATCH", path, body={"chosen_options": [option]})

    def question(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> Record:
        """Return what a task that waits for a person asks, and the answer if there is one."""
        path = path_of("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, str(map_index), "hitlDetails")
        return self.request("GET", path)

    def versions(self, dag_id: str) -> int:
        """Return how many versions of a DAG Airflow has."""
        return len(self.pages(path_of("dags", dag_id, "dagVersions"), "dag_versions"))

    def variables(self) -> dict[str, str]:
        """Return every Airflow Variable."""
        return {found["key"]: found["value"] for found in self.pages("/variables", "variables")}

    def set_variable(self, key: str, value: str) -> None:
        """Create or change an Airflow Variable."""
        self.put("variables", key, {"key": key, "value": value})

    def delete_variable(self, key: str) -> None:
        """Delete an Airflow Variable; AirflowApiError when there is none."""
        self.request("DELETE", path_of("variables", key))

    def set_connection(self, connection_id: str, connection_type: str, **fields: Any) -> None:
        """Create or change an Airflow Connection: host, port, login, password, schema, extra (a dict)."""
        body = {"connection_id": connection_id, "conn_type": connection_type, **fields}
        if "extra" in fields:
            body["extra"] = json.dumps(fields["extra"])
        self.put("connections", connection_id, body)

    def set_pools(self, pools: Mapping[str, Mapping[str, object]]) -> None:
        """Create or change the pools, each with its `slots`."""
        for name, pool in pools.items():
            self.set_pool(name, int(str(pool["slots"])))

    def set_pool(self, name: str, slots: int) -> None:
        """Create or change a pool."""
        self.put("pools", name, {"name": name, "slots": slots, "include_deferred": True})


def _log_line(entry: Record | str) -> str:
    """Return a log event as text: when, how grave, what, and what else is known but the place in the code."""
    if isinstance(entry, str):
        return entry
    details = [f"{name}={value}" for name, value in entry.items() if name not in _NOT_DETAILS]
    return " ".join([entry.get("timestamp") or "", entry.get("level") or "", entry["event"], *details]).strip()
