"""The factory: one DAG `jobs__<conn_id>` for each instance of the policy file that has a `jobs:` section.

Wiring only. What is due stands in the databases; what wakes the DAG is a hint. A lost wake-up costs time and no job,
since the DAG `sweep` looks every five minutes.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, get_parsing_context, task

from pg_archiver.airflow import connections, jobs_docs
from pg_archiver.airflow.airflow_ids import jobs_dag_id, jobs_pool_name
from pg_archiver.airflow.approve_jobs import APPROVE_DAG, find_requests
from pg_archiver.airflow.default_args import NOTE, TAG, make_default_args
from pg_archiver.airflow.jobs import LONGEST_JOB, ClaimJson, InstanceRun, make_wake_up
from pg_archiver.policies.jobs_settings import InstanceJobs
from pg_archiver.policies.yaml_file import Policies

# Not for correctness, which locks see to: one run that hangs must not hold up the next wake-up.
AT_ONCE = 4
LABEL = (
    "{{ (task.op_kwargs['claim']['database'] ~ ' / ' ~ task.op_kwargs['claim']['job_name']) | truncate(240, True) }}"
)

PARAMETERS = {
    "jobs": Param(
        [],
        type="array",
        items={"type": "string"},
        title="Jobs",
        description="Names of jobs; empty for all that are due.",
    ),
    "databases": Param(
        [], type="array", items={"type": "string"}, title="Databases", description="Empty for all of the instance."
    ),
    "application_name": Param(
        None, type=["null", "string"], title="Application name", description="Only jobs of this application_name."
    ),
    "run_now": Param(
        False,
        type="boolean",
        title="Run now",
        description="Start the chosen jobs now, whatever their schedule. Name at least one job.",
    ),
    "keep_days": Param(
        None,
        type=["null", "integer"],
        title="Days to keep",
        description="More days than the jobs' own, for this run; -1 for everything. Fewer are refused.",
    ),
    "adopt": Param(
        None,
        type=["null", "string"],
        title="Adopt the archive",
        description="Where another database acts for the archive of a chosen job: why this one does from now on.",
    ),
    "dry_run": Param(
        False, type="boolean", title="Dry run", description="Check every chosen job and say what is due; start nothing."
    ),
    "reason": Param(None, type=["null", "string"], title="Reason", description="Why. It goes into the log."),
}


def build_jobs_dag(instance: InstanceJobs, policies: Policies) -> DAG:
    """Return the choice of what is due, and a mapped task for each job and database."""
    conn_id = instance.conn_id
    dag_id = jobs_dag_id(conn_id)
    with DAG(
        dag_id=dag_id,
        dag_display_name=f"jobs {conn_id}",
        description=f"Runs the jobs of the databases of {conn_id} that are due",
        doc_md=jobs_docs.describe_jobs(instance, policies.source),
        schedule=[make_wake_up(conn_id, instance.sources)],
        catchup=False,
        max_active_runs=AT_ONCE,
        is_paused_upon_creation=True,
        # What is due now has nothing to do with a past date.
        allowed_run_types=["asset_triggered", "manual", "operator_triggered"],
        params=PARAMETERS,
        tags=[TAG, "jobs", conn_id],
        default_args=make_default_args(longest=LONGEST_JOB),
    ) as dag:

        @task(show_return_value_in_logs=False)
        def choose(**context: Any) -> list[ClaimJson]:
            run = InstanceRun(policies, instance, context)
            chosen = run.choose()
            context["ti"].xcom_push(key="summary", value=chosen.summary)
            return chosen.claims

        # The next start of a job is its retry.
        @task(
            pool=jobs_pool_name(conn_id),
            retries=0,
            map_index_template=LABEL,
            multiple_outputs=False,
        )
        def run(claim: ClaimJson, **context: Any) -> dict[str, object]:
            return InstanceRun(policies, instance, context).run(claim)

        @task(trigger_rule="all_done", multiple_outputs=False)
        def report(claims: list[ClaimJson], **context: Any) -> dict[str, object]:
            found = InstanceRun(policies, instance, context).report(claims)
            context["ti"].xcom_push(key=NOTE, value=found.note)
            found.refuse_unfinished()
            return found.as_dict()

        claims = choose()
        ran = run.expand(claim=claims)
        ran >> report(claims)
        if set(instance.settings.approve) & set(instance.settings.actions):
            add_approvals(policies, instance, ran)
    return dag


def add_approvals(policies: Policies, instance: InstanceJobs, ran: Any) -> None:
    """Add the tasks that start a run of `approve_jobs` for each job that waits for a person.

    After the jobs, whatever became of them: one that is rehearsed in this run waits for a person from then on.
    """

    @task(trigger_rule="all_done")
    def list_requests(**context: Any) -> list[dict[str, Any]]:
        return find_requests(InstanceRun(policies, instance, context))

    requests = list_requests()
    ran >> requests
    TriggerDagRunOperator.partial(
        task_id="ask", trigger_dag_id=APPROVE_DAG, skip_when_already_exists=True
    ).expand_kwargs(requests)


def build_dags() -> None:
    """Build the DAG that is asked for, or all of them."""
    policies = connections.load_policies()
    wanted = get_parsing_context().dag_id
    for conn_id, instance in policies.jobs.items():
        if wanted in {None, jobs_dag_id(conn_id)}:
            build_jobs_dag(instance, policies)


build_dags()
