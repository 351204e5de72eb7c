"""The DAG `sweep`: looks every five minutes whether anything is due that nobody has been woken for.

Wiring only. Wake-ups are hints: a triggerer that is down, or a DAG that was paused when something became due, makes a
job or an event late by five minutes at most. It starts nothing itself; it wakes `jobs__<conn_id>` and
`events__<client>`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetAlias, CronTriggerTimetable, get_parsing_context, task

from pg_archiver.airflow import connections, jobs_docs
from pg_archiver.airflow.airflow_ids import add_name_prefix
from pg_archiver.airflow.default_args import NOTE, TAG, make_default_args
from pg_archiver.airflow.events import make_events_wake_up
from pg_archiver.airflow.jobs import make_wake_up
from pg_archiver.airflow.sweep import SweepRun, refuse_problems
from pg_archiver.policies.yaml_file import Policies

DAG_ID = add_name_prefix("sweep")
EVERY_FIVE_MINUTES = "*/5 * * * *"


def build_sweep_dag(policies: Policies) -> DAG:
    """Return a mapped task for each instance that has jobs, and a report that is red while something needs a person."""
    with DAG(
        dag_id=DAG_ID,
        description="Wakes what is due and was not woken; red while a job needs a person",
        doc_md=jobs_docs.SWEEP,
        schedule=CronTriggerTimetable(EVERY_FIVE_MINUTES, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        allowed_run_types=["scheduled", "manual", "operator_triggered"],
        tags=[TAG, "jobs"],
        default_args=make_default_args(longest=timedelta(minutes=30)) | {"retries": 0},
    ) as dag:
        woken = AssetAlias(name=add_name_prefix("sweep"), group="archiver")

        @task(map_index_template="{{ task.op_kwargs['conn_id'] }}", outlets=[woken], multiple_outputs=False)
        def look(conn_id: str, **context: Any) -> dict[str, object]:
            found = SweepRun(policies, policies.jobs[conn_id], context).look()
            # An outlet of its own would wake it after every look, also where nothing is due.
            if found.due:
                context["outlet_events"][woken].add(make_wake_up(conn_id), extra={"due": found.due})
            for client in policies.with_events:
                if client.name in found.events:
                    asset = make_events_wake_up(client, watched=False)
                    context["outlet_events"][woken].add(asset, extra={"waiting": found.events[client.name]})
            return found.as_dict()

        @task(trigger_rule="all_done")
        def report(**context: Any) -> None:
            found = context["ti"].xcom_pull(task_ids=["look"], key="return_value")
            note = refuse_problems(found, expected=sorted(policies.jobs))
            context["ti"].xcom_push(key=NOTE, value=note)

        look.expand(conn_id=sorted(policies.jobs)) >> report()
    return dag


def build_dags() -> None:
    """Build the DAG if it is asked for, and an instance has jobs."""
    if get_parsing_context().dag_id in {None, DAG_ID}:
        policies = connections.load_policies()
        if policies.jobs:
            build_sweep_dag(policies)


build_dags()
