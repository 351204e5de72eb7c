"""How many versions of a table stay is said as a whole, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.versions import Floor, KeepVersions
from pg_archiver.errors import PolicyError, SettingError
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings
from pg_archiver.policies.table_jobs import TableJob
from pg_archiver.policies.versions import parse_floor
from pg_archiver.policies.work_orders import make_order
from pg_archiver.policies.yaml_file import load

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


def test_versions_are_archived_by_the_time_that_the_file_names() -> None:
    archived = found("archive", timestamp_column=None)
    assert archived.versions == KeepVersions(3, ("id",), "version")
    assert archived.policy.timestamp_column == "at"
    order = make_order("acme", archived.policy, "run", dry_run=False)
    assert order.versions == archived.versions


@pytest.mark.parametrize("setting", ["keep_versions", "up_to_version"])
def test_versions_without_a_time_are_not_archived_and_both_ways_out_are_named(setting: str) -> None:
    untimed = replace(WHOLE, defaults={"bucket": "common"})
    config = {**DOCS, "keep_versions": None, setting: 3}
    row = {"job_name": "docs", "action": "archive", "config": config, "cron_schedule": "0 * * * *"}
    both = r"Fix: set timestamp_column to a column of type date or timestamp, or let a job of action delete"
    with pytest.raises(PolicyError, match=both):
        untimed.find_table(Job.from_row(row), "acme", from_file=False)


@pytest.mark.parametrize("case", [case for case in BAD if case != "days without a time"])
def test_what_is_no_condition_is_refused_for_an_archive_too(case: str) -> None:
    changes, said = BAD[case]
    with pytest.raises(PolicyError) as refused:
        found("archive", **changes)
    assert said in str(refused.value)


def test_a_window_of_versions_is_a_year_unless_the_table_says_otherwise() -> None:
    wide = replace(WHOLE, defaults={"bucket": "common", "timestamp_column": "at", "window_hours": 24})
    for own, hours in (({}, 8784), ({"window_hours": 720}, 720)):
        row = {"job_name": "docs", "action": "archive", "config": DOCS | own, "cron_schedule": "0 * * * *"}
        assert wide.find_table(Job.from_row(row), "acme", from_file=False).policy.window_hours == hours
    with pytest.raises(PolicyError, match="window_hours: "):
        found("archive", window_hours=8785)


def test_other_tables_have_windows_of_a_week_at_most() -> None:
    age_alone = {"keep_versions": None, "key_columns": None, "version_column": None}
    assert found("archive", **age_alone, window_hours=168).policy.window_hours == 168
    with pytest.raises(PolicyError, match=r"windows of more than 168 hours are for tables that keep versions\. Fix: "):
        found("archive", **age_alone, window_hours=169)
    assert found("archive", **age_alone).policy.window_hours == 1


def test_a_table_of_the_file_keeps_versions(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    table = (
        "{table: app.docs, timestamp_column: at, keep_days: 0, keep_versions: 3, key_columns: [id], version_column: v}"
    )
    file.write_text(
        "defaults: {bucket: common, window_hours: 24}\n"
        "instances: [{conn_id: rds, clients: [{name: acme, tables: ["
        f"{table}, {{table: app.events}}, {{table: app.notes, children: [app.notes]}}]}}]}}]"
    )
    docs, events, _ = load(file).clients[0].tables
    assert (docs.window_hours, events.window_hours) == (8784, 24)
    assert make_order("acme", docs, "run", dry_run=False).versions == KeepVersions(3, ("id",), "v")
    assert make_order("acme", events, "run", dry_run=False).versions is None
    file.write_text(file.read_text().replace("version_column: v}", "version_column: v, children: [app.docs]}"))
    assert "it cannot be told which of them goes first" in load(file).broken["acme"]


def test_a_floor_is_named_as_the_catalog_holds_it() -> None:
    assert parse_floor('"a""b"."c.d"."E"') == Floor(TableName('a"b', "c.d"), "E")
    assert str(parse_floor("a.b.c")) == "a.b.c"
