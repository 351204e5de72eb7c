"""Jobs through a real scheduler: very many that are due at once, and one alone that is due every minute."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.airflow_runs import INTERVALS
from bench.job_databases import NOOP, NOTE_START, PROCEDURES_CONNECTION, SLOTS, START_DELAYS, JobDatabases, most_at_once
from bench.place import Place
from dev.airflow import Airflow
from dev.airflow_api import AirflowApi
from dev.processes import ProcessError
from dev.stack import DATABASE_CONNECTION, PROJECT_ROOT, project_environment
from dev.waiting import wait_until
from pg_archiver.airflow.airflow_ids import jobs_dag_id, jobs_pool_name
from pg_archiver.airflow.pools import list_pools
from pg_archiver.policies.yaml_file import load

DAG_ID = jobs_dag_id(DATABASE_CONNECTION)
BARE = "bare_tasks"
POOL = jobs_pool_name(DATABASE_CONNECTION)
# So long before they are due jobs are inserted: they are planned by then, and the triggerer waits for them.
LEAD = timedelta(seconds=90)
STEP_SECONDS = 60.0
# No job of those that are due at once takes so long to start, or the bench is given up.
PATIENCE_SECONDS_A_JOB = 5.0
TIMEOUT_SECONDS = 600.0
_LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
BUNDLES = [
    {"name": "dags-folder", "classpath": _LOCAL, "kwargs": {}},
    {"name": "bench", "classpath": _LOCAL, "kwargs": {"path": str(PROJECT_ROOT / "bench" / "dags")}},
]


class JobsInAirflow:
    """A running Airflow whose triggerer watches the jobs of the databases."""

    def __init__(self, airflow: Airflow, api: AirflowApi, databases: JobDatabases) -> None:
        """All of it runs."""
        self._airflow = airflow
        self._api = api
        self._databases = databases

    def start_delays(self, fires: int) -> list[float]:
        """Returns the seconds from each of so many full minutes to the start of the one job that is due at it.

        Raises:
            TimeoutError: it was not started so often.
        """
        self._databases.insert(1, NOTE_START, cron="* * * * *")
        with self._databases.server.connect("tenant1") as connection:

            def starts() -> list[float]:
                return [delay for (delay,) in connection.execute(START_DELAYS.encode())]

            wait_until(
                lambda: len(starts()) >= fires, f"{fires} starts", (fires + 2) * STEP_SECONDS + TIMEOUT_SECONDS, 1
            )
            found = starts()[:fires]
        self._databases.delete_jobs()
        return [round(delay, 3) for delay in found]

    def all_at_once(self, jobs: int) -> dict[str, Any]:
        """Returns how long it took from when so many jobs were due until all had ended, and what was seen of it.

        Raises:
            ProcessError: one of them did not run, ran twice or failed, or more ran at once than there are slots.
            TimeoutError: they did not end in time.
        """
        due = datetime.now(UTC).replace(microsecond=0) + LEAD
        before = set(self._databases.runs())
        self._databases.insert(jobs, NOOP, due)

        def ended() -> bool:
            return sum(run.finished_at is not None for run in self._databases.runs() if run not in before) >= jobs

        limit = LEAD.total_seconds() + TIMEOUT_SECONDS + jobs * PATIENCE_SECONDS_A_JOB
        wait_until(ended, f"{jobs} jobs to end", limit, 2)
        runs = [run for run in self._databases.runs() if run not in before]
        at_once = most_at_once(runs)
        if len(runs) != jobs or len({run.job_id for run in runs}) != jobs or at_once > SLOTS:
            raise ProcessError(f"{jobs} jobs had {len(runs)} runs, at most {at_once} at once; there are {SLOTS} slots")
        if failed := sum(not run.succeeded for run in runs):
            raise ProcessError(f"{failed} of {jobs} jobs failed")
        self._databases.delete_jobs()
        last = max(run.finished_at for run in runs if run.finished_at)
        first = min(run.started_at for run in runs)
        return {
            "seconds": round((last - due).total_seconds(), 1),
            "first_start_s": round((first - due).total_seconds(), 1),
            "most_at_once": at_once,
        }

    def bare_tasks(self, tasks: int) -> float:
        """Returns the seconds that Airflow takes for so many mapped tasks that do nothing, in the same slots.

        Raises:
            ProcessError: the run failed.
        """
        self._api.unpause(BARE)
        triggered = datetime.now(UTC)
        run_id = self._api.trigger(BARE, {"tasks": tasks})
        state = self._api.wait_for_run(BARE, run_id, TIMEOUT_SECONDS + tasks * PATIENCE_SECONDS_A_JOB)
        if state != "success":
            raise ProcessError(f"the run of {BARE} is {state}")
        ended = datetime.fromisoformat(self._api.run(BARE, run_id)["end_date"])
        return round((ended - triggered).total_seconds(), 1)


@contextmanager
def started(place: Place, databases: JobDatabases) -> Iterator[JobsInAirflow]:
    """Starts Airflow with the intervals that it comes with, and unpauses the DAG of the jobs; Airflow stops at the end.

    Raises:
        ProcessError: it did not start.
    """
    policies = databases.write_policies(place.folder)
    environment = {
        **project_environment(place.postgres, place.s3, place.s3_url, policies),
        **INTERVALS,
        f"AIRFLOW_CONN_{PROCEDURES_CONNECTION.upper()}": json.dumps(databases.connection(procedures=True)),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(BUNDLES),
        "BENCH_POOL": POOL,
    }
    airflow = Airflow(place.folder / "airflow", PROJECT_ROOT, place.metadata, environment)
    airflow.migrate()
    with airflow:
        airflow.wait_for_dags([DAG_ID, BARE])
        api = airflow.api()
        api.set_pools(list_pools(load(policies)))
        api.unpause(DAG_ID)
        time.sleep(LEAD.total_seconds())  # the triggerer watches by then
        yield JobsInAirflow(airflow, api, databases)
