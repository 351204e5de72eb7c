"""The DAG `maintenance`: the index on the timestamp, checks of indexes, VACUUM, and disk space given back.

Wiring only. The servers go side by side; on one server one task at a time, and the tables one after the other, since
a later task weighs more than another table's earlier one. One table's trouble is not another's.
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
from pg_archiver.airflow.maintenance import ACTIONS, Maintenance, Subject, choose_tables, chooser_of, group_of
from pg_archiver.policies.maintenance_settings import Strategy
from pg_archiver.policies.yaml_file import Policies

DAG_ID = add_name_prefix("maintenance")
ASSET = Asset(name=DAG_ID, uri=f"x-archiver://{DAG_ID}", group="archiver")
STEPS = ("inspect", "index", "validate", "vacuum", "approve", "reclaim", "report")
WEIGHT = {name: number for number, name in enumerate(STEPS, start=1)}


def label_of(subject: str) -> str:
    """The template of a mapped task's label: client and table, of the mapped argument under this name.

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
        description="How space is given back; empty for what the policy says.",
    ),
    "force": Param(
        False,
        type="boolean",
        title="Force",
        description="Whatever the hour, and however little it is. Never whatever the disk.",
    ),
    "reason": Param(None, type=["null", "string"], title="Reason", description="Why it is forced; kept in the ledger."),
    "heapallindexed": Param(
        False, type="boolean", title="All rows", description="validate: look for each row of the table in each index."
    ),
    "reindex": Param(
        False, type="boolean", title="Reindex", description="validate: rebuild damaged indexes CONCURRENTLY."
    ),
    "dry_run": Param(False, type="boolean", title="Dry run", description="Look and choose, but change nothing."),
}


def build_maintenance_dag(policies: Policies) -> DAG:
    """The form, and for each server the choice of its tables and a mapped group over them."""
    with DAG(
        dag_id=DAG_ID,
        description="Indexes, VACUUM, and disk space given back",
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


def add_server(policies: Policies, conn_id: str) -> None:
    """The tasks of one server."""
    group, pool = group_of(conn_id), maintenance_pool_name(conn_id)

    def work(chosen: Subject, context: Any) -> Maintenance:
        return Maintenance.for_table(policies, chosen, context)

    def said(context: Any, name: str) -> Any:
        ti = context["ti"]
        return ti.xcom_pull(task_ids=f"{group}.{name}", map_indexes=ti.map_index)

    def step(name: str, **settings: Any) -> Any:
        # Without multiple_outputs=False Airflow would push each key of a returned dict by itself as well.
        return task(
            task_id=name,
            pool=pool,
            priority_weight=WEIGHT[name],
            map_index_template=label_of("task.op_kwargs['chosen']"),
            multiple_outputs=False,
            **settings,
        )

    @task(task_id=chooser_of(conn_id), pool=pool)
    def choose(**context: Any) -> list[Subject]:
        return choose_tables(policies, conn_id, context)

    @step("inspect")
    def inspect(chosen: Subject, **context: Any) -> dict[str, object]:
        return work(chosen, context).inspect()

    @step("index")
    def index(chosen: Subject, **context: Any) -> str:
        return work(chosen, context).index()

    @step("validate")
    def validate(chosen: Subject, **context: Any) -> str:
        return work(chosen, context).validate()

    @step("vacuum")
    def vacuum(chosen: Subject, **context: Any) -> str:
        return work(chosen, context).vacuum()

    @step("reclaim")
    def reclaim(chosen: Subject, **context: Any) -> str:
        return work(chosen, context).reclaim(said(context, "approve"))

    @step("report", trigger_rule="all_done", outlets=[ASSET])
    def report(chosen: Subject, **context: Any) -> dict[str, object]:
        words = {name: said(context, name) for name in STEPS if name not in {"approve", "report"}}
        if rejection := describe_rejection(said(context, "approve")):
            words["reclaim"] = f"skipped: {rejection}"
        found = work(chosen, context).report(words)
        context["outlet_events"][ASSET].extra = found
        return found

    @task_group(group_id=group)
    def table(chosen: Subject) -> None:
        approve = RewriteApproval(
            task_id="approve",
            chosen=chosen,
            question=lambda subject, context: work(subject, context).make_question(),
            pool=pool,
            priority_weight=WEIGHT["approve"],
            map_index_template=label_of("task.chosen"),
        )
        (
            inspect(chosen=chosen)
            >> index(chosen=chosen)
            >> validate(chosen=chosen)
            >> vacuum(chosen=chosen)
            >> approve
            >> reclaim(chosen=chosen)
            >> report(chosen=chosen)
        )

    table.expand(chosen=choose())


if get_parsing_context().dag_id in {None, DAG_ID}:
    build_maintenance_dag(connections.load_policies())
