"""The preview through Airflow's own scheduler, for clients whose own DAG is paused, looked at from outside."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dev.stack import BUCKET
from tests.acceptance.conftest import HOURS, RUN_SECONDS, Tenants
from tests.acceptance.settings import NO_CONNECTION, NO_DATABASE, NO_POOL, POOLLESS

DUE = HOURS - 48
TABLE = "SELECT ctid::text, xmin::text, id, triggered_at, name FROM analytics.events ORDER BY id"


def preview(tenants: Tenants, client: str, **conf: object) -> tuple[str, str]:
    """Starts a run of the preview, which nobody has unpaused; its id and how it ended."""
    run_id = tenants.api.trigger("preview", {"client": client, **conf})
    return run_id, tenants.api.wait_for_run("preview", run_id, RUN_SECONDS)


def report(tenants: Tenants, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = tenants.api.xcom("preview", run_id, "preview", key="report")
    return found


@pytest.fixture(scope="module", autouse=True)
def parsed(tenants: Tenants) -> None:
    tenants.stack.airflow.wait_for_dags(["preview"])


def is_paused(tenants: Tenants, dag_id: str) -> bool:
    (found,) = [dag for dag in tenants.api.dags() if dag["dag_id"] == dag_id]
    return bool(found["is_paused"])


def test_a_client_whose_dag_is_paused_is_previewed_and_nothing_of_it_is_touched(tenants: Tenants) -> None:
    client = tenants["previewed"]
    before = client.sql(TABLE)
    run_id, state = preview(tenants, client.name)
    found = report(tenants, run_id)
    assert (state, found["failed"]) == ("success", [])
    (table,) = found["tables"]
    figures = table["figures"]
    # An hour that the cutoff cuts is a window too.
    assert (figures["rows"], figures["keep_days"], figures["keep_days_from"]) == (DUE, 2, "the default")
    assert figures["windows"] in {DUE, DUE + 1}
    assert figures["objects"] == 2 * figures["windows"]
    assert all(check["ok"] for check in table["checks"])
    assert found == tenants.api.xcom("preview", run_id, "preview")
    log = tenants.api.task_log("preview", run_id, "preview")
    assert f"due       {DUE} rows (counted) in {figures['windows']} windows" in log
    assert client.sql(TABLE) == before
    assert client.objects() == {}
    assert not client.has_ledger()
    assert is_paused(tenants, client.dag_id)
    assert tenants.api.runs(client.dag_id) == []
    assert not is_paused(tenants, "preview")


def test_nothing_due_is_green_and_said_so(tenants: Tenants) -> None:
    run_id, state = preview(tenants, "previewed", keep_days=-1)
    assert state == "success"
    log = tenants.api.task_log("preview", run_id, "preview")
    assert "keeps     everything (-1), from the run's parameter keep_days" in log
    assert "nothing is due: a run would archive and delete nothing" in log


@pytest.mark.rare
@pytest.mark.more
def test_a_server_whose_pool_is_missing_is_told_within_a_minute_or_so(tenants: Tenants) -> None:
    started = time.monotonic()
    run_id, state = preview(tenants, POOLLESS)
    assert state == "failed"
    assert time.monotonic() - started < 120
    found = report(tenants, run_id)
    assert not found["pool"]["ok"]
    assert [words for words in found["failed"] if not words.startswith(f"pool archive_{NO_POOL}: ")] == []
    assert found["tables"][0]["figures"]["rows"] == DUE
    error = tenants.api.task_error("preview", run_id, "preview")
    assert "airflow pools import pools.json" in error
    states = {task["task_id"]: task["state"] for task in tenants.api.task_instances("preview", run_id)}
    assert states[f"probe_{NO_POOL}"] == "skipped"


@pytest.mark.parametrize(
    ("client", "subject", "words"),
    [
        (NO_DATABASE, "database", f'database "{NO_DATABASE}" does not exist'),
        ("locked-out", "database", "password authentication failed"),
        ("unconnected", "database", f"no Airflow connection '{NO_CONNECTION}'"),
        ("no-bucket", "bucket", "bucket no-such-bucket does not exist"),
        ("bad-abc", "days to keep", "archive_keep_days__bad-abc is 'abc'"),
        ("misspelt", "days to keep", "archive_keep_days__Misspelt names no client"),
    ],
)
def test_what_is_missing_makes_the_run_red_and_the_rest_is_told(
    tenants: Tenants, client: str, subject: str, words: str
) -> None:
    run_id, state = preview(tenants, client)
    assert state == "failed"
    found = report(tenants, run_id)
    (failed,) = found["failed"]
    assert failed.startswith(f"analytics.events: {subject}: ")
    assert words in failed
    assert words in tenants.api.task_error("preview", run_id, "preview")
    fine = {check["subject"] for check in found["tables"][0]["checks"] if check["ok"]}
    assert fine >= ({"bucket, reading"} if subject != "bucket" else {"privileges", "table", "ledger"})
    tasks = {task["task_id"]: task["try_number"] for task in tenants.api.task_instances("preview", run_id)}
    assert tasks["preview"] == 1, "a person is needed, so nothing is tried again"


@pytest.mark.parametrize("value", ["abc", 1.5])
def test_a_bad_parameter_is_refused_at_once(tenants: Tenants, value: object) -> None:
    run_id, state = preview(tenants, "previewed", keep_days=value)
    assert state == "failed"
    assert f"the run's parameter keep_days is {value!r}" in tenants.api.task_error("preview", run_id, "choose")


def test_no_upload_is_left_behind(tenants: Tenants) -> None:
    assert tenants.stack.s3.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
