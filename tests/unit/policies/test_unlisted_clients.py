"""Databases that no client of the policy file stands for go by the instance and their own name, and by no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.domain.tables import TableName
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.policies.settings import parse_table, write_table
from pg_archiver.policies.table_jobs import Tenant, name_database
from pg_archiver.policies.unlisted_clients import (
    choose_databases,
    find_file_job,
    find_instance,
    make_unlisted_client,
    name_every_database,
    split_database_name,
)
from pg_archiver.policies.yaml_file import Client, Policies

TABLE = TableName("app", "events")
ARCHIVES = Job.from_file(
    {
        "name": "old",
        "action": "archive",
        "table": "app.events",
        "keep_days": 3,
        "bucket": "elsewhere",
        "schedule": "@daily",
    },
    "the test",
)
DELETES = Job.from_file(
    {"name": "older", "action": "delete", "table": "app.logins", "keep_days": 3, "schedule": "@daily"}, "the test"
)
INSTANCE = InstanceJobs(
    "rds.main",
    JobsSettings.model_validate({"database": "postgres", "actions": ["archive", "delete"]}),
    ("tenant_*",),
    file_jobs={"acme": (ARCHIVES, DELETES)},
    tenants={"acme": (Tenant("acme", {"bucket": "of-acme"}),)},
    defaults={"bucket": "common", "aws_conn_id": "aws_other"},
)
ACME = Client("acme", "rds.main", "acme", (), settings={"bucket": "of-acme"})
POLICIES = Policies("the test", (ACME,), {}, jobs={"rds.main": INSTANCE})


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_name_tells_its_instance_and_database_again(conn_id: str, database: str) -> None:
    assert split_database_name(name_database(conn_id, database)) == (conn_id, database)


@pytest.mark.parametrize("name", ["", "acme", ".", "a.", ".b", "a.b.c", "a.%62", "a.b%2e", "rds%2Emain"])
def test_another_name_tells_none(name: str) -> None:
    found = split_database_name(name)
    assert found is None or "" in found
    assert make_unlisted_client(POLICIES, name) is None


def test_a_database_of_an_instance_with_jobs_has_what_the_file_says_for_all_tables_there() -> None:
    client = make_unlisted_client(POLICIES, "rds%2Emain.tenant_5")
    assert client
    assert (client.conn_id, client.database, client.tables, client.enabled) == ("rds.main", "tenant_5", (), None)
    assert (client.settings["bucket"], client.aws_conn_id, client.one_session_proxy) == ("common", "aws_other", False)
    proxied = replace(POLICIES, clients=(replace(ACME, one_session_proxy=True),))
    found = make_unlisted_client(proxied, "rds%2Emain.tenant_5")
    assert found
    assert found.one_session_proxy
    assert make_unlisted_client(POLICIES, "rds_other.tenant_5") is None


def test_all_databases_of_an_instance_have_one_name() -> None:
    name = name_every_database("rds.main")
    assert find_instance(POLICIES, name) is INSTANCE
    assert find_instance(POLICIES, "rds%2Emain.acme") is None
    assert make_unlisted_client(POLICIES, name) is None
    assert choose_databases(INSTANCE, ["acme", "other", "postgres", "tenant_1"]) == ["acme", "postgres", "tenant_1"]


def test_a_job_of_the_file_says_where_its_rows_went() -> None:
    found = find_file_job(POLICIES, ACME, TABLE)
    assert found
    assert found.bucket == "elsewhere"
    assert find_file_job(POLICIES, ACME, TableName("app", "logins")) is None
    assert find_file_job(POLICIES, replace(ACME, conn_id="rds_other"), TABLE) is None
    assert find_file_job(POLICIES, replace(ACME, name="other"), TABLE) is None


@pytest.mark.parametrize("table", [TABLE, TableName("a.b", 'c"d'), TableName("A b", "c"), TableName('"', ".")])
def test_a_name_of_a_table_is_written_as_it_is_read(table: TableName) -> None:
    assert parse_table(write_table(table)) == table
