"""Retention policies as rows of one table: the statements of a retention worker, and what they come to as jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors
from psycopg.types.json import Json

from pg_archiver.domain.tables import TableName
from pg_archiver.ledger.jobs import JobKey, JobState, StateChange
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.settings import parse_table
from tests.support.jobs import DIGEST, Jobs, make_job, refusal, run_as
from tests.support.place import Place
from tests.support.policies import COLUMNS, HOSTILE, INSERTS, PRODUCTS, PUBLIC, VIEW, insertion

LISTED = f"{', '.join(COLUMNS)}, action, keep_versions, state, reason, last_run, settings"
# What keeps the last versions of each product.
VERSIONS: dict[str, Any] = {
    "action": "delete",
    "keep_versions": 3,
    "settings": Json({"key_columns": ["id"], "version_column": "version"}),
}
# What is changed of a good row, the column that is named, and what is said of it.
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no database": ({"database_name": None}, "database_name", "is missing"),
    "empty database": ({"database_name": ""}, "database_name", "is missing"),
    "no schema": ({"schema_name": None}, "schema_name", "is missing"),
    "empty schema": ({"schema_name": ""}, "schema_name", "is missing"),
    "no table": ({"table_name": None}, "table_name", "is missing"),
    "empty table": ({"table_name": ""}, "table_name", "is missing"),
    "no column": ({"timestamp_column_name": None}, "timestamp_column_name", "is missing"),
    "empty column": ({"timestamp_column_name": ""}, "timestamp_column_name", "is missing"),
    "long database": ({"database_name": "n" * 64}, "database_name", "has more than 63 bytes"),
    "long schema": ({"schema_name": "é" * 32}, "schema_name", "has more than 63 bytes"),
    "long table": ({"table_name": "n" * 100_000}, "table_name", "has more than 63 bytes"),
    "long column": ({"timestamp_column_name": "n" * 64}, "timestamp_column_name", "has more than 63 bytes"),
    "a line break": ({"table_name": "a\nb"}, "table_name", "or that of its schema or database holds control"),
    "no days": ({"retention_days": None}, "retention_days", "is missing"),
    "negative days": ({"retention_days": -2}, "retention_days", "is not between -1 and 36,500"),
    "fresh rows": ({"retention_days": -5}, "retention_days", "is not between -1 and 36,500"),
    "days of centuries": ({"retention_days": 36_501}, "retention_days", "is not between -1 and 36,500"),
    "no batch": ({"batch_size": 0}, "batch_size", "is not between 1 and 10,000,000"),
    "batch of all": ({"batch_size": 10_000_001}, "batch_size", "is not between 1 and 10,000,000"),
    "no schedule": ({"cron_schedule": None}, "cron_schedule", "is missing"),
    "empty schedule": ({"cron_schedule": ""}, "cron_schedule", "is missing"),
    "action": ({"action": "drop"}, "action", "is neither archive nor delete"),
    "a call": ({"action": "call"}, "action", "is neither archive nor delete"),
    "no versions": ({**VERSIONS, "keep_versions": 0}, "keep_versions", "is not between 1 and 10,000"),
    "negative versions": ({**VERSIONS, "keep_versions": -1}, "keep_versions", "is not between 1 and 10,000"),
    "versions of no key": (
        {**VERSIONS, "settings": Json({"version_column": "version"})},
        "keep_versions",
        "is set, and settings do not say which columns are the key and the version",
    ),
    "state": ({"state": "Running"}, "state", "is for this program to say"),
    "reason": ({"reason": "because"}, "reason", "is for this program to say"),
    "last run": ({"last_run": "2026-01-01"}, "last_run", "is for this program to say"),
    "settings a list": ({"settings": Json([1])}, "settings", "is no JSON object"),
}


@pytest.fixture
def jobs(place: Place) -> Iterator[Jobs]:
    with Jobs.of(place) as jobs:
        yield jobs


def add(jobs: Jobs, into: str = VIEW, **changes: Any) -> int:
    statement, values = insertion(PRODUCTS | changes, into)
    ((number,),) = run_as(jobs.place, f"{statement} RETURNING id", *values)
    return int(number)


def listed(jobs: Jobs, columns: str = LISTED) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in jobs.place.sql(f"SELECT {columns} FROM {VIEW} ORDER BY id")]


def written(jobs: Jobs, number: int, columns: str) -> tuple[Any, ...]:
    ((*found,),) = jobs.place.sql(f"SELECT {columns} FROM archiver.jobs WHERE job_id = %s", number)
    return tuple(found)


@pytest.mark.parametrize("name", [VIEW, PUBLIC])
def test_a_workers_own_inserts_are_jobs_as_they_stand(jobs: Jobs, name: str) -> None:
    if name == PUBLIC:
        jobs.place.sql(f"CREATE VIEW {PUBLIC} AS SELECT * FROM {VIEW}")
    run_as(jobs.place, INSERTS.replace(PUBLIC, name))
    rows = jobs.table.list_jobs()
    assert [row.job_name for row in rows] == [f"retention {one}.public.products" for one in ("postgres", "db1", "db2")]
    assert {row.action for row in rows} == {"archive"}
    assert [row.database_name for row in rows] == ["postgres", "db1", "db2"]
    made = Job.from_row(rows[0].as_mapping())
    assert (made.schedule, made.application_name) == ("0 0 * * *", "archiver")
    assert made.config == {
        "table": "public.products",
        "timestamp_column": "inserted_at",
        "keep_days": 30,
        "batch_size": 1000,
    }
    assert jobs.place.sql(f"SELECT {LISTED} FROM {name} WHERE database_name = 'db1'") == [
        ("db1", *list(PRODUCTS.values())[1:], "archive", None, "Scheduled", None, None, {})
    ]


@pytest.mark.parametrize("action", ["archive", "delete"])
def test_a_policy_keeps_the_last_versions_with_or_without_a_time(jobs: Jobs, action: str) -> None:
    number = add(jobs, **{**VERSIONS, "action": action}, retention_days=0, timestamp_column_name=None)
    config = {"table": "public.products", "keep_days": 0, "batch_size": 1000, "keep_versions": 3}
    columns = {"key_columns": ["id"], "version_column": "version"}
    assert written(jobs, number, "config") == (config | columns,)
    assert listed(jobs, "keep_versions, timestamp_column_name, settings") == [(3, None, columns)]
    jobs.place.sql(f"UPDATE {VIEW} SET keep_versions = 5, timestamp_column_name = 'inserted_at'")
    assert written(jobs, number, "config") == (
        config | columns | {"keep_versions": 5, "timestamp_column": "inserted_at"},
    )
    said = str(refusal(jobs.place, f"UPDATE {VIEW} SET keep_versions = NULL, timestamp_column_name = ''"))
    assert 'timestamp_column_name of the policy for table "public.products" is missing' in said


def test_a_second_row_of_a_table_is_a_unique_violation_that_says_what_to_do(jobs: Jobs) -> None:
    number = add(jobs)
    statement, values = insertion(PRODUCTS)
    said = 'there is a job "retention postgres.public.products" already. Nothing was saved. Fix: UPDATE that row'
    again = refusal(jobs.place, statement, *values)
    assert isinstance(again, errors.UniqueViolation)
    assert said in str(again)
    add(jobs, database_name="db1")
    moved = refusal(jobs.place, f"UPDATE {VIEW} SET database_name = 'postgres' WHERE database_name = 'db1'")
    assert isinstance(moved, errors.UniqueViolation)
    assert said in str(moved)
    taken = refusal(jobs.place, *_with_id(number))
    assert isinstance(taken, errors.UniqueViolation)
    assert f"id {number} is taken by another job. Nothing was saved. Fix: leave id out" in str(taken)
    assert [row[0] for row in listed(jobs)] == ["postgres", "db1"]


def _with_id(number: int) -> tuple[Any, ...]:
    statement, values = insertion({"id": number, **PRODUCTS, "table_name": "others"})
    return statement, *values


def test_rows_of_a_workers_own_table_come_over_with_their_numbers(jobs: Jobs) -> None:
    columns = f"id int, {', '.join(f'{name} text' for name in COLUMNS)}, updated_at timestamp DEFAULT now()"
    columns = columns.replace("retention_days text", "retention_days int").replace("batch_size text", "batch_size int")
    jobs.place.sql(f"CREATE TABLE public.old ({columns})")
    statement, values = insertion({"id": 7, **PRODUCTS}, "public.old")
    jobs.place.sql(statement, *values)
    run_as(jobs.place, f"INSERT INTO {VIEW} SELECT * FROM public.old")
    assert listed(jobs, "id, table_name") == [(7, "products")]
    # Whoever is told by the row when it was written is told the truth.
    assert written(jobs, 7, "updated_at > now() - interval '1 hour'") == (True,)


def test_rows_are_copied_in(jobs: Jobs) -> None:
    with jobs.place.connect() as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY {VIEW} ({', '.join(COLUMNS)}) FROM STDIN".encode()) as copy:
            for database in ("db1", "db2"):
                copy.write_row((database, *list(PRODUCTS.values())[1:]))
        connection.commit()
    assert [row[0] for row in listed(jobs)] == ["db1", "db2"]


def test_each_column_can_be_changed_and_what_else_the_job_says_stays(jobs: Jobs) -> None:
    number = add(jobs)
    more = {"missing_ok": False, "window_hours": 24}
    run_as(jobs.place, "UPDATE archiver.jobs SET config = config || %s::jsonb, max_retries = 3", Json(more))
    assert listed(jobs, "settings") == [(more,)]
    changes: dict[str, Any] = {
        "database_name": "db1",
        "schema_name": "app",
        "table_name": "orders",
        "retention_days": -1,
        "timestamp_column_name": "at",
        "batch_size": 5,
        "cron_schedule": "@hourly",
        "action": "delete",
    }
    for column, value in changes.items():
        ((told,),) = run_as(jobs.place, f"UPDATE {VIEW} SET {column} = %s RETURNING {column}", value)
        assert told == value
    assert listed(jobs, ", ".join(changes)) == [tuple(changes.values())]
    name, config, retries = written(jobs, number, "job_name, config, max_retries")
    assert (name, retries) == ("retention db1.app.orders", 3)
    assert config == {"table": "app.orders", "keep_days": -1, "timestamp_column": "at", "batch_size": 5, **more}
    # What a writer may not say elsewhere he may not say here: the settings are judged with the file's.
    settings = Json({"keep_days": 1, "batch_size": 1, "table": "a.b", "missing_ok": True})
    run_as(jobs.place, f"UPDATE {VIEW} SET batch_size = NULL, settings = %s", settings)
    assert written(jobs, number, "config") == (
        {"table": "app.orders", "keep_days": -1, "timestamp_column": "at", "missing_ok": True},
    )
    assert "id of the policy" in str(refusal(jobs.place, f"UPDATE {VIEW} SET id = 5"))


def test_a_deleted_row_is_a_deleted_job(jobs: Jobs) -> None:
    add(jobs)
    kept = add(jobs, database_name="db1")
    run_as(jobs.place, f"DELETE FROM {VIEW} WHERE database_name = 'postgres'")
    assert [row.job_id for row in jobs.table.list_jobs()] == [kept]
    assert isinstance(refusal(jobs.place, f"TRUNCATE {VIEW}"), errors.WrongObjectType)


def test_a_bad_row_is_refused_with_its_column_and_a_fix_and_saves_nothing(jobs: Jobs) -> None:
    for case, (changes, column, words) in BAD.items():
        statement, values = insertion(PRODUCTS | changes)
        error = refusal(jobs.place, statement, *values)
        assert isinstance(error, errors.CheckViolation), case
        assert (error.diag.table_name, error.diag.column_name) == ("data_retention_policy", column), case
        said = str(error.diag.message_primary)
        assert said.startswith(f'{column} of the policy for table "'), case
        assert f'" {words}' in said, case
        assert ". Nothing was saved. Fix: " in said, case
        assert len(said) < 500
    assert jobs.place.sql("SELECT count(*) FROM archiver.jobs") == [(0,)]


def test_a_good_row_cannot_be_made_a_bad_one(jobs: Jobs) -> None:
    add(jobs)
    before = jobs.place.sql("SELECT * FROM archiver.jobs")
    for case, (changes, column, _) in BAD.items():
        named = ", ".join(f"{name} = %s" for name in changes)
        error = refusal(jobs.place, f"UPDATE {VIEW} SET {named}", *changes.values())
        assert isinstance(error, errors.CheckViolation), case
        assert error.diag.column_name == column, case
    assert jobs.place.sql("SELECT * FROM archiver.jobs") == before


def test_what_only_the_table_of_jobs_refuses_is_refused_here_too(jobs: Jobs) -> None:
    statement, values = insertion(PRODUCTS | {"cron_schedule": "x" * 1001})
    assert 'a text of job "retention postgres.public.products" has more than' in str(
        refusal(jobs.place, statement, *values)
    )
    statement, values = insertion(PRODUCTS | {"settings": Json({"a": "x" * 66_000})})
    assert "has more than 65,536 bytes" in str(refusal(jobs.place, statement, *values))


def test_hostile_names_are_kept_as_they_are_and_no_two_tables_are_one(jobs: Jobs) -> None:
    for name in HOSTILE:
        row = PRODUCTS | {"schema_name": name, "table_name": name, "timestamp_column_name": name}
        number = add(jobs, **row | {"database_name": name})
        found = jobs.table.find_job(number)
        assert found
        assert parse_table(found.config["table"]) == TableName(name, name)
        assert found.config["timestamp_column"] == name
        assert Job.from_row(found.as_mapping()).database == name
        assert len(found.job_name) <= 200
    names = [(name,) * 3 for name in HOSTILE]
    assert listed(jobs, "schema_name, table_name, timestamp_column_name") == names
    run_as(jobs.place, f"UPDATE {VIEW} SET retention_days = 3, database_name = database_name")
    assert listed(jobs, "schema_name, table_name, timestamp_column_name") == names
    # Two that would be one if a dot were but a dot, or if what is too long were cut alone.
    for one, other in ((("a", "b.c"), ("a.b", "c")), (("n" * 63, "n" * 62 + "x"), ("n" * 63, "n" * 62 + "y"))):
        for schema, table in (one, other):
            add(jobs, database_name="d" * 63, schema_name=schema, table_name=table)


def test_jobs_that_were_written_in_another_way_are_shown_as_far_as_they_can_be(jobs: Jobs) -> None:
    odd = {
        "no schema": {"table": "products", "keep_days": 3},
        "days in words": {"table": "public.products", "keep_days": "thirty"},
        "days beyond a number": {"table": "public.others", "keep_days": 10**30, "batch_size": 1.5},
        "in quotes": {"table": 'a."b.c"', "keep_days": "7", "timestamp_column": "at"},
        "a list": {"table": ["public.products"], "keep_days": 3},
    }
    for name, config in odd.items():
        jobs.add(name, action="delete", proc_name=None, config=Json(config))
    jobs.add("no days", action="archive", proc_name=None, config=Json({"table": "public.products"}))
    jobs.add("a call", config=Json({"table": "public.products", "keep_days": 3}))
    assert listed(jobs, "schema_name, table_name, retention_days, batch_size, cron_schedule") == [
        (None, "products", 3, None, None),
        ("public", "products", None, None, None),
        ("public", "others", None, None, None),
        ("a", "b.c", 7, None, None),
        (None, '["public.products"]', 3, None, None),
    ]
    assert {row[0] for row in listed(jobs, "database_name")} == {jobs.place.database}
    # They keep their names and intervals; what they lack has to be said first.
    assert "schema_name" in str(
        refusal(jobs.place, f"UPDATE {VIEW} SET retention_days = 4 WHERE table_name = 'products'")
    )
    run_as(jobs.place, f"UPDATE {VIEW} SET retention_days = 8 WHERE table_name = 'b.c'")
    run_as(jobs.place, f"UPDATE {VIEW} SET retention_days = 8, cron_schedule = '@daily' WHERE table_name = 'others'")
    assert jobs.place.sql(
        "SELECT job_name, config ->> 'keep_days', cron_schedule, schedule_interval IS NULL FROM archiver.jobs"
        " WHERE config ->> 'keep_days' = '8' ORDER BY job_name"
    ) == [("days beyond a number", "8", "@daily", True), ("in quotes", "8", None, False)]


def test_a_policy_shows_how_its_job_stands(jobs: Jobs) -> None:
    number = add(jobs, database_name="*")
    keys = [JobKey(number, database) for database in ("db1", "db2")]
    words = {
        JobState.IDLE: "Scheduled",
        JobState.WAITING: "Paused",
        JobState.REFUSED: "Refused",
        JobState.EXHAUSTED: "Exhausted",
    }
    for state, word in words.items():
        jobs.table.write_states([StateChange(keys[0], DIGEST, state, "because")])
        assert listed(jobs, "state, reason") == [(word, "because")]
        assert jobs.stats(keys[0], "job_status, reason") == (word, "because")
    # One line a policy: of the database that needs somebody.
    jobs.table.write_states([StateChange(keys[1], DIGEST, JobState.IDLE, "all is well")])
    assert listed(jobs, "id, state, reason") == [(number, "Exhausted", "because")]
    jobs.table.write_states([StateChange(keys[0], DIGEST, JobState.IDLE)])
    run_as(
        jobs.place, "UPDATE archiver.job_state SET running_since = now(), state = 'running' WHERE database_name = 'db2'"
    )
    assert listed(jobs, "state, last_run IS NOT NULL") == [("Running", True)]
    run_as(jobs.place, "UPDATE archiver.job_state SET state = 'idle', running_since = NULL, last_start = '2026-01-01'")
    run_as(jobs.place, "UPDATE archiver.jobs SET scheduled = false")
    assert listed(jobs, "state, extract(year FROM last_run)::int") == [("Paused", 2026)]


def test_statistics_name_the_tables_from_which_rows_go_without_an_archive(jobs: Jobs) -> None:
    add(jobs, action="delete")
    add(jobs, table_name="kept")
    jobs.add("call")
    assert jobs.place.sql("SELECT database_name, subject FROM archiver.job_stats WHERE action = 'delete'") == [
        ("postgres", "public.products")
    ]
    subjects = jobs.place.sql("SELECT action, subject FROM archiver.job_stats ORDER BY job_id")
    assert subjects == [("delete", "public.products"), ("archive", "public.kept"), ("call", "public.rollup")]


def test_policies_of_another_source_are_shown_and_stay_as_they_are(jobs: Jobs) -> None:
    config = {"table": "public.products", "timestamp_column": "at", "keep_days": 30}
    of_file = make_job("of the file", action="archive", procedure=None, schedule="@daily", **config)
    assert jobs.table.mirror([of_file]) == []
    mirrored = of_file | {"job_name": "of a table"}
    assert jobs.table.mirror([mirrored], source="policies") == []
    assert listed(jobs, "id") == [(1000,), (1001,)]
    # Each source keeps its own rows, and takes none of another's.
    assert jobs.table.mirror([of_file, mirrored]) == ["of a table"]
    assert jobs.table.mirror([of_file, mirrored], source="policies") == ["of the file"]
    assert [(row.job_name, row.source) for row in jobs.table.list_jobs()] == [
        ("of the file", "file"),
        ("of a table", "policies"),
    ]
    jobs.table.mirror([], source="policies")
    assert listed(jobs, "id") == [(1000,)]
