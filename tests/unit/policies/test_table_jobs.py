"""What a job archives or deletes from: by its own settings, and by what the reviewed file says of its database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import PolicyError, SettingError
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.policies.table_jobs import TableJob, Tenant, name_database

EVENTS = {"table": "app.events", "keep_days": 30}
ACME = Tenant("acme inc", {"bucket": "of-acme", "prefix": "a", "keep_days": 1, "schedule": None}, enabled=None)
WHOLE = InstanceJobs(
    "rds_main",
    JobsSettings.model_validate({"database": "postgres", "actions": ["archive", "delete"], "min_keep_days": 2}),
    ("acme", "other"),
    tenants={"acme": (ACME,)},
    defaults={"bucket": "common", "keep_days": 0, "timestamp_column": "at", "window_hours": 24},
    client_names=frozenset({"acme inc", "rds_main.taken"}),
)


def job(action: str = "archive", config: Any = None) -> Job:
    return Job.from_row(
        {
            "job_name": "old events",
            "action": action,
            "config": EVENTS if config is None else config,
            "cron_schedule": "0 * * * *",
        }
    )


def found(
    database: str = "other", instance: InstanceJobs = WHOLE, *, from_file: bool = False, **config: Any
) -> TableJob:
    return instance.find_table(job(config=EVENTS | config), database, from_file=from_file)


def refused(words: list[str], *arguments: Any, **config: Any) -> None:
    with pytest.raises(PolicyError) as caught:
        found(*arguments, **config)
    assert [word for word in [*words, "job 'old events'", "Fix: "] if word not in str(caught.value)] == []


def test_of_a_database_that_the_file_does_not_know_the_instance_tells_where_rows_go() -> None:
    table = found()
    assert (table.client, table.tenants, table.database) == ("rds_main.other", (), "other")
    assert (table.policy.bucket, table.policy.timestamp_column, table.policy.window_hours) == ("common", "at", 24)
    assert (table.keep.days, table.table) == (30, TableName("app", "events"))


def test_of_a_clients_database_the_client_tells_it() -> None:
    table = found("acme")
    assert (table.client, table.tenants, table.policy.bucket, table.policy.prefix) == (
        "acme inc",
        ("acme inc",),
        "of-acme",
        "a",
    )


def test_n_is_the_jobs_own_and_never_that_of_the_file_or_a_default() -> None:
    assert found("acme").keep.days == 30
    without = {"table": "app.events"}
    with pytest.raises(PolicyError, match="keep_days is missing"):
        WHOLE.find_table(job(config=without), "acme", from_file=False)
    refused(["not a number of days"], keep_days="variable")
    refused(["not a number of days"], keep_days=-2)
    refused(["not a number of days"], keep_days=1.5)
    refused(["not a number of days"], keep_days=None)


@pytest.mark.parametrize(
    "setting",
    ["bucket", "prefix", "kms_key_id", "bucket_owner", "aws_conn_id", "acl", "tags", "storage_class", "encryption"],
)
def test_a_row_never_says_where_rows_go(setting: str) -> None:
    refused([f"{setting}: a row of a table may not say where rows go"], **{setting: "mine"})


@pytest.mark.parametrize("setting", ["conn_id", "pool", "enabled", "schedule", "keep_version", "maintenance_window"])
def test_a_row_says_nothing_that_is_not_of_a_table(setting: str) -> None:
    refused([f"{setting}: no such setting of a job's table"], **{setting: 1})


def test_a_job_of_the_file_may_say_where_its_rows_go() -> None:
    assert found(from_file=True, bucket="special").policy.bucket == "special"
    raw = {"name": "x", "action": "archive", "bucket": "special", "schedule": "@daily", **EVENTS}
    assert Job.from_file(raw, "").config == {"bucket": "special", **EVENTS}
    with pytest.raises(PolicyError, match="keep_days stands at the job and in its config"):
        Job.from_file({**raw, "config": {"keep_days": 3}}, "")


@pytest.mark.parametrize(
    "table",
    ["archiver.windows", "pg_catalog.pg_class", "information_schema.tables", "pg_toast.pg_toast_1", "pg_temp_3.mine"],
)
def test_tables_of_the_server_and_of_this_program_are_no_bodys_to_trim(table: str) -> None:
    refused(["belongs to ", " itself. Nothing was done"], table=table)


def test_a_table_that_the_file_archives_is_not_a_jobs_too() -> None:
    tenants = {"acme": (replace(ACME, tables=frozenset({TableName("app", "events")})),)}
    instance = replace(WHOLE, tenants=tenants)
    refused(
        ["table app.events of database acme is archived by the policy file, for client 'acme inc'"], "acme", instance
    )
    assert found("acme", instance, table="app.others").table == TableName("app", "others")


def test_a_client_that_is_not_to_lose_rows_loses_none_to_a_job() -> None:
    for enabled in (None, True):
        assert found("acme", replace(WHOLE, tenants={"acme": (replace(ACME, enabled=enabled),)}))
    stopped = replace(WHOLE, tenants={"acme": (ACME, replace(ACME, name="b", enabled=False))})
    refused(["is that of client 'b', for which the policy file says enabled: false"], "acme", stopped)


def test_while_the_file_cannot_be_read_as_a_whole_no_row_goes() -> None:
    refused(["the policy file cannot be read as a whole"], "other", replace(WHOLE, is_whole=False))


def test_a_row_that_keeps_less_than_the_instance_says_is_refused() -> None:
    refused(["it is 1, and min_keep_days of instance rds_main is 2"], keep_days=1)
    for days in (2, -1):
        assert found(keep_days=days).keep.days == days
    assert found(from_file=True, keep_days=0).keep.days == 0


def test_no_client_is_called_as_another_database_would_be() -> None:
    refused(["a client of the policy file is called 'rds_main.taken'"], "taken")
    own = replace(WHOLE, tenants={"taken": (Tenant("rds_main.taken", {"bucket": "b-1"}),)})
    assert found("taken", own).client == "rds_main.taken"


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_two_databases_of_two_instances_never_share_a_name(one: str, first: str, two: str, second: str) -> None:
    assert (name_database(one, first) == name_database(two, second)) is ((one, first) == (two, second))


def test_dots_and_percent_signs_are_written_so_that_they_are_no_border() -> None:
    assert name_database("rds.main", "a%2Eb") == "rds%2Emain.a%252Eb"


def test_what_is_deleted_needs_no_bucket() -> None:
    nowhere = replace(WHOLE, defaults={})
    assert nowhere.find_table(job("delete"), "other", from_file=False).policy.bucket is None
    with pytest.raises(PolicyError, match="bucket is not set"):
        nowhere.find_table(job(), "other", from_file=False)


def test_a_run_may_keep_more_than_its_job_and_not_less() -> None:
    table = found()
    assert table.raise_keep_days(None, "the form") == table
    assert table.raise_keep_days(30, "the form").keep.days == 30
    assert table.raise_keep_days(31, "the form").keep.days == 31
    assert table.raise_keep_days(-1, "the form").keep.everything
    with pytest.raises(SettingError, match="the form is 29, and keep_days of job 'old events' is 30"):
        table.raise_keep_days(29, "the form")
    with pytest.raises(SettingError, match="is -1"):
        found(keep_days=-1).raise_keep_days(100, "the form")
