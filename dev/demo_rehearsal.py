"""The demo's first run: of a client that nobody has enabled yet, so that nothing may leave, and nothing does."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from dev.airflow_api import AirflowApi
from dev.demo_checks import Check
from dev.demo_clients import CLIENTS, EVENT_CLIENTS
from dev.demo_objects import in_bucket
from dev.demo_rows import in_table
from dev.demo_runs import DAGS, TIMEOUT_SECONDS
from dev.stack import BUCKET, Stack
from pg_archiver.airflow.airflow_ids import enabled_variable

CLIENT = EVENT_CLIENTS[0]

_NOTE_SECONDS = 30.0


def rehearse(stack: Stack) -> Iterator[Check]:
    """Run the client's DAG as it is, not as a dry run, and yield what must hold then."""
    api = stack.airflow.api()
    with stack.postgres.connect(CLIENT.database) as connection:
        before = in_table(connection, CLIENT)
    dag = DAGS[CLIENT.name]
    api.unpause(dag)
    run_id = api.trigger(dag, logical_date=datetime.now(UTC))
    state = api.wait_for_run(dag, run_id, TIMEOUT_SECONDS)
    print(f"{CLIENT.name}: {state}; {_note(api, dag, run_id)}", flush=True)
    with stack.postgres.connect(CLIENT.database) as connection:
        after = in_table(connection, CLIENT)
    objects = in_bucket(stack.s3.client(), BUCKET, CLIENT).files
    untouched = after.digests == before.digests and not objects
    yield Check("nothing leaves before it is enabled", untouched, f"{after.count:,} rows, {objects} objects")
    report = api.xcom(dag, run_id, f"{CLIENT.schema}-{CLIENT.table}.report")
    yield Check("and the run says so", report["dry_run"] is True and state == "success", report["why_dry_run"])


def enable(stack: Stack) -> None:
    """Say of every client that its rows may leave, as a person would under Admin > Variables."""
    api = stack.airflow.api()
    for client in CLIENTS:
        api.set_variable(enabled_variable(client.name), "true")
        print(f"Airflow Variable {enabled_variable(client.name)} = true", flush=True)


def _note(api: AirflowApi, dag: str, run_id: str) -> str:
    """Return the note that Airflow shows with the run; the scheduler writes it when the run has ended."""
    deadline = time.monotonic() + _NOTE_SECONDS
    while time.monotonic() < deadline:
        if note := api.run(dag, run_id)["note"]:
            return str(note)
        time.sleep(0.5)
    return "no note"
