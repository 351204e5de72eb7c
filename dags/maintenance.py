"""The DAG `maintenance`: the index on the timestamp, checks of indexes, VACUUM, and disk space given back.

Wiring only. The servers run in parallel. On one server one task runs at a time, and one table after the other, since a
later task weighs more than another table's earlier one. A failure of one table does not affect another.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    CronTriggerTimetable,
    Param,
    get_parsing_context,
    task,
    task_group,
)

from pg_archiver.airflow import connections, dag_docs
from pg_archiver.airflow.airflow_ids import add_name_prefix, maintenance_pool_name
from pg_archiver.airflow.approval import RewriteApproval, describe_rejection
from pg_archiver.airflow.default_args import TAG, make_default_args
from pg_archiver.airflow.maintenance import ACTIONS, Maintenance, choose_tables, chooser_of, group_of
from pg_archiver.airflow.selection import Subject
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.yaml_file import Policies

DAG_ID = add_name_prefix("maintenance")
ASSET = Asset(name=DAG_ID, uri=f"x-archiver://{DAG_ID}", group="archiver")
STEPS = ("inspect", "index", "validate", "vacuum", "approve", "reclaim", "report")
WEIGHT = {name: number for number, name in enumerate(STEPS, start=1)}


def label_of(subject: str) -> str:
    """Return the template of a mapped task's label: client and table, of the mapped argument under this name.

    Airflow renders it before the task's body runs, so that running and failed tasks have it too. The tasks get that
    argument by its keyword. Airflow has room for 250 characters.
    """
    return f"{{{{ {subject} | join(' ') | truncate(240, True) }}}}"


def _several(title: str, description: str, choices: list[str] | None = None) -> Param:
    # With examples the form offers them for choice; without, it is a field of lines.
    offered: dict[str, Any] = {"examples": choices} if choices else {}
    items: dict[str, Any] = {"type": "string"} | ({"enum": choices} if choices else {})
    return Param(None, type=["null", "array"], items=items, title=title, description=description, **offered)


PARAMETERS = {
    "clients": _several("Clients", "Empty for all clients."),
    "tables": _several("Tables", "As the policy file writes them; empty for all tables."),
    "actions": _several("Actions", "Empty for all of them.", list(ACTIONS)),
    "strategy": Param(
        None,
        type=["null", "string"],
        enum=[None, *(strategy.value for strategy in Strategy)],
        title="Strategy",
        description="How disk space is given back; empty for the strategy of the policy.",
    ),
    "force": Param(
        False,
        type="boolean",
        title="Force",
        description="Overrides the maintenance window and the threshold, never the check of the free disk space.",
    ),
    "reason": Param(None, type=["null", "string"], title="Reason", description="Why it is forced. Kept in the ledger."),
    "heapallindexed": Param(
        False, type="boolean", title="All rows", description="validate: look up each row of the table in each index."
    ),
    "reindex": Param(
        False, type="boolean", title="Reindex", description="validate: rebuild damaged indexes CONCURRENTLY."
    ),
    "dry_run": Param(False, type="boolean", title="Dry run", description="Inspect and decide, but change nothing."),
}


def build_maintenance_dag(policies: Policies) -> DAG:
    """Return the form, and for each server the choice of its tables and a mapped group over them."""
    with DAG(
        dag_id=DAG_ID,
        description="Builds and checks indexes, runs VACUUM, and gives disk space back",
        doc_md=dag_docs.MAINTENANCE,
        schedule=CronTriggerTimetable("0 2 * * 0", timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        # Not backfills: what a table needs now has nothing to do with a past date.
        allowed_run_types=["scheduled", "manual", "operator_triggered"],
        params=PARAMETERS,
        tags=[TAG, "maintenance"],
        default_args=make_default_args(longest=timedelta(days=1)),
    ) as dag:
        for conn_id in policies.conn_ids:
            add_server(policies, conn_id)
    return dag


def step(conn_id: str, name: str, **settings: Any) -> Any:
    """Return the decorator of a task that works on one table of this server."""
    # Without multiple_outputs=False Airflow would push each key of a returned dict by itself as well.
    return task(
        task_id=name,
        pool=maintenance_pool_name(conn_id),
        priority_weight=WEIGHT[name],
        map_index_template=label_of("task.op_kwargs['chosen']"),
        multiple_outputs=False,
        **settings,
    )


def read_result(conn_id: str, context: Any, name: str) -> Any:
    """Return what the task of this name returned for the same table."""
    ti = context["ti"]
    return ti.xcom_pull(task_ids=f"{group_of(conn_id)}.{name}", map_indexes=ti.map_index)


def make_approval(policies: Policies, conn_id: str, chosen: Subject) -> RewriteApproval:
    """Return the task that asks a person before a table is rewritten."""
    return RewriteApproval(
        task_id="approve",
        chosen=chosen,
        question=lambda subject, context: Maintenance.for_table(policies, subject, context).make_question(),
        pool=maintenance_pool_name(conn_id),
        priority_weight=WEIGHT["approve"],
        map_index_template=label_of("task.chosen"),
    )


def make_report(policies: Policies, conn_id: str) -> Any:
    """Return the task that says what came of a table's steps."""

    @step(conn_id, "report", trigger_rule="all_done", outlets=[ASSET])
    def report(chosen: Subject, **context: Any) -> dict[str, object]:
        words = {name: read_result(conn_id, context, name) for name in STEPS if name not in {"approve", "report"}}
        if rejection := describe_rejection(read_result(conn_id, context, "approve")):
            words["reclaim"] = f"skipped: {rejection}"
        found = Maintenance.for_table(policies, chosen, context).report(words)
        context["outlet_events"][ASSET].extra = found
        return found

    return report


def add_server(policies: Policies, conn_id: str) -> None:
    """Add the tasks of one server."""

    def work(chosen: Subject, context: Any) -> Maintenance:
        return Maintenance.for_table(policies, chosen, context)

    @task(task_id=chooser_of(conn_id), pool=maintenance_pool_name(conn_id))
    def choose(**context: Any) -> list[Subject]:
        return choose_tables(policies, conn_id, context)

    @step(conn_id, "inspect")
    def inspect(chosen: Subject, **context: Any) -> dict[str, object]:
        return work(chosen, context).inspect()

    @step(conn_id, "index")
    def index(chosen: Subject, **context: Any) -> str:
        return work(chosen, context).index()

    @step(conn_id, "validate")
    def validate(chosen: Subject, **context: Any) -> str:
        return work(chosen, context).validate()

    @step(conn_id, "vacuum")
    def vacuum(chosen: Subject, **context: Any) -> str:
        return work(chosen, context).vacuum()

    @step(conn_id, "reclaim")
    def reclaim(chosen: Subject, **context: Any) -> str:
        return work(chosen, context).reclaim(read_result(conn_id, context, "approve"))

    @task_group(group_id=group_of(conn_id))
    def table(chosen: Subject) -> None:
        (
            inspect(chosen=chosen)
            >> index(chosen=chosen)
            >> validate(chosen=chosen)
            >> vacuum(chosen=chosen)
            >> make_approval(policies, conn_id, chosen)
            >> reclaim(chosen=chosen)
            >> make_report(policies, conn_id)(chosen=chosen)
        )

    table.expand(chosen=choose())


if get_parsing_context().dag_id in {None, DAG_ID}:
    build_maintenance_dag(connections.load_policies())
