"""A table of retention policies that was there before this program: read only, and mirrored as jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import DatabaseRefused, PolicyError
from pg_archiver.jobs.policy_table import PolicyTable, read_policy_table
from pg_archiver.jobs.run import Ending
from pg_archiver.policies.jobs import Action
from pg_archiver.policies.settings import parse_table
from tests.support.concurrency import in_background, until
from tests.support.job_place import JobPlace
from tests.support.policies import HOSTILE, PUBLIC, TABLE
from tests.support.policy_tables import NAME, Policies
from tests.support.table_jobs import TableJobs


def test_each_row_is_a_job_and_the_table_stays_as_it_is(policies: Policies) -> None:
    policies.add()
    policies.add(table_name="others", retention_days=-1, cron_schedule="@daily")
    before = policies.sql(f"SELECT * FROM {PUBLIC}")
    assert policies.told() == []
    target = policies.place.target
    assert policies.jobs() == [
        (f"retention {target}.public.others", "policies", target, "archive", "@daily"),
        (f"retention {target}.public.products", "policies", target, "archive", "0 0 * * *"),
    ]
    ((config,),) = policies.sql("SELECT config FROM archiver.jobs WHERE job_name LIKE '%products'")
    assert config == {
        "table": "public.products",
        "timestamp_column": "inserted_at",
        "keep_days": 30,
        "batch_size": 1000,
    }
    assert policies.sql(f"SELECT * FROM {PUBLIC}") == before
    assert policies.sql("SELECT table_name FROM archiver.data_retention_policy ORDER BY 1") == [
        ("others",),
        ("products",),
    ]


def test_rows_that_change_or_go_are_jobs_that_do(policies: Policies) -> None:
    policies.add()
    policies.add(table_name="others")
    policies.plan()
    changes = "SELECT count(*) FROM archiver.job_changes"
    assert policies.sql(changes) == [(2,)]
    policies.plan()
    assert policies.sql(changes) == [(2,)]
    policies.sql(f"UPDATE {PUBLIC} SET retention_days = 7 WHERE table_name = 'products'")
    policies.sql(f"DELETE FROM {PUBLIC} WHERE table_name = 'others'")
    policies.plan()
    assert policies.sql("SELECT config ->> 'keep_days' FROM archiver.jobs") == [("7",)]


def test_a_file_that_names_no_table_any_more_has_no_jobs_of_it(policies: Policies) -> None:
    policies.add()
    (claim,) = policies.place.plan().claims
    without = policies.place.with_settings(policies_from=None)
    result = without.run(claim)
    assert result.ending is Ending.FAILED
    assert "comes from a table of policies, and policies_from names none" in result.told
    without.plan(most=0)
    assert policies.jobs() == []


@pytest.mark.more
def test_rows_of_a_policy_are_rehearsed_and_then_archived(tables: TableJobs) -> None:
    policies = Policies.made(tables.place)
    tables = TableJobs(policies.place)
    policies.add(schema_name="app", table_name="events", timestamp_column_name="at", retention_days=2)
    tables.rehearse()
    assert tables.objects() == []
    ((name, *_),) = policies.jobs()
    rows, old = tables.left()
    result = tables.act(name)
    assert (result.ending, result.rows) == (Ending.SUCCEEDED, old)
    assert tables.left() == (rows - old, 0)
    assert tables.place.runs("source, dry_run, rows") == [("policies", True, None), ("policies", False, old)]
    # What the table does not say any more is not done any more.
    policies.sql(f"UPDATE {PUBLIC} SET retention_days = 1")
    assert [claim.job_name for claim in tables.place.plan("run 9").claims] == [name]
    tables.place.ended.add("run 9")
    policies.sql(f"DELETE FROM {PUBLIC}")
    assert tables.place.plan("run 10").claims == ()


def test_a_row_that_a_job_cannot_be_is_told_and_the_others_are_jobs(policies: Policies) -> None:
    policies.sql(f"ALTER TABLE {PUBLIC} ALTER COLUMN table_name DROP NOT NULL, ALTER batch_size DROP NOT NULL")
    policies.sql(f"ALTER TABLE {PUBLIC} ALTER COLUMN database_name DROP NOT NULL")
    bad: list[tuple[dict[str, Any], str]] = [
        ({"table_name": None}, "table_name is NULL"),
        ({"database_name": None}, "database_name is NULL"),
        ({"table_name": "no batch", "batch_size": None}, "batch_size is NULL"),
        ({"schema_name": ""}, "schema_name is empty"),
        ({"table_name": "no cron", "cron_schedule": ""}, "cron_schedule is empty"),
        ({"table_name": "n" * 64}, "table_name has more than 63 bytes"),
        ({"table_name": "é" * 32}, "table_name has more than 63 bytes"),
        ({"table_name": "x" * 2_000_000}, "table_name has more than 63 bytes"),
        ({"table_name": "a\nb"}, "a name holds control characters"),
        ({"table_name": "long cron", "cron_schedule": "x" * 2000}, "cron_schedule has more than 1,000 characters"),
    ]
    for changes, _ in bad:
        policies.add(**changes)
    policies.add()
    told = policies.told()
    for _, words in bad:
        assert [one for one in told if f"{words}. The row is not run. Fix: " in one], words
    assert len(told) == len(bad)
    assert all(one.startswith(f"policies_from: {NAME} in database {policies.place.control}") for one in told)
    assert [row[0] for row in policies.jobs()] == [f"retention {policies.place.target}.public.products"]


def test_two_rows_of_a_table_are_both_refused_and_named(policies: Policies) -> None:
    policies.add()
    policies.add(table_name="others")
    policies.plan()
    policies.add(retention_days=300)
    name = f"retention {policies.place.target}.public.products"
    assert policies.told() == [
        f"policies_from: {NAME} in database {policies.place.control} has 2 rows of {name!r}. None of them is run. Fix: "
        "keep one"
    ]
    assert [row[0] for row in policies.jobs()] == [f"retention {policies.place.target}.public.others"]


def test_what_a_row_says_that_no_job_may_is_refused_as_that_jobs_trouble(policies: Policies) -> None:
    bad: dict[str, dict[str, Any]] = {
        "days": {"retention_days": -5},
        "batch": {"batch_size": 0},
        "cron": {"cron_schedule": "every night"},
        "elsewhere": {"database_name": "elsewhere"},
    }
    for table, changes in bad.items():
        policies.add(table_name=table, **changes)
    policies.add()
    plan = policies.plan()
    assert {problem.subject.rpartition(".")[2] for problem in plan.problems} == set(bad)
    states = "SELECT table_name, state FROM archiver.data_retention_policy ORDER BY 1"
    assert dict(policies.sql(states)) == {**dict.fromkeys(bad, "Refused"), "products": "Scheduled"}
    assert policies.plan().problems == ()


def test_hostile_names_are_read_as_they_are(policies: Policies) -> None:
    for name in HOSTILE:
        policies.add(schema_name=name, table_name=name, timestamp_column_name=name, database_name=name)
    read = policies.read()
    assert read.problems == ()
    assert sorted(str(job["database_name"]) for job in read.jobs) == sorted(HOSTILE)
    assert {parse_table(job["config"]["table"]) for job in read.jobs} == {TableName(name, name) for name in HOSTILE}
    policies.plan()
    assert len(policies.jobs()) == len(HOSTILE)


def test_the_tables_own_name_may_be_a_hostile_one(jobs: JobPlace) -> None:
    for name in HOSTILE:
        schema, table = sql.Identifier(name).as_string(), sql.Identifier(name, name).as_string()
        jobs.sql(
            jobs.control,
            f"CREATE SCHEMA {schema}; CREATE TABLE {table} {TABLE[TABLE.index('(') :]};"
            f" GRANT USAGE ON SCHEMA {schema} TO {jobs.archive}; GRANT SELECT ON {table} TO {jobs.archive}",
        )
        jobs.plan(most=0)
        with jobs.connections.open_archiver(jobs.control) as session:
            assert read_policy_table(session, TableName(name, name)) == PolicyTable()


SHAPES = {
    "missing": ("", "is not there. None of its policies is run. Fix: create it, or correct policies_from"),
    "a view": (
        f"CREATE TABLE public.rows_of_it (LIKE {PUBLIC}); DROP TABLE {PUBLIC};"
        f" CREATE VIEW {PUBLIC} AS SELECT * FROM public.rows_of_it",
        "is no table, and what is behind a view or a foreign table would run with the archiver's rights",
    ),
    "a materialized view": (
        f"CREATE TABLE public.rows_of_it (LIKE {PUBLIC}); DROP TABLE {PUBLIC};"
        f" CREATE MATERIALIZED VIEW {PUBLIC} AS SELECT * FROM public.rows_of_it",
        "is no table",
    ),
    "no column": (f"ALTER TABLE {PUBLIC} DROP COLUMN batch_size", "has no column batch_size. None of its policies"),
    "two columns": (
        f"ALTER TABLE {PUBLIC} DROP COLUMN cron_schedule, DROP COLUMN table_name",
        "has no column table_name, cron_schedule. None",
    ),
    "another name": (f'ALTER TABLE {PUBLIC} RENAME table_name TO "Table_Name"', "has no column table_name"),
    "days with a fraction": (
        f"ALTER TABLE {PUBLIC} ALTER retention_days TYPE numeric",
        "column retention_days is of type numeric. None of its policies is run. Fix: make it integer",
    ),
    "days as text": (f"ALTER TABLE {PUBLIC} ALTER retention_days TYPE text", "retention_days is of type text"),
    "name as json": (
        f"ALTER TABLE {PUBLIC} ALTER table_name TYPE json USING to_json(table_name)",
        "table_name is of type json",
    ),
    "many rows": (
        f"INSERT INTO {PUBLIC} SELECT n, 'd', 's', 't' || n, 1, 'at', 1, '@daily' FROM generate_series(9, 5009) n",
        "has more than 5,000 rows. None of its policies is run",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_table_that_cannot_be_one_of_policies_runs_none_and_says_why(policies: Policies, shape: str) -> None:
    """Which of its jobs still hold is not known, so none acts; they keep what is known of them, and come back."""
    policies.add()
    policies.place.make_due(f"retention {policies.place.target}.public.products")
    before = policies.sql("SELECT job_id FROM archiver.jobs")
    change, words = SHAPES[shape]
    policies.sql(change or f"DROP TABLE {PUBLIC}")
    if shape in {"a view", "a materialized view"}:
        policies.sql(f"GRANT SELECT ON {PUBLIC} TO PUBLIC")
    with pytest.raises(PolicyError, match=r"^policies_from: public\.data_retention_policy in database ") as refused:
        policies.read()
    assert words in str(refused.value)
    plan = policies.place.plan("run 7")
    assert (plan.claims, [problem.told for problem in plan.problems]) == ((), [str(refused.value)])
    ((state, reason),) = policies.sql("SELECT state, reason FROM archiver.data_retention_policy")
    assert (state, str(refused.value) in reason) == ("Refused", True)
    kind = {"a view": "VIEW", "a materialized view": "MATERIALIZED VIEW"}.get(shape, "TABLE")
    policies.sql(f"DROP {kind} IF EXISTS {PUBLIC}; {TABLE}")
    policies.sql(f"GRANT SELECT ON {PUBLIC} TO PUBLIC")
    policies.add()
    assert policies.told() == []
    assert policies.sql("SELECT job_id FROM archiver.jobs") == before
    assert policies.sql("SELECT state FROM archiver.data_retention_policy") == [("Scheduled",)]


def test_functions_of_a_view_are_not_run_with_the_archivers_rights(policies: Policies) -> None:
    policies.sql(f"DROP TABLE {PUBLIC}")
    policies.sql(
        "CREATE TABLE public.seen (who text); GRANT INSERT ON public.seen TO PUBLIC;"
        " CREATE FUNCTION public.look() RETURNS text LANGUAGE plpgsql VOLATILE AS"
        " $$ BEGIN INSERT INTO public.seen VALUES (current_user); RETURN 'x'; END $$;"
        f" CREATE VIEW {PUBLIC} AS SELECT public.look() AS database_name, 's'::text AS schema_name,"
        " 't'::text AS table_name, 1 AS retention_days, 'at'::text AS timestamp_column_name, 1 AS batch_size,"
        f" '@daily'::text AS cron_schedule; GRANT SELECT ON {PUBLIC} TO PUBLIC"
    )
    assert len(policies.told()) == 1
    assert policies.sql("SELECT * FROM public.seen") == []


def test_the_partitions_of_a_table_are_read_too(control: JobPlace) -> None:
    text = TABLE.replace("id serial PRIMARY KEY", "id int DEFAULT 1").rstrip().removesuffix(")")
    policies = Policies.made(control, f"{text}) PARTITION BY LIST (database_name)")
    policies.sql(f"CREATE TABLE public.rest PARTITION OF {PUBLIC} DEFAULT")
    policies.add()
    assert len(policies.read().jobs) == 1


def test_other_kinds_of_text_and_numbers_are_read(control: JobPlace) -> None:
    text = TABLE.replace("table_name text", "table_name varchar(80)").replace("schema_name text", "schema_name name")
    text = text.replace("retention_days int", "retention_days bigint").replace("batch_size int", "batch_size smallint")
    policies = Policies.made(control, f"CREATE DOMAIN public.cron AS text CHECK (VALUE <> ''); {text}")
    policies.sql(f"ALTER TABLE {PUBLIC} ALTER cron_schedule TYPE public.cron, DROP COLUMN id, DROP COLUMN updated_at")
    policies.add(retention_days=2**40)
    (job,) = policies.read().jobs
    assert (job["config"]["keep_days"], job["cron_schedule"]) == (2**40, "0 0 * * *")


def test_a_table_that_the_login_may_not_read_or_sees_in_part_runs_none(policies: Policies) -> None:
    policies.add()
    policies.plan()
    archive = sql.Identifier(policies.place.archive).as_string()
    policies.sql(f"ALTER TABLE {PUBLIC} ENABLE ROW LEVEL SECURITY")
    assert "row-level security" in policies.told()[0]
    policies.sql(f"ALTER TABLE {PUBLIC} DISABLE ROW LEVEL SECURITY; REVOKE SELECT ON {PUBLIC} FROM {archive}")
    with pytest.raises(DatabaseRefused, match="permission denied for table data_retention_policy"):
        policies.read()
    (told,) = policies.told()
    assert "grant that privilege to the role of the Airflow connection" in told
    assert policies.sql("SELECT state FROM archiver.data_retention_policy") == [("Refused",)]


@pytest.mark.more
def test_while_the_table_is_locked_its_jobs_stay_due_and_the_others_run(policies: Policies) -> None:
    name = f"retention {policies.place.target}.public.products"
    policies.add()
    policies.place.make_due(name)
    place = policies.place.with_settings(
        actions=(Action.ARCHIVE, Action.CALL), procedures=("app.*",), procedures_conn_id="x"
    )
    place.define("INSERT INTO app.done VALUES (job_id, config);")
    place.job("another", schedule_interval="1 hour", fixed_schedule=False)
    columns = "state, next_start, definition, reason"
    before = place.state(name, columns)
    with place.server.connect(place.control, autocommit=False) as holder:
        holder.execute(f"LOCK TABLE {PUBLIC}".encode())
        plan = place.plan("run 7")
        holder.rollback()
    assert [claim.job_name for claim in plan.claims] == ["another"]
    (problem,) = plan.problems
    assert "Its jobs wait for the next look" in problem.told
    assert place.state(name, columns) == before
    assert [claim.job_name for claim in place.plan("run 8").claims] == [name]


def test_what_comes_into_the_tables_place_meanwhile_is_not_read(policies: Policies) -> None:
    policies.add()
    policies.plan()
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'public.data_retention_policy'::regclass"
    with policies.place.server.connect(policies.place.control, autocommit=False) as holder:
        holder.execute(f"ALTER TABLE {PUBLIC} RENAME TO old_policies".encode())
        with in_background(policies.told) as told:
            until(lambda: bool(policies.sql(waiting)))
            holder.execute(f"CREATE VIEW {PUBLIC} AS SELECT * FROM public.old_policies".encode())
            holder.execute(f"GRANT SELECT ON {PUBLIC} TO PUBLIC".encode())
            holder.commit()
            (problem,) = told.result()
    assert "was changed while it was looked at. Its jobs wait for the next look" in problem
    assert "is no table" in policies.told()[0]


def test_a_name_of_a_job_that_people_wrote_stays_theirs_and_is_told(policies: Policies) -> None:
    policies.plan()
    name = f"retention {policies.place.target}.public.products"
    config = '{"table": "public.products", "keep_days": 3, "timestamp_column": "at"}'
    policies.place.job(name, action="archive", proc_schema=None, proc_name=None, config=config)
    policies.add()
    told = policies.told()
    assert told == [
        f"policies_from: {NAME} has a policy whose job would be {name!r}, and another job has that name. The policy is "
        "not run. Fix: delete one of them"
    ]
    assert [row[:2] for row in policies.jobs()] == [(name, "table")]


def test_only_the_control_database_has_such_a_table(policies: Policies) -> None:
    policies.add()
    elsewhere = replace(policies.place, control=policies.place.target)
    assert elsewhere.plan(most=0).problems == ()
    assert elsewhere.sql(elsewhere.control, "SELECT * FROM archiver.jobs") == []
