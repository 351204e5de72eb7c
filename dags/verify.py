"""The DAG `verify`: reads the whole archive back, every week and by hand, and rebuilds lost ledgers.

Wiring only. One mapped task for each table; all of them run, whatever happens to the others.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_parsing_context, task

from pg_archiver.airflow import connections, dag_docs
from pg_archiver.airflow.airflow_ids import add_name_prefix
from pg_archiver.airflow.default_args import TAG, make_default_args
from pg_archiver.airflow.selection import Subject
from pg_archiver.airflow.verify import choose_tables, run_verify
from pg_archiver.policies.yaml_file import Policies

DAG_ID = add_name_prefix("verify")
# It reads S3 and hardly touches the databases, so it runs in no server's pool; this bounds it instead.
AT_ONCE = 4

# Client and table, of the first three where a task has more of them. Airflow renders it before the task's body runs, so
# that running and failed tasks have it too, and has room for 250 characters.
LABEL = """
{%- set chosen = task.op_kwargs['chosen'] -%}
{{ (chosen[:3] | map('join', ' ') | join(', ') ~ (', ...' if chosen | length > 3 else '')) | truncate(240, True) }}
""".strip()

PARAMETERS = {
    "client": Param(
        None,
        type=["null", "string"],
        title="Client",
        description="Empty for all; CONN_ID.DATABASE for a database from which only jobs archive.",
    ),
    "table": Param(
        None,
        type=["null", "string"],
        title="Table",
        description="As the policy file or its job writes it; empty for all that were archived.",
    ),
    "rebuild_ledger": Param(
        False,
        type="boolean",
        title="Rebuild the ledger",
        description="First add to the ledger what only the manifests in S3 know. For a database that was lost or "
        "restored from a backup.",
    ),
}


def build_verify_dag(policies: Policies) -> DAG:
    """Return the choice of the tables, and a task for each."""
    with DAG(
        dag_id=DAG_ID,
        description="Reads the whole archive back and compares it with its manifests and ledgers",
        doc_md=dag_docs.VERIFY,
        schedule=CronTriggerTimetable("0 4 * * 0", timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        # Not backfills: the archive is verified as it is now, whatever the date.
        allowed_run_types=["scheduled", "manual", "operator_triggered"],
        params=PARAMETERS,
        tags=[TAG, "verify"],
        default_args=make_default_args(longest=timedelta(days=2)),
    ) as dag:

        @task
        def choose(**context: Any) -> list[list[Subject]]:
            return choose_tables(policies, context)

        # Without multiple_outputs=False Airflow would push the report of each table by itself as well.
        @task(map_index_template=LABEL, max_active_tis_per_dag=AT_ONCE, multiple_outputs=False)
        def verify(chosen: list[Subject], **context: Any) -> dict[str, object]:
            return run_verify(policies, chosen, context)

        verify.expand(chosen=choose())
    return dag


if get_parsing_context().dag_id in {None, DAG_ID}:
    build_verify_dag(connections.load_policies())
