"""Maintenance through Airflow's own scheduler: the disk is given back after an archive."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dev.airflow_session import AirflowApiError
from dev.stack import DATABASE_CONNECTION
from tests.acceptance.conftest import RUN_SECONDS, Tenant, Tenants, utc_now

DAG = "maintenance"
GROUP = f"on_{DATABASE_CONNECTION}"
MORE = """
    INSERT INTO analytics.events (triggered_at, name)
    SELECT now() AT TIME ZONE 'UTC' - make_interval(hours => 50), repeat(md5(number::text), 20)
    FROM generate_series(1, 5000) AS number
"""
# The newest rows are the last in the file, so that VACUUM cannot cut off its end.
TO_THE_END = "UPDATE analytics.events SET name = 'event ' || id WHERE id <= 60"
SIZE = "SELECT pg_total_relation_size('analytics.events')"
CONTENT = "SELECT md5(string_agg(e::text, ' ' ORDER BY id)) FROM analytics.events AS e"


def start(tenants: Tenants, tenant: Tenant, **fields: object) -> str:
    return tenants.api.trigger(DAG, {"clients": [tenant.name], **fields})


def run(tenants: Tenants, tenant: Tenant, **fields: object) -> tuple[str, str]:
    run_id = start(tenants, tenant, **fields)
    return run_id, tenants.api.wait_for_run(DAG, run_id, RUN_SECONDS)


def said(tenants: Tenants, run_id: str, step: str) -> Any:
    return tenants.api.xcom(DAG, run_id, f"{GROUP}.{step}", map_index=0)


def size(tenant: Tenant) -> int:
    return int(tenant.sql(SIZE)[0][0])


@pytest.fixture(scope="module")
def maintained(tenants: Tenants) -> Tenants:
    """The tenants, with the DAG of this module unpaused."""
    tenants.stack.airflow.wait_for_dags([DAG])
    tenants.api.unpause(DAG)
    return tenants


def test_the_disk_is_given_back_after_an_archive(maintained: Tenants) -> None:
    tenant = maintained["bloated"]
    tenant.sql(MORE)
    tenant.sql(TO_THE_END)
    tenant.sql("DROP INDEX analytics.events_triggered_at_idx")
    full = size(tenant)
    archived = tenant.run()
    assert archived.state == "success"
    assert tenant.count() == 48
    assert size(tenant) >= full
    content = tenant.sql(CONTENT)
    run_id, state = run(maintained, tenant, dry_run=True)
    assert state == "success"
    assert size(tenant) >= full
    run_id, state = run(maintained, tenant)
    assert state == "success"
    assert said(maintained, run_id, "reclaim").startswith("vacuum_full: ")
    assert said(maintained, run_id, "report")["given_back"] > 0
    assert tenant.sql(CONTENT) == content
    tenant.sql("CREATE TABLE fresh (LIKE analytics.events INCLUDING ALL)")
    tenant.sql("INSERT INTO fresh SELECT * FROM analytics.events")
    tenant.sql("VACUUM fresh")
    assert size(tenant) <= 1.1 * tenant.sql("SELECT pg_total_relation_size('fresh')")[0][0]
    assert tenant.sql(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'analytics.events_triggered_at_archiver'::regclass"
    ) == [(True,)]
    assert "maintenance is due: about" in archived.log("report")
    again = tenant.run(logical_date=utc_now())
    assert again.state == "success"
    assert "no valid index begins with" not in again.log("plan") + again.log("report")
    assert {one[0] for one in tenant.sql("SELECT state FROM archiver.maintenance")} <= {"done", "skipped"}
    (event,) = maintained.api.asset_events(DAG, run_id)
    assert event["extra"]["client"] == tenant.name


def answered(tenants: Tenants, run_id: str, option: str) -> None:
    """Answers when the task waits; an answer that comes while it is still about to wait would be lost."""
    deadline = time.monotonic() + RUN_SECONDS
    task_id = f"{GROUP}.approve"
    while not any(
        one["task_id"] == task_id and one["state"] == "awaiting_input"
        for one in tenants.api.task_instances(DAG, run_id)
    ):
        assert time.monotonic() < deadline, "nobody was asked"
        time.sleep(0.5)
    # The scheduler must have noted that the process of the task ended: to one that is queued again by then, it is one
    # that broke off, and Airflow asks once more in its next try. No person is as quick as that.
    time.sleep(3)
    tenants.api.answer(DAG, run_id, task_id, 0, option)


def test_a_person_is_asked_first_where_the_policy_says_so(maintained: Tenants) -> None:
    tenant = maintained["asked"]
    tenant.sql(MORE)
    tenant.sql(TO_THE_END)
    tenant.sql("DELETE FROM analytics.events WHERE id > 60")
    full = size(tenant)
    for option in ("Reject", "Approve"):
        assert size(tenant) >= full
        run_id = start(maintained, tenant, actions=["reclaim"])
        answered(maintained, run_id, option)
        assert maintained.api.wait_for_run(DAG, run_id, RUN_SECONDS) == "success"
    assert size(tenant) < full / 10


def test_the_online_way_needs_no_approval(maintained: Tenants) -> None:
    tenant = maintained["asked"]
    tenant.sql(MORE)
    tenant.sql("DELETE FROM analytics.events WHERE id > 60 AND id % 20 <> 0")
    full, content = size(tenant), tenant.sql(CONTENT)
    run_id, state = run(maintained, tenant, actions=["vacuum", "reclaim"], strategy="compact")
    assert state == "success"
    assert said(maintained, run_id, "reclaim").startswith("compact: ")
    assert size(tenant) < full / 2
    assert tenant.sql(CONTENT) == content


def test_backfills_are_refused(maintained: Tenants) -> None:
    with pytest.raises(AirflowApiError):
        maintained.api.create_backfill(DAG, utc_now(), utc_now(), max_active_runs=1)
