"""How many versions a job keeps is said as a whole, by a job that deletes, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import PolicyError, SettingError
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.policies.table_jobs import TableJob
from pg_archiver.policies.versions import Floor, KeepVersions, parse_floor

WHOLE = InstanceJobs(
    "rds_main",
    JobsSettings.model_validate({"database": "postgres", "actions": ["archive", "delete"], "min_keep_days": 0}),
    ("acme",),
    defaults={"bucket": "common", "timestamp_column": "at"},
)
DOCS = {"table": "app.docs", "keep_days": 0, "keep_versions": 3, "key_columns": ["id"], "version_column": "version"}


def found(action: str = "delete", **config: Any) -> TableJob:
    given = {name: value for name, value in {**DOCS, **config}.items() if value is not None}
    row = {"job_name": "docs", "action": action, "config": given, "cron_schedule": "0 * * * *"}
    return WHOLE.find_table(Job.from_row(row), "acme", from_file=False)


def test_a_job_that_names_no_time_goes_by_versions_alone() -> None:
    assert found().versions == KeepVersions(3, ("id",), "version", timed=False)
    timed = found(timestamp_column="at", keep_days=5, up_to_version=7, floors=['app."the.consumers".position']).versions
    floor = Floor(TableName("app", "the.consumers"), "position")
    assert timed == KeepVersions(3, ("id",), "version", "7", (floor,), timed=True)


def test_a_bound_alone_keeps_no_newest() -> None:
    assert found(keep_versions=None, up_to_version=7).versions == KeepVersions(0, ("id",), "version", "7", timed=False)


def test_without_any_of_it_age_alone_decides() -> None:
    assert found(keep_versions=None, key_columns=None, version_column=None).versions is None


def test_a_form_asks_for_no_days_of_versions_without_a_time() -> None:
    with pytest.raises(SettingError, match=r"no timestamp_column of the job says how old a version is.*Fix: "):
        found().raise_keep_days(5, "the run's parameter keep_days")
    assert found().raise_keep_days(-1, "the run's parameter keep_days").keep.everything
    assert found(timestamp_column="at").raise_keep_days(5, "the form").keep.days == 5


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "0": ({"keep_versions": 0}, "keep_versions: "),
    "negative": ({"keep_versions": -1}, "keep_versions: "),
    "too many": ({"keep_versions": 10_001}, "keep_versions: "),
    "true": ({"keep_versions": True}, "keep_versions: "),
    "text": ({"keep_versions": "3"}, "keep_versions: "),
    "neither": ({"keep_versions": None}, "so nothing says which versions stay"),
    "floors alone": (
        {"keep_versions": None, "key_columns": None, "version_column": None, "floors": ["a.b.c"]},
        "so nothing says which versions stay",
    ),
    "no key": ({"key_columns": None}, "key_columns is not set"),
    "empty key": ({"key_columns": []}, "key_columns is not set"),
    "no version": ({"version_column": None}, "version_column is not set"),
    "key is version": ({"key_columns": ["version"]}, "is named twice"),
    "a key of one text": ({"key_columns": "id"}, "key_columns: "),
    "a fraction": ({"up_to_version": 1.5}, "up_to_version: "),
    "a floor of two parts": ({"floors": ["app.position"]}, "is not schema.table.column"),
    "a floor of a number": ({"floors": [5]}, "is not schema.table.column"),
    "days without a time": ({"keep_days": 2}, "no timestamp_column says how old a version is"),
    "its own child": ({"children": ["app.docs"]}, "it cannot be told which of them goes first"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_condition_is_refused(case: str) -> None:
    changes, said = BAD[case]
    with pytest.raises(PolicyError) as refused:
        found(**changes)
    assert said in str(refused.value)
    assert "job 'docs'" in str(refused.value)


@pytest.mark.parametrize("setting", ["keep_versions", "up_to_version"])
def test_what_is_archived_keeps_no_versions(setting: str) -> None:
    with pytest.raises(PolicyError, match=r"go by their age alone in this version.*let a job of action delete"):
        found("archive", **{"keep_versions": None, setting: 3})


def test_a_floor_is_named_as_the_catalog_holds_it() -> None:
    assert parse_floor('"a""b"."c.d"."E"') == Floor(TableName('a"b', "c.d"), "E")
    assert str(parse_floor("a.b.c")) == "a.b.c"
