"""The factory: one DAG `archive__<client>` for each client of the policy file.

Wiring only. A worker is after one DAG, so it builds that one and no other. A client whose entry in the policy file
is wrong gets a DAG too, whose only task fails with the reason, while the other clients continue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    CronTriggerTimetable,
    Param,
    TaskGroup,
    chain,
    get_parsing_context,
    task,
    task_group,
)
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import DownstreamTasksSkipped

from pg_archiver.airflow import connections, dag_docs
from pg_archiver.airflow.airflow_ids import dag_id, group_id, pool_name
from pg_archiver.airflow.archive import TableWork
from pg_archiver.airflow.archive_report import ALONE, read_report_of_plan, report_table
from pg_archiver.airflow.batch_json import BatchJson
from pg_archiver.airflow.default_args import NOTE, TAG, make_default_args, task_timeout
from pg_archiver.airflow.one_task import Planned, archive_small_table, archive_table
from pg_archiver.archive.report import Report
from pg_archiver.errors import ArchiverError, PolicyError, Unfinished
from pg_archiver.objects.object_keys import table_folder
from pg_archiver.policies.yaml_file import Client, Policies

TAGS = [TAG, "archive"]
# Rising along the chain, so that a window's rows are deleted before the next windows are exported.
PLAN, EXPORT, STORE, DELETE, REPORT = 1, 2, 3, 4, 5
# What follows a plan in its group.
FOLLOWING = ("window.export", "window.store", "window.delete", "report")
# The one task of a table that has no other, and what stands behind it where a parent waits for it.
ONE_TASK, END = "archive", "end"
# What Airflow can render before a mapped task begins, so that one which fails early, or is still running, has it too.
LABEL = "{{ task.op_kwargs['batch']['label'] | truncate(240, True) }}"

PARAMETERS = {
    "keep_days": Param(
        None,
        type=["null", "integer", "number", "string"],
        title="Days to keep",
        description="-1 keeps everything; empty takes the client's Variable, the policy, the common Variable, or 2.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Find and read what is due, but upload, record and delete nothing.",
    ),
    "start": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Start",
        description="Skip what is older than this. With an offset, such as 2026-01-31T00:00:00+01:00.",
    ),
    "end": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="End",
        description="Skip what is not older than this. It never makes more due than the cutoff does.",
    ),
    "adopt": Param(
        None,
        type=["null", "string"],
        title="Adopt",
        description="Only for a database that was moved, copied or restored from a backup: the reason why it, and no "
        "other database, acts for this archive from now on. Kept in the ledger.",
    ),
}


def build_archive_dag(client: Client, policies: Policies) -> DAG:
    """Return the DAG of one client, with a task group for each of its tables."""
    with DAG(
        dag_id=dag_id(client.name),
        dag_display_name=f"archive {client.name}",
        description=f"Moves old rows of client {client.name} to S3",
        doc_md=dag_docs.describe_archive(client, policies.source),
        schedule=CronTriggerTimetable(client.schedule, timezone="UTC") if client.schedule else None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        tags=[*TAGS, client.conn_id],
        default_args=make_default_args(
            pool_name(client.conn_id), task_timeout(max(policy.longest_statement for policy in client.tables))
        ),
    ) as dag:
        waited_for = {child for policy in client.tables for child in policy.child_names if child != policy.name}
        for policy in client.tables:
            work = TableWork(client, policy, policies)
            with TaskGroup(group_id=group_id(policy.name), tooltip=f"{policy.table} of {client.name}"):
                if policy.tasks == "one":
                    add_one_task(work, is_waited_for=policy.name in waited_for)
                else:
                    add_chain(work)
        for policy in client.tables:
            for child in policy.child_names:
                if child != policy.name:
                    wait_for_child(dag, group_id(policy.name), group_id(child))
    # Only now, because each task that finds them here keeps and checks a copy of its own, which took most of the time
    # that parsing and serialising a thousand DAGs takes. A run merges the DAG's parameters into each task's anyway.
    dag.params = ParamsDict(PARAMETERS)
    return dag


def wait_for_child(dag: DAG, parent: str, child: str) -> None:
    """Plan the parent when all that the child's report waits for is done, whatever came of it.

    Not after the report itself: that stays the end of its branch, by which Airflow tells whether the run failed.
    """
    first = next(name for name in (f"{parent}.plan", f"{parent}.{ONE_TASK}") if name in dag.task_dict)
    last = next(name for name in (f"{child}.report", f"{child}.{END}") if name in dag.task_dict)
    dag.get_task(first).set_upstream(
        [dag.get_task(task_id) for task_id in sorted(dag.get_task(last).upstream_task_ids)]
    )


def make_asset(work: TableWork) -> Asset:
    """Return what the runs of this table add to: its folder in the bucket."""
    folder = table_folder(work.policy.prefix, work.client.name, work.policy.name)
    return Asset(
        name=f"{dag_id(work.client.name)}/{group_id(work.policy.name)}",
        uri=f"s3://{work.policy.bucket_name}/{folder}",
        group="archiver",
    )


def tell_result(work: TableWork, result: Report, context: Mapping[str, Any], events: AssetAlias) -> None:
    """Leave what came of the table where people and other DAGs look: in the run's note, and at the table's asset."""
    context["ti"].xcom_push(key=NOTE, value=result.note(work.policy.table))
    if result.deleted:
        context["outlet_events"][events].add(make_asset(work), extra=result.as_dict())


def add_one_task(work: TableWork, *, is_waited_for: bool) -> None:
    """Add the one task of a table, which does everything; where a parent waits for it, an end of the branch besides.

    That end takes no process. Without it the parent alone would tell whether the run failed.
    """
    events = AssetAlias(name=make_asset(work).name, group="archiver")
    rule = "all_done" if work.policy.child_names else "all_success"

    @task(task_id=ONE_TASK, priority_weight=EXPORT, trigger_rule=rule, outlets=[events], multiple_outputs=False)
    def archive(**context: Any) -> dict[str, object]:
        try:
            outcome = archive_table(work, context)
        except ArchiverError:
            told = "nothing is known of the rest; the error is in the log of the task archive"
            context["ti"].xcom_push(key=NOTE, value=f"{work.policy.table}: {told}")
            raise
        tell_result(work, outcome.report, context, events)
        outcome.settle()
        return outcome.report.as_dict()

    done = archive()
    done.operator.on_kill = connections.note_stop
    if is_waited_for:
        done >> EmptyOperator(task_id=END)


def plan_or_archive(work: TableWork, group: str, context: Mapping[str, Any], events: AssetAlias) -> list[BatchJson]:
    """Return the batches of the plan; where there is little to do, do it here, and have what follows skipped."""
    outcome = archive_small_table(work, context)
    context["ti"].xcom_push(key="summary", value=outcome.summary)
    if isinstance(outcome, Planned):
        return outcome.batches
    tell_result(work, outcome.report, context, events)
    context["ti"].xcom_push(key=ALONE, value=outcome.report.as_dict())
    outcome.settle()
    if context["ti"].try_number == 1:
        raise DownstreamTasksSkipped(tasks=[f"{group}.{name}" for name in FOLLOWING])
    # Instances of a former plan may be there, which end only by its being empty; the report repeats what was told here.
    return []


def add_chain(work: TableWork) -> None:
    """Add the tasks of one table: plan, then export, store and delete for each batch of windows, then report."""
    group = group_id(work.policy.name)
    events = AssetAlias(name=make_asset(work).name, group="archiver")
    alone = work.policy.tasks == "auto"
    plan_rule = "all_done" if work.policy.child_names else "all_success"

    # A plan may hold thousands of windows; the log has their number, the XCom has them all.
    @task(
        priority_weight=PLAN,
        show_return_value_in_logs=False,
        trigger_rule=plan_rule,
        outlets=[events] if alone else [],
    )
    def plan(**context: Any) -> list[BatchJson]:
        if alone:
            return plan_or_archive(work, group, context, events)
        batches, summary = work.plan(context)
        context["ti"].xcom_push(key="summary", value=summary)
        return batches

    # A batch that failed in part continues with its other windows, so the next step is not stopped by a failed one.
    @task(priority_weight=EXPORT, map_index_template=LABEL, multiple_outputs=False)
    def export(batch: BatchJson, **context: Any) -> dict[str, Any]:
        return work.export(batch, context)

    @task(priority_weight=STORE, map_index_template=LABEL, multiple_outputs=False, trigger_rule="all_done")
    def store(batch: BatchJson, **context: Any) -> dict[str, int]:
        return work.store(batch, context)

    @task(priority_weight=DELETE, map_index_template=LABEL, multiple_outputs=False, trigger_rule="all_done")
    def delete(batch: BatchJson, **context: Any) -> dict[str, int]:
        return work.delete(batch, context)

    @task_group
    def window(batch: BatchJson) -> None:
        steps = export(batch=batch), store(batch=batch), delete(batch=batch)
        chain(*steps)
        # Airflow's own handler of SIGTERM calls this; the one that the step sets comes a little later.
        steps[-1].operator.on_kill = connections.note_stop

    @task(priority_weight=REPORT, trigger_rule="all_done", outlets=[events], multiple_outputs=False)
    def report(batches: list[BatchJson], **context: Any) -> dict[str, object]:
        if alone and (told := read_report_of_plan(group, batches, context)):
            return told
        try:
            result = report_table(work, group, batches, context)
        except Unfinished as nothing:
            context["ti"].xcom_push(key=NOTE, value=f"{work.policy.table}: {nothing}")
            raise
        tell_result(work, result, context, events)
        result.refuse_unfinished()
        return result.as_dict()

    batches = plan()
    if alone:
        batches.operator.on_kill = connections.note_stop
    window.expand(batch=batches) >> report(batches)


def build_broken_dag(name: str, reason: str) -> DAG:
    """Return the DAG of a client whose policy cannot be used: it can be seen, and its run says why."""
    with DAG(
        dag_id=dag_id(name),
        dag_display_name=f"archive {name} (policy refused)",
        description=reason,
        doc_md=dag_docs.describe_broken(reason),
        schedule="0 1 * * *",
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        params=PARAMETERS,
        tags=[*TAGS, "policy refused"],
        default_args={"owner": "archiver", "retries": 0},
    ) as dag:

        @task
        def policy() -> None:
            raise PolicyError(reason)

        policy()
    return dag


def build_dags() -> None:
    """Build the DAG that is asked for, or all of them."""
    policies = connections.load_policies()
    wanted = get_parsing_context().dag_id
    for client in policies.clients:
        if wanted in {None, dag_id(client.name)}:
            build_archive_dag(client, policies)
    for name, reason in policies.broken.items():
        if wanted in {None, dag_id(name)}:
            build_broken_dag(name, reason)


build_dags()
