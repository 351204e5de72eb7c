"""The DAG `preview`: what a client's archive run would do now, from a form. It never deletes, and cannot.

Wiring only. It is not paused when it is new, because nothing that it does needs care, and the client's own DAG may
stay paused. A task has no way to ask Airflow which pools there are, so a probe is sent into the server's pool while
another task watches whether it gets a slot.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, get_parsing_context, task
from airflow.sdk.exceptions import DownstreamTasksSkipped

from pg_archiver.airflow import connections, dag_docs
from pg_archiver.airflow.airflow_ids import add_name_prefix, pool_name
from pg_archiver.airflow.default_args import TAG, make_default_args
from pg_archiver.airflow.preview import choose_client, look_for_pool, probe_state, probe_task, read_form, run_preview
from pg_archiver.policies.yaml_file import Policies

DAG_ID = add_name_prefix("preview")
LOOK_FOR_POOL = "look_for_pool"
# Before all that an archive does in the pool: it takes a second, and a person waits for it.
PROBE = 100


def parameters(policies: Policies) -> dict[str, Param]:
    """Return the form."""
    clients = [client.name for client in policies.clients]
    choice = {"enum": clients} if clients else {}
    return {
        "client": Param(type="string", title="Client", **choice),
        "table": Param(
            None,
            type=["null", "string"],
            title="Table",
            description="As the policy file writes it; empty for all tables of the client.",
        ),
        "keep_days": Param(
            None,
            type=["null", "integer", "number", "string"],
            title="Days to keep",
            description="-1 keeps everything; empty takes what a run would take: the client's Variable, the policy, "
            "the common Variable, or 2.",
        ),
        "start": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Start",
            description="Skip what is older than this. An offset is needed: 2026-01-31T00:00:00+00:00.",
        ),
        "end": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="End",
            description="Skip what is not older than this. An offset is needed: 2026-01-31T00:00:00+00:00. It "
            "never makes more due than the cutoff does.",
        ),
    }


def build_preview_dag(policies: Policies) -> DAG:
    """Return the form, a probe for each server's pool, and the preview itself in no server's pool."""
    with DAG(
        dag_id=DAG_ID,
        description="Shows what an archive run of a client would do now; deletes nothing",
        doc_md=dag_docs.PREVIEW,
        schedule=None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        params=parameters(policies),
        tags=[TAG, "preview"],
        default_args=make_default_args(),
    ) as dag:

        @task.branch
        def choose(**context: Any) -> list[str]:
            return [LOOK_FOR_POOL, probe_task(read_form(policies, context).conn_id)]

        def probe() -> None:
            """Do nothing: that it runs is the answer."""

        @task(task_id=LOOK_FOR_POOL)
        def look(**context: Any) -> None:
            client = choose_client(policies, context)
            found = look_for_pool(client, lambda: probe_state(client, context))
            context["ti"].xcom_push(key="pool", value=found.as_dict())
            if not found.ok:
                # It would wait for its pool forever, and the run with it.
                raise DownstreamTasksSkipped(tasks=[probe_task(client.conn_id)])

        @task(task_id=DAG_ID, multiple_outputs=False, show_return_value_in_logs=False)
        def preview(**context: Any) -> dict[str, object]:
            pool = context["ti"].xcom_pull(task_ids=LOOK_FOR_POOL, key="pool")
            return run_preview(policies, pool, context)

        first = choose()
        for conn_id in policies.conn_ids:
            settings = {"task_id": probe_task(conn_id), "pool": pool_name(conn_id), "priority_weight": PROBE}
            first >> task(**settings)(probe)()
        first >> look() >> preview()
    return dag


if get_parsing_context().dag_id in {None, DAG_ID}:
    build_preview_dag(connections.load_policies())
