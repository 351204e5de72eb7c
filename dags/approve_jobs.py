"""The DAG `approve_jobs`: asks a person about one job in one run, and writes the answer where the job is.

Wiring only. The DAGs `jobs__<conn_id>` start it where the policy file lists the job's action under `approve`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetAlias, Param, get_parsing_context, task

from pg_archiver.airflow import connections, jobs_docs
from pg_archiver.airflow.airflow_ids import add_name_prefix
from pg_archiver.airflow.approve_jobs import APPROVE_DAG, JobApproval, record_answer
from pg_archiver.airflow.default_args import TAG, make_default_args
from pg_archiver.airflow.jobs import make_wake_up
from pg_archiver.policies.yaml_file import Policies

PARAMETERS = {
    "request": Param(
        None,
        type=["null", "object"],
        title="Request",
        description="What is asked. The DAGs of jobs fill it in; a run without it fails.",
    ),
}
LONGEST = timedelta(hours=1)


def build_approve_jobs_dag(policies: Policies) -> DAG:
    """Return the question and what becomes of the answer."""
    with DAG(
        dag_id=APPROVE_DAG,
        description="Asks a person before a job runs for the first time, or after it has changed",
        doc_md=jobs_docs.APPROVE,
        schedule=None,
        catchup=False,
        max_active_runs=100,
        # It starts by request alone, and a run of a paused DAG would wait forever.
        is_paused_upon_creation=False,
        params=PARAMETERS,
        tags=[TAG, "jobs"],
        default_args=make_default_args(longest=LONGEST),
    ) as dag:
        woken = AssetAlias(name=add_name_prefix("approve_jobs"), group="archiver")
        ask = JobApproval(task_id="ask")

        @task(outlets=[woken])
        def record(**context: Any) -> None:
            if conn_id := record_answer(policies, context["ti"].xcom_pull(task_ids="ask"), context):
                context["outlet_events"][woken].add(make_wake_up(conn_id))

        ask >> record()
    return dag


def build_dags() -> None:
    """Build the DAG if it is asked for, and an instance has jobs."""
    if get_parsing_context().dag_id in {None, APPROVE_DAG}:
        policies = connections.load_policies()
        if policies.jobs:
            build_approve_jobs_dag(policies)


build_dags()
