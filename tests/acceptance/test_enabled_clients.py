"""A rehearsal never becomes the real thing: what it takes, through Airflow, until a row may leave."""

from __future__ import annotations

import pytest

from dev.waiting import wait_until
from pg_archiver.ledger.migrations import list_migrations
from tests.acceptance.conftest import HOURS, RUN_SECONDS, Tenant, Tenants
from tests.acceptance.ledgers import with_ledger

DUE = HOURS - 48
NOTE_SECONDS = 30.0


def assert_untouched(tenant: Tenant) -> None:
    assert tenant.count() == HOURS
    assert tenant.objects() == {}
    assert not tenant.has_ledger()


def note_of(tenants: Tenants, tenant: Tenant, run_id: str) -> str:
    """The note that Airflow shows with the run."""
    notes: list[str] = []

    def written() -> bool:
        notes.append(tenants.api.run(tenant.dag_id, run_id)["note"] or "")
        return bool(notes[-1])

    wait_until(written, "the note of the run", NOTE_SECONDS, 0.5)
    return notes[-1]


def test_until_somebody_enables_a_client_every_run_is_a_dry_run_and_says_so(tenants: Tenants) -> None:
    unasked = tenants["unasked"]
    run = unasked.run()
    assert run.state == "success"
    assert_untouched(unasked)
    why = "client 'unasked' is not enabled. Fix: set enabled: true"
    assert run.report["dry_run"] is True
    assert run.report["rows"] == DUE
    assert why in run.report["why_dry_run"]
    assert why in run.log("plan")
    assert why in run.log("report")
    assert "DRY RUN" in note_of(tenants, unasked, run.run_id)
    assert tenants.api.asset_events(unasked.dag_id) == []


def test_a_variable_enables_a_client_and_false_stops_it_again(tenants: Tenants) -> None:
    unasked = tenants["unasked"]
    key = "archive_enabled__unasked"
    tenants.api.set_variable(key, "yes")
    refused = unasked.run()
    assert refused.state == "failed"
    assert f"Airflow Variable {key} is 'yes', which is neither true nor false" in refused.log("plan")
    tenants.api.set_variable(key, "false")
    assert unasked.run().report["dry_run"] is True
    assert_untouched(unasked)
    tenants.api.set_variable(key, "true")
    run = unasked.run()
    assert run.state == "success"
    assert run.report["dry_run"] is False
    assert unasked.count() == 48
    assert f"{DUE} rows left" in note_of(tenants, unasked, run.run_id)


def test_a_variable_for_a_client_whose_name_is_all_but_this_one_refuses(tenants: Tenants) -> None:
    tenants.api.set_variable("archive_enabled__Rehearsed", "false")
    run = tenants["rehearsed"].run(dry_run=True)
    tenants.api.delete_variable("archive_enabled__Rehearsed")
    assert run.state == "failed"
    assert "archive_enabled__Rehearsed names no client" in run.log("plan")


@pytest.mark.rare
@pytest.mark.more
def test_clients_of_a_former_version_that_had_deleted_go_on_and_are_told(tenants: Tenants) -> None:
    grandfathered = tenants["grandfathered"]
    grandfathered.sql("CREATE SCHEMA archiver")
    for number, path in list_migrations():
        if 1 < number < 12:
            grandfathered.sql(path.read_text(encoding="utf-8").replace("%", "%%"))
            grandfathered.sql("INSERT INTO archiver.migrations (number, name) VALUES (%s, %s)", number, path.stem)
    grandfathered.sql(
        """
        INSERT INTO archiver.windows (
            client, table_schema, table_name, cell_start, cell_end, generation, span_start, span_end, state, bucket,
            object_key, rows, manifest, deleted_upto, deleted_rows, run_id
        )
        SELECT
            'grandfathered', 'analytics', 'events', hour, hour + interval '1 hour', 1, hour, hour + interval '1 hour',
            'deleted', 'archive', 'long ago', 1, '{}', 1, 1, 'a run of long ago'
        FROM (VALUES ('2020-01-01 00:00'::timestamp)) AS past (hour)
        """
    )
    assert grandfathered.run(dry_run=True).report["dry_run"] is True
    run = grandfathered.run()
    assert run.state == "success"
    assert grandfathered.count() == 48
    assert "enabled: enabled is not set, but rows of this client had left" in run.log("report")
    assert grandfathered.sql("SELECT client FROM archiver.enabled_before") == [("grandfathered",)]


def test_a_client_that_is_disabled_while_its_run_is_on_loses_no_more_rows(tenants: Tenants) -> None:
    client = tenants["switched-off"]
    # The export's word to the ledger takes a while, so that there is time before the delete.
    with_ledger(client, "BEFORE UPDATE", "PERFORM pg_sleep(2); RETURN NEW;", "NEW.state = 'exported'")
    run_id = client.start()
    wait_until(lambda: bool(client.data_objects()), "an object", RUN_SECONDS)
    tenants.api.set_variable("archive_enabled__switched-off", "false")
    run = client.wait(run_id)
    exported = run.tasks("window.export")
    assert all(" to " in one["rendered_map_index"] for one in exported if one["map_index"] >= 0), "each has its label"
    tenants.api.delete_variable("archive_enabled__switched-off")
    assert run.state == "failed"
    assert client.count() == HOURS
    (log,) = {run.log("window.delete", index).count("may no longer leave") > 0 for index in range(4)}
    assert log
    assert {task["try_number"] for task in run.tasks("window.delete")} == {1}
    client.sql("DROP TRIGGER for_the_test ON archiver.windows")
    assert client.run().state == "success"
    assert client.count() == 48


@pytest.mark.more
def test_n_that_airflow_cannot_read_is_not_taken_for_one_that_is_not_set(tenants: Tenants) -> None:
    client = tenants["locked-away"]
    key = "archive_keep_days__locked-away"
    with tenants.stack.postgres.connect("airflow") as metadata:
        metadata.execute(
            "INSERT INTO variable (key, val, is_encrypted) VALUES (%s, 'of another Fernet key', true)", [key]
        )
    run_id = client.start()

    def waits_for_a_retry() -> bool:
        found = tenants.api.task_instances(client.dag_id, run_id)
        return any(one["state"] == "up_for_retry" for one in found)

    wait_until(waits_for_a_retry, "the plan to fail", RUN_SECONDS, 0.5)
    error = tenants.api.task_error(client.dag_id, run_id, "analytics-events.plan", 1)
    assert error.startswith("Interrupted")
    assert f"Airflow Variable {key} is set, and its value could not be read" in error
    assert client.count() == HOURS
    tenants.api.delete_variable(key)
    tenants.api.set_variable(key, "-1")
    assert client.wait(run_id).state == "success"
    assert client.count() == HOURS


@pytest.mark.rare
@pytest.mark.more
def test_a_policy_may_want_the_clients_own_variable(tenants: Tenants) -> None:
    client = tenants["by-variable"]
    refused = client.run()
    assert refused.state == "failed"
    assert "'variable', and there is no Airflow Variable archive_keep_days__by-variable" in refused.log("plan")
    assert client.run(keep_days=-1).state == "success"
    tenants.api.set_variable("archive_keep_days__by-variable", "1")
    assert client.run().state == "success"
    assert client.count() == 24


def test_a_run_that_names_what_the_form_does_not_have_is_refused(tenants: Tenants) -> None:
    run = tenants["rehearsed"].run(dryrun=True)
    assert run.state == "failed"
    assert "'dryrun'" in run.log("plan")
    assert tenants["rehearsed"].count() == HOURS
