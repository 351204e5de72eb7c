"""Names of ours: valid for Airflow, plain ones unchanged, and never two of theirs under one of ours."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pg_archiver.airflow.airflow_ids import (
    add_name_prefix,
    client_id,
    dag_id,
    group_id,
    keep_days_variable,
    maintenance_pool_name,
    pool_name,
)
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import SettingError
from pg_archiver.objects.object_keys import key_segment

# What trips escapes up, among all the rest.
CHARACTERS = st.one_of(
    st.sampled_from(list(".xX-_/%{} \"'\\AF209ü☃🐘\n")),
    st.characters(exclude_categories=["Cs"]),
)
NAMES = st.text(CHARACTERS, min_size=1, max_size=63)
LONG_NAMES = st.text(CHARACTERS, min_size=1, max_size=300)
TABLES = st.builds(TableName, NAMES, NAMES)
PLAIN = st.text(st.sampled_from(list("abcxyzABC019_-")), min_size=1, max_size=63)
DAG_ID = re.compile(r"^[\w.-]+$")
GROUP_ID = re.compile(r"^[\w-]+$")


@given(LONG_NAMES, LONG_NAMES)
@example("a.x2Fb", "a/b")
@example(".x", "..x")
@example("a.", "a.x2E")
@example("a b", "a.x20b")
@example(".x2Ex", "..x")
def test_two_clients_never_share_an_id(one: str, other: str) -> None:
    assume(one != other)
    assert client_id(one) != client_id(other)
    assert dag_id(one) != dag_id(other)
    assert keep_days_variable(one) != keep_days_variable(other)


def test_a_name_cannot_pose_as_the_shortened_id_of_another() -> None:
    shortened = client_id(" " * 63)
    posing = " " * shortened.count(".x20") + shortened.rpartition(".x20")[2]
    assert posing != " " * 63
    assert client_id(posing) != shortened


@given(TABLES, TABLES)
@example(TableName("a", "b-c"), TableName("a-b", "c"))
@example(TableName("a-", "b"), TableName("a", "-b"))
@example(TableName("a.b", "c"), TableName("a", "b.c"))
@example(TableName("a", "-2E"), TableName("a.", "b"))
def test_two_tables_never_share_a_group(one: TableName, other: TableName) -> None:
    assume(one != other)
    assert group_id(one) != group_id(other)


@given(LONG_NAMES)
def test_every_id_is_one_that_airflow_takes(client: str) -> None:
    assert DAG_ID.fullmatch(dag_id(client))
    assert len(dag_id(client)) <= 250
    assert len(keep_days_variable(client)) <= 250
    assert DAG_ID.fullmatch(keep_days_variable(client))


@given(TABLES)
def test_every_group_is_one_that_airflow_takes(table: TableName) -> None:
    assert GROUP_ID.fullmatch(group_id(table))
    assert len(group_id(table)) <= 200


@given(PLAIN)
def test_plain_names_stay_as_they_are(name: str) -> None:
    assert client_id(name) == name
    assert dag_id(name) == f"archive__{name}"
    assert keep_days_variable(name) == f"archive_keep_days__{name}"


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("acme", "acme"),
        ("acme.example", "acme.example"),
        ("Ünïcode", "Ünïcode"),
        ("a b", "a.x20b"),
        ("a/b", "a.x2Fb"),
        ("a.xb", "a.x2Exb"),
        ("☃", ".xE2.x98.x83"),
    ],
)
def test_ids_look_as_documented(client: str, expected: str) -> None:
    assert client_id(client) == expected


def test_groups_look_as_documented() -> None:
    assert group_id(TableName("analytics", "events")) == "analytics-events"
    assert group_id(TableName("my.schema", "a b")) == "my--2Eschema-a--20b"


@given(LONG_NAMES)
def test_a_key_segment_holds_no_slash_and_can_be_decoded(name: str) -> None:
    segment = key_segment(name)
    assert unquote(segment) == name
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", segment)


def test_a_pool_is_named_after_its_connection() -> None:
    assert pool_name("postgres_eu") == "archive_postgres_eu"


def test_a_prefix_sets_dags_and_pools_apart_and_leaves_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVER_NAME_PREFIX", "ours.")
    names = [add_name_prefix("verify"), dag_id("acme"), pool_name("rds"), maintenance_pool_name("rds")]
    assert names == ["ours.verify", "ours.archive__acme", "ours.archive_rds", "ours.maintenance_rds"]
    assert keep_days_variable("acme") == "archive_keep_days__acme"


@pytest.mark.parametrize("prefix", ["a b", "ä", "x" * 61, "a/", "a\n"])
def test_a_prefix_that_airflow_would_not_take_is_refused_by_name(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVER_NAME_PREFIX", prefix)
    with pytest.raises(SettingError, match=r"ARCHIVER_NAME_PREFIX is .*No DAG was made"):
        add_name_prefix("verify")
