"""One mapped task of Airflow an event, through a real scheduler: how many of them end a second."""

from __future__ import annotations

import json
from datetime import datetime

from bench.airflow_runs import INTERVALS
from bench.jobs_through_airflow import BUNDLES
from bench.place import Place
from bench.queues import INSERT, Queues
from dev.airflow import Airflow
from dev.processes import ProcessError
from dev.stack import DATABASE_CONNECTION, PROJECT_ROOT, project_environment

DAG_ID = "mapped_events"
TIMEOUT_SECONDS = 600.0
PATIENCE_SECONDS_AN_EVENT = 5.0


def mapped_tasks(place: Place, queues: Queues, events: int) -> float:
    """Returns how many events a second a run of so many mapped tasks ends, from its start to its end.

    Raises:
        ProcessError: the run failed, or not each task left its row.
    """
    with queues.bare_database() as name:
        environment = {
            **project_environment(queues.server, place.s3, place.s3_url, place.policies),
            **INTERVALS,
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(BUNDLES),
            "BENCH_POOL": "default_pool",
            "BENCH_CONNECTION": DATABASE_CONNECTION,
            "BENCH_DATABASE": name,
            "BENCH_INSERT": INSERT,
        }
        airflow = Airflow(place.folder / "airflow", PROJECT_ROOT, place.metadata, environment)
        airflow.migrate()
        with airflow:
            airflow.wait_for_dags([DAG_ID])
            api = airflow.api()
            api.unpause(DAG_ID)
            run_id = api.trigger(DAG_ID, {"events": events})
            state = api.wait_for_run(DAG_ID, run_id, TIMEOUT_SECONDS + events * PATIENCE_SECONDS_AN_EVENT)
            run = api.run(DAG_ID, run_id)
        if state != "success":
            raise ProcessError(f"the run of {DAG_ID} is {state}")
        queues.refuse_others(name, events)
    return (
        events / (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])).total_seconds()
    )
