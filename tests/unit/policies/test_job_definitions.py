"""One job, whether the file or the table says it; and what an instance lets jobs do."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.domain.schedules import Interval, Schedule
from pg_archiver.errors import PolicyError
from pg_archiver.policies.job_fields import MOST_CONFIG_BYTES
from pg_archiver.policies.jobs import COLUMNS, Job
from pg_archiver.policies.jobs_settings import InstanceJobs, JobsSettings

CREATED = datetime(2026, 6, 10, 11, 12, 13, tzinfo=UTC)
ROW: dict[str, Any] = {
    "job_id": 1000,
    "job_name": "nightly",
    "application_name": "archiver",
    "source": "table",
    "action": "call",
    "database_name": None,
    "proc_schema": "app",
    "proc_name": "rollup",
    "check_schema": None,
    "check_name": None,
    "function_name": None,
    "config": {"days": 2},
    "cron_schedule": "30 2 * * *",
    "schedule_interval": None,
    "timezone": "Europe/Berlin",
    "fixed_schedule": True,
    "initial_start": None,
    "only_if_idle": False,
    "run_window": None,
    "max_runtime": Interval(),
    "max_retries": -1,
    "retry_period": Interval(microseconds=300_000_000),
    "scheduled": True,
    "owner": "postgres",
    "created_at": CREATED,
    "updated_at": CREATED,
    "next_start": None,
}
OTHERS: dict[str, Any] = {
    "job_name": "other",
    "application_name": "other",
    "database_name": "other",
    "proc_schema": "other",
    "proc_name": "other",
    "check_schema": "app",
    "check_name": "check",
    "config": {"days": 3},
    "cron_schedule": "31 2 * * *",
    "timezone": "UTC",
    "initial_start": CREATED,
    "only_if_idle": True,
    "run_window": "01:00-05:00 UTC",
    "max_runtime": Interval(microseconds=1_000_000),
    "max_retries": 0,
    "retry_period": Interval(days=1),
    "scheduled": False,
}
FILE = {
    "name": "nightly",
    "action": "call",
    "procedure": "app.rollup",
    "config": {"days": 2},
    "schedule": "30 2 * * *",
    "timezone": "Europe/Berlin",
}


def job_of(**changes: Any) -> Job:
    return Job.from_row(ROW | changes)


def test_the_file_and_the_table_say_the_same_job() -> None:
    job = Job.from_file(FILE, "the test")
    assert job.to_row() == job_of().to_row()
    assert job.digest() == job_of().digest()
    assert job.procedure == ProcedureName("app", "rollup")


def test_a_row_comes_back_as_it_was() -> None:
    row = job_of(**{name: value for name, value in OTHERS.items() if name != "cron_schedule"}).to_row()
    assert Job.from_row(row).to_row() == row
    assert row.keys() == ROW.keys() - {"job_id", "source", "owner", "created_at", "updated_at", "next_start"}
    assert set(COLUMNS) | {"procedure", "check"} == set(Job.model_fields)


@pytest.mark.parametrize("column", sorted(OTHERS))
def test_whatever_of_the_definition_changes_changes_its_digest(column: str) -> None:
    other = {"check_schema": "app", "check_name": "check"} if column.startswith("check_") else {column: OTHERS[column]}
    assert job_of(**other).digest() != job_of().digest()


def test_an_interval_changes_the_digest_by_its_parts() -> None:
    digests = {
        job_of(cron_schedule=None, schedule_interval=interval, fixed_schedule=fixed).digest()
        for interval in (Interval(days=1), Interval(microseconds=86_400_000_000), None)
        for fixed in (True, False)
    }
    assert len(digests) == 6


@pytest.mark.parametrize("column", ["job_id", "source", "owner", "created_at", "updated_at", "next_start"])
def test_what_is_no_part_of_the_definition_leaves_its_digest_as_it_is(column: str) -> None:
    assert job_of(**{column: CREATED + timedelta(days=1)}).digest() == job_of().digest()


def test_the_order_of_a_configuration_and_the_zone_of_an_instant_do_not_matter() -> None:
    one, other = ({"config": {"a": 1, "b": {"c": 2, "d": 3}}}, {"config": {"b": {"d": 3, "c": 2}, "a": 1}})
    assert job_of(**one).digest() == job_of(**other).digest()
    elsewhere = CREATED.astimezone(timezone(timedelta(hours=5)))
    assert job_of(initial_start=CREATED).digest() == job_of(initial_start=elsewhere).digest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cron_schedule": "61 * * * *"}, ["cron_schedule: ", "out of range"]),
        (
            {"cron_schedule": None, "schedule_interval": Interval(days=-1, microseconds=172_800_000_000)},
            ["schedule_interval: ", "less than a second"],
        ),
        ({"schedule_interval": Interval(days=1)}, ["a cron schedule and an interval. Keep one of them"]),
        ({"timezone": "Mars/Base"}, ["timezone: ", "not an IANA time zone"]),
        ({"run_window": "never"}, ["run_window: ", "'never' is not a span of a day"]),
        ({"max_runtime": Interval(days=2)}, ["max_runtime: ", "more than 24h"]),
        ({"retry_period": Interval(months=13)}, ["retry_period: ", "more than a year"]),
        ({"max_retries": -2}, ["max_retries: "]),
        ({"config": ["a"]}, ["config: ", "not an object"]),
        ({"proc_name": None}, ["only one of proc_schema and proc_name is set. Fix: set both"]),
        ({"proc_schema": None, "proc_name": None}, ["the action is call, but no procedure is given"]),
        ({"initial_start": datetime(1900, 1, 1, tzinfo=UTC)}, ["initial_start: ", "1970 to 2999"]),
        ({"action": "archive"}, ["the action is archive, and a procedure is given. Set the action to call"]),
        ({"action": "function"}, ["the action is function, and a procedure is given. Set the action to call"]),
        ({"job_name": "a\nb"}, ["job_name: ", "control character"]),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_the_names_of_its_columns(
    changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(PolicyError) as caught:
        job_of(**changes)
    assert str(caught.value).startswith("job ")
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("key", ["a", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_the_largest_configuration_is_that_of_the_table(key: str) -> None:
    around = len(json.dumps({"a": ""}))
    most = (MOST_CONFIG_BYTES - around) // len(key.encode())
    assert job_of(config={"a": key * most}).config["a"] == key * most
    with pytest.raises(PolicyError, match=r"6\d,\d\d\d bytes as JSON, and 65,536 is the most") as caught:
        job_of(config={"a": key * (most + 1)})
    assert key * 10 not in str(caught.value)


def test_what_a_configuration_holds_is_in_no_message() -> None:
    for config in (["s3cret"], {"a": {1: "s3cret"}}, {"a": "s3cret\0"}, {"a": {"s3cret"}}, "s3cret"):
        with pytest.raises(PolicyError) as caught:
            job_of(config=config)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-03-01 02:30", "2026-03-01T01:30Z"),
        ("2026-03-01T02:30+05:00", "2026-02-28T21:30Z"),
        (datetime(2026, 3, 1, 2, 30), "2026-03-01T01:30Z"),  # noqa: DTZ001
        (datetime(2026, 3, 1, 2, 30, tzinfo=UTC), "2026-03-01T02:30Z"),
        (date(2026, 3, 1), "2026-02-28T23:00Z"),
        ("2026-03-29 02:30", "2026-03-29T01:30Z"),
        ("2026-10-25 02:30", "2026-10-25T01:30Z"),
    ],
)
def test_a_first_start_is_read_by_the_clocks_of_the_jobs_zone(written: object, expected: str) -> None:
    assert Job.from_file(FILE | {"initial_start": written}, "the test").initial_start == datetime.fromisoformat(
        expected
    )


def test_slots_of_an_interval_are_counted_from_the_creation_of_the_row_where_no_first_start_is_given() -> None:
    every_day = {"cron_schedule": None, "schedule_interval": Interval(days=1)}
    assert job_of(**every_day).timing == Schedule(
        interval=Interval(days=1), timezone="Europe/Berlin", initial_start=CREATED
    )
    given = CREATED + timedelta(days=3)
    assert job_of(**every_day, initial_start=given).timing.initial_start == given
    assert job_of(**every_day, fixed_schedule=False).timing.initial_start is None
    assert job_of().timing == Schedule("30 2 * * *", timezone="Europe/Berlin")
    assert Job.from_file({key: FILE[key] for key in ("name", "action", "procedure")}, "").timing == Schedule()


def test_a_run_may_take_four_hours_unless_the_job_says_otherwise() -> None:
    assert job_of().longest_run == timedelta(hours=4)
    assert job_of(max_runtime=Interval(microseconds=90_000_000)).longest_run == timedelta(seconds=90)
    assert job_of().off_hours is None
    window = job_of(run_window="01:00-05:00 Europe/Berlin").off_hours
    assert window is not None
    assert window.text == "01:00-05:00 Europe/Berlin"


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@given(
    name=TEXT, schema=TEXT, procedure=TEXT, config=st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=4)
)
def test_names_of_any_kind_are_taken_as_they_are(
    name: str, schema: str, procedure: str, config: dict[str, Any]
) -> None:
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, procedure))
    job = Job.from_file({"name": name, "action": "call", "procedure": quoted, "config": config}, "")
    assert (job.name, job.procedure, job.config) == (name, ProcedureName(schema, procedure), config)
    assert Job.from_row(job.to_row()).digest() == job.digest()


def instance(**settings: Any) -> InstanceJobs:
    given = {"database": "postgres", "actions": ["call"], "procedures_conn_id": "p"} | settings
    return InstanceJobs("rds_main", JobsSettings.model_validate(given), tuple(given.get("databases", ("acme",))))


@pytest.mark.parametrize(
    ("patterns", "schema", "name", "allowed"),
    [
        ([], "app", "rollup", False),
        (["app.*"], "app", "rollup", True),
        (["app.*"], "App", "rollup", False),
        (["app.*"], "apps", "rollup", False),
        (["app.*"], "app.evil", "x", False),
        (["app.*"], "app", "x.y", True),
        (["app.roll*"], "app", "unroll", False),
        (["*.rollup"], "any", "rollup", True),
        (['"a.b".*'], "a.b", "x", True),
        (['"a.b".*'], "a", "b.x", False),
        (["app.rollup"], "app", "rollup2", False),
        (["other.*", "app.rollup"], "app", "rollup", True),
        (["app.r[ou]llup"], "app", "rullup", True),
    ],
)
def test_a_procedure_is_allowed_by_a_pattern_for_its_schema_and_one_for_its_name(
    patterns: list[str], schema: str, name: str, allowed: bool
) -> None:
    assert instance(procedures=patterns).allows_procedure(ProcedureName(schema, name)) is allowed


@pytest.mark.parametrize(
    ("database", "source", "words"),
    [
        (None, "postgres", None),
        ("postgres", "postgres", None),
        ("acme", "postgres", None),
        ("tenant_1", "postgres", None),
        ("*", "postgres", None),
        ("globex", "postgres", ["database_name is 'globex', which is none of databases: acme, tenant_*"]),
        (None, "acme", None),
        ("acme", "acme", None),
        (
            "tenant_1",
            "acme",
            ["database_name is 'tenant_1', but rows in acme may speak of acme alone", "set it to NULL"],
        ),
        ("*", "acme", ["may speak of acme alone"]),
        ("postgres", "acme", ["may speak of acme alone"]),
    ],
)
def test_which_databases_a_row_may_speak_of(database: str | None, source: str, words: list[str] | None) -> None:
    found = instance(databases=["acme", "tenant_*"]).say_why_refused(job_of(database_name=database), source)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert [word for word in [*words, "job 'nightly'", "Nothing was run. Fix: "] if word not in found] == []


def test_an_action_that_the_instance_does_not_allow_is_refused_wherever_the_row_is() -> None:
    found = instance(actions=["archive", "delete"]).say_why_refused(job_of(), "acme")
    assert found is not None
    assert "action 'call' is not allowed on rds_main" in found


def test_without_a_control_database_each_row_speaks_of_its_own() -> None:
    alone = instance(database=None)
    assert alone.sources == ()
    assert alone.say_why_refused(job_of(database_name=None), "acme") is None
    assert alone.say_why_refused(job_of(database_name="globex"), "acme") is not None
