"""Ours through Airflow: one run of the client's DAG by a real scheduler, from the trigger to the run's end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.archive_data import DATABASE, Loaded, fresh_copy, refuse_other_rows, wal_bytes
from bench.peer_runs import Run
from bench.place import Place
from dev.airflow import SCHEDULER, Airflow
from dev.peak_memory import read_peak_mb
from dev.processes import ProcessError
from dev.stack import PROJECT_ROOT, project_environment
from pg_archiver.airflow.airflow_ids import dag_id
from pg_archiver.airflow.pools import list_pools
from pg_archiver.policies.yaml_file import load

DAG_ID = dag_id(DATABASE)
TIMEOUT_SECONDS = 3600.0
# As Airflow comes. The local stack is made to react at once, which costs CPU while tasks run.
INTERVALS = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
    "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "5",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
}
SAMPLE_SECONDS = 0.2


def run_through_airflow(place: Place, loaded: Loaded) -> Run:
    """Starts Airflow, runs the DAG on a fresh copy of the table, stops Airflow; the peak is that of one task's process.

    Airflow's own database is on another server, so the WAL is the client's.

    Raises:
        ProcessError: the run failed, or left other rows than it should.
    """
    fresh_copy(place.postgres, loaded)
    environment = project_environment(place.postgres, place.s3, place.s3_url, place.policies)
    airflow = Airflow(place.folder / "airflow", PROJECT_ROOT, place.metadata, {**environment, **INTERVALS})
    airflow.migrate()
    with airflow:
        airflow.wait_for_dags([DAG_ID])
        api = airflow.api()
        api.set_pools(list_pools(load(place.policies)))
        api.unpause(DAG_ID)
        wal = wal_bytes(place.postgres)
        with _peaks(airflow.home / "processes" / f"{SCHEDULER}.pid") as peaks:
            triggered = datetime.now(UTC)
            run_id = api.trigger(DAG_ID)
            state = api.wait_for_run(DAG_ID, run_id, TIMEOUT_SECONDS)
        wal = wal_bytes(place.postgres) - wal
        ended = datetime.fromisoformat(api.run(DAG_ID, run_id)["end_date"])
        if state != "success":
            failed = [task["task_id"] for task in api.task_instances(DAG_ID, run_id) if task["state"] == "failed"]
            raise ProcessError(f"the run through Airflow is {state}; failed tasks: {failed[:5]}")
    place.empty_bucket()
    refuse_other_rows(place.postgres, "the run through Airflow")
    return Run((ended - triggered).total_seconds(), loaded.load.rows, loaded.csv_bytes, max(peaks.values()), wal)


@contextmanager
def _peaks(pid_file: Path) -> Iterator[dict[int, float]]:
    """Looks five times a second at every process that the scheduler started; the peak of each by its number."""
    scheduler = psutil.Process(int(pid_file.read_text(encoding="utf-8").split()[0]))
    peaks: dict[int, float] = {scheduler.pid: 0.0}
    ending = threading.Event()

    def look() -> None:
        while not ending.wait(SAMPLE_SECONDS):
            for process in scheduler.children(recursive=True):
                with suppress(OSError):
                    peaks[process.pid] = max(peaks.get(process.pid, 0.0), read_peak_mb(process.pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        ending.set()
        thread.join()
