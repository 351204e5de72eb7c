"""The DAG `restore`: a span of one table back from S3, by hand, from a form.

Wiring only. One task for each server, in the server's own pool; the first task reads the form and chooses.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_parsing_context, task
from airflow.sdk.exceptions import AirflowSkipException

from pg_archiver.airflow import connections, dag_docs
from pg_archiver.airflow.airflow_ids import add_name_prefix, pool_name
from pg_archiver.airflow.default_args import TAG, make_default_args
from pg_archiver.airflow.restore import MOST_HOLD_DAYS, choose_table, make_restore_order, run_restore, task_id_of
from pg_archiver.domain.work import OnConflict
from pg_archiver.policies.yaml_file import Policies

DAG_ID = add_name_prefix("restore")
# Airflow refuses a date-time without one.
OFFSET = "with an offset, such as 2026-01-31T00:00:00+01:00"


def parameters(policies: Policies) -> dict[str, Param]:
    """Return the form. Of databases that only jobs archive from there is no list, so their names may be written."""
    clients = [client.name for client in policies.clients]
    unlisted = "; CONN_ID.DATABASE for one that no client stands for" if policies.jobs else ""
    choice: dict[str, Any] = {"examples" if policies.jobs else "enum": clients} if clients else {}
    return {
        "client": Param(type="string", title="Client", description=f"Whose database it is{unlisted}.", **choice),
        "table": Param(
            "analytics.events",
            type="string",
            title="Table",
            description="As the policy file or its job writes it; it may be listed there no more.",
        ),
        "start": Param(
            type="string",
            format="date-time",
            title="Start",
            description=f"The first moment to bring back, {OFFSET}.",
        ),
        "end": Param(
            type="string",
            format="date-time",
            title="End",
            description=f"The first moment not to bring back, {OFFSET}.",
        ),
        "into": Param(
            None,
            type=["null", "string"],
            title="Into",
            description="A new table, as schema.table; empty for the table itself.",
        ),
        **options(),
    }


def options() -> dict[str, Param]:
    """Return the fields that say how the rows come back."""
    return {
        "on_conflict": Param(
            OnConflict.SKIP.value,
            type="string",
            enum=[choice.value for choice in OnConflict],
            title="On conflict",
            description="If a row with the same key is in the table: skip leaves it; newest keeps the one with the "
            "later timestamp; fail ends the restore.",
        ),
        "hold_days": Param(
            7,
            type="integer",
            minimum=0,
            maximum=MOST_HOLD_DAYS,
            title="Hold, in days",
            description="How long the archive leaves the restored rows in the table.",
        ),
        "ignore_missing_columns": Param(
            False,
            type="boolean",
            title="Ignore missing columns",
            description="Ignore archived columns that the table no longer has, instead of failing.",
        ),
        "text_columns": Param(
            None,
            type=["null", "string"],
            title="Columns as text",
            description="For a new table: columns, separated by commas, that take their values as text, for "
            "values whose type, role or table no longer exists.",
        ),
        "set_sequences": Param(
            False,
            type="boolean",
            title="Set sequences",
            description="Advance sequences that are behind the restored values of their columns. Otherwise they "
            "are only reported.",
        ),
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Read and compare everything, but insert nothing."
        ),
    }


def build_restore_dag(policies: Policies) -> DAG:
    """Return the form, and a task for each server."""
    with DAG(
        dag_id=DAG_ID,
        description="Brings archived rows of a span back from S3",
        doc_md=dag_docs.RESTORE,
        schedule=None,
        catchup=False,
        max_active_runs=1,
        # Nothing starts it by itself, and a run that the API starts of a paused DAG would wait forever.
        is_paused_upon_creation=False,
        params=parameters(policies),
        tags=[TAG, "restore"],
        default_args=make_default_args(longest=timedelta(days=1)),
    ) as dag:

        @task.branch
        def choose(**context: Any) -> str:
            client, policy = choose_table(policies, context)
            make_restore_order(client, policy, context)
            return task_id_of(client.conn_id)

        def restore(**context: Any) -> dict[str, object]:
            result = run_restore(policies, context)
            context["ti"].xcom_push(key="report", value=result.as_dict())
            result.refuse_failures()
            if result.found_nothing:
                raise AirflowSkipException(result.notes[0])
            return result.as_dict()

        first = choose()
        for conn_id in policies.archived_conn_ids:
            # Without multiple_outputs=False Airflow would push each key of the result by itself as well.
            first >> task(task_id=task_id_of(conn_id), pool=pool_name(conn_id), multiple_outputs=False)(restore)()
    return dag


if get_parsing_context().dag_id in {None, DAG_ID}:
    build_restore_dag(connections.load_policies())
