"""Maintenance through Airflow's own scheduler: the disk is given back after an archive."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from dev.airflow_environment import METADATA_DATABASE
from dev.airflow_session import AirflowApiError
from dev.stack import DATABASE_CONNECTION
from tests.acceptance import settings
from tests.acceptance.conftest import RUN_SECONDS, Tenant, Tenants, utc_now

pytestmark = pytest.mark.more

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
    would = {step: said(maintained, run_id, step) for step in ("index", "vacuum", "reclaim")}
    assert would["index"].startswith("dry run: would build events_triggered_at_archiver")
    assert would["vacuum"].startswith("dry run: VACUUM would look at ")
    assert would["reclaim"].startswith("dry run: vacuum_full: ")
    assert "; would give back about " in would["reclaim"]
    log = maintained.api.task_log(DAG, run_id, f"{GROUP}.report", map_index=0)
    assert all(f"{step}: {words}" in log for step, words in would.items())
    assert said(maintained, run_id, "report")["dry_run"] is True
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


def wait_until_asked(tenants: Tenants, run_id: str) -> dict[str, Any]:
    """The task that waits for a person; an answer that comes while it is still about to wait would be lost."""
    deadline = time.monotonic() + RUN_SECONDS
    while not (asking := [one for one in instances(tenants, run_id, "approve") if one["state"] == "awaiting_input"]):
        assert time.monotonic() < deadline, f"nobody was asked: {tenants.api.task_states(DAG, run_id)}"
        time.sleep(0.5)
    # The scheduler must have noted that the process of the task ended: to one that is queued again by then, it is one
    # that broke off, and Airflow asks once more in its next try. No person is as quick as that.
    time.sleep(3)
    return asking[0]


def instances(tenants: Tenants, run_id: str, step: str, group: str = GROUP) -> list[dict[str, Any]]:
    return [one for one in tenants.api.task_instances(DAG, run_id) if one["task_id"] == f"{group}.{step}"]


def state_of(tenants: Tenants, run_id: str, step: str) -> str:
    (one,) = instances(tenants, run_id, step)
    return str(one["state"])


def reclaims(tenant: Tenant) -> list[Any]:
    """What the ledger holds of reclaims, each with its state and note."""
    return tenant.sql("SELECT state, note FROM archiver.maintenance WHERE action = 'reclaim' ORDER BY id")


@pytest.mark.rare
def test_a_person_is_asked_first_where_the_policy_says_so(maintained: Tenants) -> None:
    tenant = maintained["asked"]
    tenant.sql(MORE)
    tenant.sql(TO_THE_END)
    tenant.sql("DELETE FROM analytics.events WHERE id > 60")
    # Without it what could be given back is not known until autovacuum has come by, and nobody is asked.
    tenant.sql("ANALYZE analytics.events")
    full = size(tenant)

    rejected = start(maintained, tenant, actions=["reclaim"])
    asking = wait_until_asked(maintained, rejected)
    assert asking["rendered_map_index"] == "asked analytics.events"
    asked = maintained.api.question(DAG, rejected, f"{GROUP}.approve", 0)
    assert asked["subject"] == "Rewrite analytics.events of asked (vacuum_full)?"
    for words in (
        "nobody can read or write the table until it ends",
        "about 1 minute",
        "**Disk**: it needs ",
        "are free (the file system of /",
        "UTC, 12 hours from now",
        "or nobody answers, the table stays as it is",
    ):
        assert words in asked["body"]
    maintained.api.answer(DAG, rejected, f"{GROUP}.approve", 0, "Reject")
    assert maintained.api.wait_for_run(DAG, rejected, RUN_SECONDS) == "success"
    assert size(tenant) >= full
    assert state_of(maintained, rejected, "reclaim") == "skipped"
    assert state_of(maintained, rejected, "report") == "success"
    ((state, note),) = reclaims(tenant)
    assert state == "skipped"
    assert re.fullmatch(r"rejected by \S+ at \d{4}-\d\d-\d\d \d\d:\d\d UTC", note)
    (told,) = said(maintained, rejected, "report")["actions"]
    assert told.startswith("reclaim: skipped; ")
    assert told.endswith(note)
    log = maintained.api.task_log(DAG, rejected, f"{GROUP}.report", map_index=0)
    assert f"reclaim: skipped: {note}" in log

    unanswered = start(maintained, tenant, actions=["reclaim"])
    wait_until_asked(maintained, unanswered)
    with maintained.stack.postgres.connect(METADATA_DATABASE) as metadata:
        metadata.execute("UPDATE task_instance SET trigger_timeout = now() WHERE state = 'awaiting_input'")
    assert maintained.api.wait_for_run(DAG, unanswered, RUN_SECONDS) == "success"
    assert size(tenant) >= full
    assert state_of(maintained, unanswered, "reclaim") == "skipped"
    assert reclaims(tenant)[1:] == [("skipped", "nobody answered within 12 hours")]

    approved = start(maintained, tenant, actions=["reclaim"])
    wait_until_asked(maintained, approved)
    maintained.api.answer(DAG, approved, f"{GROUP}.approve", 0, "Approve")
    assert maintained.api.wait_for_run(DAG, approved, RUN_SECONDS) == "success"
    assert size(tenant) < full / 10
    assert [state for state, _ in reclaims(tenant)] == ["skipped", "skipped", "done"]


def test_a_task_that_failed_is_called_after_its_table(maintained: Tenants) -> None:
    run_id, state = run(maintained, maintained["locked-out"])
    assert state == "failed"
    (failed,) = instances(maintained, run_id, "inspect", f"on_{settings.WRONG_PASSWORD}")
    assert (failed["state"], failed["rendered_map_index"]) == ("failed", "locked-out analytics.events")


def test_a_misspelt_parameter_is_refused_before_anything_is_done(maintained: Tenants) -> None:
    run_id, state = run(maintained, maintained["bloated"], dryrun=True)
    assert state == "failed"
    error = maintained.api.task_error(DAG, run_id, f"choose_{DATABASE_CONNECTION}")
    assert "'dryrun', which is not a parameter of DAG maintenance; did you mean 'dry_run'?" in error


@pytest.mark.rare
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
