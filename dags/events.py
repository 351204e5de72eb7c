"""The factory: one DAG `events__<client>` for each client of the policy file that has `events:`.

Wiring only. What waits stands in the client's database, committed with what caused it; what wakes the DAG is a hint. A
lost wake-up costs time and no event, since the DAG `sweep` looks every five minutes.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, get_parsing_context, task

from pg_archiver.airflow import connections, events_docs
from pg_archiver.airflow.airflow_ids import events_dag_id, events_pool_name
from pg_archiver.airflow.default_args import TAG, make_default_args
from pg_archiver.airflow.events import LONGEST_WORK, ClientEvents, LaneJson, make_events_wake_up
from pg_archiver.policies.events_settings import LONGEST_WORK_SECONDS
from pg_archiver.policies.yaml_file import Client, Policies

# Not for correctness, which locks see to: one run that hangs must not hold up the next wake-up.
AT_ONCE = 4
LABEL = "lane {{ task.op_kwargs['lane'] + 1 }} of {{ task.op_kwargs['lanes'] }}"

PARAMETERS = {
    "bindings": Param(
        [],
        type="array",
        items={"type": "integer", "minimum": 1},
        title="Bindings",
        description="Numbers of the bindings whose dead events are tried again; empty for all.",
    ),
    "retry_dead": Param(
        False, type="boolean", title="Retry dead events", description="Put dead events back into the queue."
    ),
    "max_seconds": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        maximum=LONGEST_WORK_SECONDS,
        title="Seconds",
        description="How long the workers of this run work at most; empty for what the policy file says.",
    ),
}


def build_events_dag(client: Client, policies: Policies) -> DAG:
    """Return the survey of a client's queue, and a mapped task for each lane that is worth a worker."""
    with DAG(
        dag_id=events_dag_id(client.name),
        dag_display_name=f"events {client.name}",
        description=f"Runs functions for the events of {client.name}",
        doc_md=events_docs.describe_events(client, policies.source),
        schedule=[make_events_wake_up(client)],
        catchup=False,
        max_active_runs=AT_ONCE,
        is_paused_upon_creation=True,
        # What waits now has nothing to do with a past date.
        allowed_run_types=["asset_triggered", "manual", "operator_triggered"],
        params=PARAMETERS,
        tags=[TAG, "events", client.name],
        default_args=make_default_args(longest=LONGEST_WORK),
    ) as dag:

        @task(multiple_outputs=False)
        def survey(**context: Any) -> list[LaneJson]:
            return ClientEvents(policies, client, context).survey()

        # What a worker leaves is in the queue, and the next wake-up is its retry.
        @task(pool=events_pool_name(client.conn_id), retries=0, map_index_template=LABEL, multiple_outputs=False)
        def work(lane: int, lanes: int, **context: Any) -> dict[str, object]:
            return ClientEvents(policies, client, context).work(lane, lanes)

        work.expand_kwargs(survey())
    return dag


def build_dags() -> None:
    """Build the DAG that is asked for, or all of them."""
    policies = connections.load_policies()
    wanted = get_parsing_context().dag_id
    for client in policies.with_events:
        if wanted in {None, events_dag_id(client.name)}:
            build_events_dag(client, policies)


build_dags()
