"""Restore and verify through Airflow's own scheduler, looked at from outside."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from dev.airflow_session import AirflowApiError
from dev.stack import BUCKET, DATABASE_CONNECTION
from tests.acceptance.conftest import HOURS, RUN_SECONDS, Tenant, Tenants, utc_now

DUE = HOURS - 48
ROWS = "SELECT id, triggered_at, name FROM analytics.events ORDER BY id"


def run(tenants: Tenants, dag_id: str, **conf: object) -> tuple[str, str]:
    """Starts a run of a DAG that is not a client's; its id and how it ended."""
    run_id = tenants.api.trigger(dag_id, conf)
    return run_id, tenants.api.wait_for_run(dag_id, run_id, RUN_SECONDS)


def form(tenant: Tenant, **fields: object) -> dict[str, Any]:
    now = utc_now()
    span = {"start": (now - timedelta(hours=55, minutes=30)).isoformat(), "end": now.isoformat()}
    return {"client": tenant.name, **span, **fields}


@pytest.fixture(scope="module")
def returned(tenants: Tenants) -> Tenant:
    """A client whose rows are archived; verify is unpaused, and restore was never paused."""
    tenants.stack.airflow.wait_for_dags(["restore", "verify"])
    tenants.api.unpause("verify")
    return tenants["returned"]


def test_a_span_comes_back_and_the_next_run_leaves_it_there(tenants: Tenants, returned: Tenant) -> None:
    before = returned.sql(ROWS)
    assert returned.run().state == "success"
    objects = returned.objects()
    assert returned.count() == 48
    run_id, state = run(tenants, "restore", **form(returned, dry_run=True))
    assert state == "success"
    assert returned.count() == 48
    task_id = f"restore_{DATABASE_CONNECTION}"
    report = tenants.api.xcom("restore", run_id, task_id)
    assert report["would_be_restored"] == 8
    assert "restored" not in report
    log = tenants.api.task_log("restore", run_id, task_id)
    assert "8 rows would be restored into analytics.events" in log
    assert " restored" not in log.replace("would be restored", "")
    run_id, state = run(tenants, "restore", **form(returned))
    assert state == "success"
    report = tenants.api.xcom("restore", run_id, task_id)
    assert report["restored"] == 8
    log = tenants.api.task_log("restore", run_id, task_id)
    assert re.search(r"object 8 of \d+, client=returned/", log)
    assert "rows restored into analytics.events" in log
    assert "the archive leaves them there until " in log
    assert returned.count() == 56
    assert [row for row in before if row in returned.sql(ROWS)] == returned.sql(ROWS)
    again = returned.run(logical_date=utc_now() - timedelta(hours=1))
    assert again.state == "success"
    assert returned.count() == 56
    assert returned.objects() == objects
    assert "held by a restore until" in again.log("plan")


def test_a_span_of_which_nothing_was_archived_is_skipped_and_says_what_there_is(
    tenants: Tenants, returned: Tenant
) -> None:
    run_id, state = run(
        tenants, "restore", **form(returned, start="1999-01-31T00:00:00+00:00", end="1999-02-01T00:00:00+00:00")
    )
    task_id = f"restore_{DATABASE_CONNECTION}"
    (one,) = [one for one in tenants.api.task_instances("restore", run_id) if one["task_id"] == task_id]
    assert (state, one["state"]) == ("success", "skipped")
    assert "no archived object of this table overlaps the span" in tenants.api.task_log("restore", run_id, task_id)


def test_a_table_that_the_policy_does_not_list_fails_with_the_reason(tenants: Tenants, returned: Tenant) -> None:
    run_id, state = run(tenants, "restore", **form(returned, table="analytics.nothing"))
    assert state == "failed"
    assert "Listed are analytics.events" in tenants.api.task_error("restore", run_id, "choose")


def test_a_hole_in_the_archive_fails_the_run_that_looks_for_it(tenants: Tenants, returned: Tenant) -> None:
    assert run(tenants, "verify", client=returned.name)[1] == "success"
    client = tenants.stack.s3.client()
    key = min(returned.data_objects())
    client.delete_object(Bucket=BUCKET, Key=key)
    run_id, state = run(tenants, "verify", client=returned.name)
    assert state == "failed"
    assert key in tenants.api.task_error("verify", run_id, "verify", map_index=0)
    (one,) = [one for one in tenants.api.task_instances("verify", run_id) if one["task_id"] == "verify"]
    assert (one["state"], one["rendered_map_index"]) == ("failed", "returned analytics.events, returned *")
    with pytest.raises(AirflowApiError):
        tenants.api.create_backfill("verify", utc_now(), utc_now(), max_active_runs=1)


def test_a_time_without_an_offset_is_refused_when_the_run_is_asked_for(tenants: Tenants, returned: Tenant) -> None:
    with pytest.raises(AirflowApiError, match=r"400 .*is not a 'date-time'"):
        tenants.api.trigger("restore", form(returned, start="2026-01-31T00:00:00"))
