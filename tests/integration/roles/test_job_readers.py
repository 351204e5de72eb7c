"""What writers, readers and procedures of jobs may not see or do."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from psycopg import errors, sql

from pg_archiver.ledger.job_runs import JobRunLog, RunEnd, RunStart
from pg_archiver.ledger.migrations import LedgerTables
from tests.support.jobs import Tenants, refusal, run_as
from tests.support.place import Place
from tests.support.roles import Owned

pytestmark = pytest.mark.more


ADD = "INSERT INTO archiver.jobs (job_name, action, proc_name, schedule_interval) VALUES (%s, 'call', 'p', '1 hour')"


CHANGES = [
    "UPDATE archiver.jobs SET config = '{\"a\": 1}' WHERE job_name = %s",
    "UPDATE archiver.jobs SET next_start = now() WHERE job_name = %s",
    "SELECT archiver.alter_job(job_id, max_retries => 1) FROM archiver.jobs WHERE job_name = %s",
    "SELECT archiver.alter_job(job_id, next_start => now()) FROM archiver.jobs WHERE job_name = %s",
    "UPDATE archiver.postprocessing_jobs SET config = '{}' WHERE job_id = (SELECT job_id FROM archiver.jobs WHERE"
    " job_name = %s)",
    "SELECT archiver.delete_job(job_id) FROM archiver.jobs WHERE job_name = %s",
    "DELETE FROM archiver.jobs WHERE job_name = %s",
    "DELETE FROM archiver.postprocessing_jobs WHERE job_id = (SELECT job_id FROM archiver.jobs WHERE job_name = %s)",
]


SECRET = "a row's content"


def quoted(role: str) -> str:
    return sql.Identifier(role).as_string()


def run_failed(tenants: Tenants, name: str) -> None:
    """A run of the job that failed with a message that holds a row, by the archive's own session."""
    ((job_id,),) = tenants.place.sql("SELECT job_id FROM archiver.jobs WHERE job_name = %s", name)
    database = tenants.place.database
    with tenants.archiver.session() as session:
        runs = JobRunLog(session)
        run = runs.begin(RunStart(name, "table", "call", "schedule", database, job_id, database))
        runs.end(run, RunEnd(succeeded=False, sqlerrcode="22012", err_message=SECRET, output=SECRET))


BEYOND = [
    "TRUNCATE archiver.jobs CASCADE",
    "ALTER TABLE archiver.jobs DISABLE TRIGGER ALL",
    "DROP TABLE archiver.jobs CASCADE",
    "SELECT * FROM archiver.job_state",
    "UPDATE archiver.job_state SET next_start = now()",
    "INSERT INTO archiver.job_changes (job_id, who) VALUES (1, 'x')",
    "SELECT * FROM archiver.job_changes",
    "SELECT * FROM archiver.job_runs",
    "UPDATE archiver.job_runs SET succeeded = true",
    "DELETE FROM archiver.windows",
    "SELECT * FROM archiver.windows",
    "UPDATE archiver.migrations SET name = 'x'",
    "INSERT INTO archiver.policy_owners VALUES (current_user, '*')",
    "DELETE FROM archiver.policy_owners",
    "CREATE TABLE archiver.mine (x int)",
    "DELETE FROM analytics.events",
    "SELECT setval('archiver.jobs_job_id_seq', 1)",
    "SELECT archiver.note_job_change()",
    "SET session_replication_role = replica",
]


WRITES = [
    *(change.replace("%s", "'x'") for change in CHANGES),
    ADD.replace("%s", "'x'"),
    "SELECT archiver.add_job('pg_catalog.now', '1 hour')",
    "CALL archiver.run_job(1000)",
    "INSERT INTO archiver.data_retention_policy (table_name) VALUES ('t')",
    "UPDATE archiver.data_retention_policy SET retention_days = 0",
    "DELETE FROM archiver.data_retention_policy",
    "SELECT archiver.add_retention_policy('archiver.jobs', interval '1 day')",
    "SELECT archiver.remove_retention_policy('archiver.jobs')",
    "SELECT archiver.change_job(1, null, null, null, null, null, null, null, true, null, null, null, null, null)",
]


def allowed(place: Place, statements: list[str]) -> list[str]:
    """Those that the role may run; what fails for want of a right is none."""
    found = []
    for statement in statements:
        with place.connect() as connection:
            try:
                connection.execute(statement.encode())
                found.append(statement)
            except errors.InsufficientPrivilege:
                pass
            except psycopg.Error as error:
                found.append(f"{statement}: {error}")
            finally:
                connection.rollback()
    return found


def test_a_writer_can_do_nothing_else(tenants: Tenants) -> None:
    assert allowed(tenants.writer("ann"), BEYOND) == []


def test_a_reader_of_statistics_reads_the_views_and_nothing_else(tenants: Tenants) -> None:
    ann = tenants.writer("ann")
    run_as(ann, ADD, "anns")
    run_failed(tenants, "anns")
    reader = tenants.given("statistics_reader", tenants.login("reader"))
    tenants.given("statistics_reader", reader)
    for view in ("job_stats", "job_errors", "job_history", "postprocessing_jobs_stats"):
        run_as(reader, f"SELECT * FROM archiver.{view}")
    more = ["SELECT * FROM archiver.jobs", "SELECT * FROM archiver.postprocessing_jobs"]
    assert allowed(reader, [*BEYOND, *WRITES, *more]) == []


def test_a_procedures_login_sees_the_statistics_and_may_do_nothing(tenants: Tenants) -> None:
    ann = tenants.writer("ann")
    run_as(ann, ADD, "anns")
    run_failed(tenants, "anns")
    procedures = tenants.given("procedures", tenants.login("procedures"), schema="public")
    tenants.given("procedures", procedures)
    assert run_as(procedures, "SELECT job_name FROM archiver.job_stats") == [("anns",)]
    assert run_as(procedures, "SELECT * FROM archiver.job_errors") == []
    assert allowed(procedures, [*BEYOND, *WRITES, "SELECT * FROM archiver.jobs"]) == []
    callable_there = run_as(
        procedures,
        "SELECT proname FROM pg_proc WHERE pronamespace = 'archiver'::regnamespace"
        " AND has_function_privilege(oid, 'EXECUTE')",
    )
    # A trigger's, which nobody can call.
    assert callable_there == [("refuse_programs_older_than_this_ledger",)]
    for role in (tenants.owned.role, tenants.owned.master, "postgres"):
        assert isinstance(refusal(procedures, f"SET ROLE {quoted(role)}"), errors.InsufficientPrivilege)


def test_a_procedures_login_that_is_more_than_a_plain_one_gets_nothing(tenants: Tenants) -> None:
    grants = {
        "of the archive": f"GRANT {quoted(tenants.owned.role)} TO {{}}",
        "of the owner": f"GRANT {tenants.owned.master} TO {{}}",
        "writer of everything": "GRANT pg_write_all_data TO {}",
        "superuser": "ALTER ROLE {} SUPERUSER",
        "maker of roles": "ALTER ROLE {} CREATEROLE",
    }
    for name, grant in grants.items():
        login = tenants.place.as_role(name)
        tenants.place.sql(grant.format(quoted(str(login.role))))
        with pytest.raises(AssertionError, match="nothing was granted: the role is more than a plain one"):
            tenants.given("procedures", login)


def read_errors(place: Place) -> list[tuple[object, ...]]:
    return run_as(place, "SELECT job_name, sqlerrcode, err_message, output FROM archiver.job_errors ORDER BY 1")


def test_what_a_run_said_is_read_by_the_owners_of_job_database_and_ledger_alone(tenants: Tenants) -> None:
    ann, ben, cat = (tenants.writer(name) for name in ("ann", "ben", "cat"))
    tenants.place.sql(f"GRANT {quoted(str(ann.role))} TO {quoted(str(cat.role))}")
    run_as(ann, ADD, "anns")
    run_as(ben, ADD, "bens")
    run_failed(tenants, "anns")
    run_failed(tenants, "bens")
    tenants.given("statistics_reader", tenants.master)
    anns, bens = (("anns", "22012", SECRET, SECRET), ("bens", "22012", SECRET, SECRET))
    for place in (ann, cat):
        assert read_errors(place) == [anns]
    assert read_errors(ben) == [bens]
    for place in (tenants.master, tenants.archiver):
        assert read_errors(place) == [anns, bens]
    history = "SELECT job_name, err_message, output FROM archiver.job_history ORDER BY 1"
    assert run_as(ann, history) == [("anns", SECRET, SECRET), ("bens", None, None)]
    reader = tenants.given("statistics_reader", tenants.login("reader"))
    assert read_errors(reader) == []
    assert run_as(reader, history) == [("anns", None, None), ("bens", None, None)]


def test_no_condition_of_a_reader_sees_what_he_may_not(tenants: Tenants) -> None:
    """A function that costs nothing would be asked first, were the views no barriers."""
    ann = tenants.writer("ann")
    run_as(ann, ADD, "anns")
    run_failed(tenants, "anns")
    tenants.place.sql("GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC")
    reader = tenants.given("statistics_reader", tenants.login("reader"))
    run_as(
        reader,
        "CREATE FUNCTION public.peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS"
        " $$ BEGIN RAISE NOTICE 'seen: %', $1; RETURN true; END $$",
    )
    seen: list[str] = []
    with reader.connect() as connection:
        connection.add_notice_handler(lambda notice: seen.append(str(notice.message_primary)))
        for view in ("job_errors", "job_history"):
            connection.execute(f"SELECT * FROM archiver.{view} WHERE public.peek(err_message)".encode())
    assert [notice for notice in seen if SECRET in notice] == []


def test_a_job_made_later_under_an_old_number_reads_nothing_of_the_old_ones_runs(tenants: Tenants) -> None:
    ann, ben = tenants.writer("ann"), tenants.writer("ben")
    run_as(ann, ADD, "anns")
    run_failed(tenants, "anns")
    run_as(ann, "DELETE FROM archiver.jobs")
    run_as(ben, "INSERT INTO archiver.jobs (job_id, job_name, created_at) VALUES (1000, 'x', '2000-01-01')")
    assert read_errors(ben) == []
    assert run_as(ben, "SELECT err_message FROM archiver.job_history") == [(None,)]


def test_a_reader_of_the_ledger_reads_all_but_what_was_said(tenants: Tenants) -> None:
    ann = tenants.writer("ann")
    run_as(ann, ADD, "anns")
    run_failed(tenants, "anns")
    reader = tenants.given("ledger_reader", tenants.login("reader"))
    assert run_as(reader, "SELECT sqlerrcode, crashed FROM archiver.job_runs") == [("22012", False)]
    for column in ("err_message", "output", "*"):
        assert isinstance(refusal(reader, f"SELECT {column} FROM archiver.job_runs"), errors.InsufficientPrivilege)
    assert read_errors(reader) == []
    assert run_as(reader, "SELECT job_name FROM archiver.jobs") == [("anns",)]


def test_a_reader_of_the_ledger_from_before_there_were_runs_does_not_read_them_either(place: Place) -> None:
    """Default privileges give him every table that a later version makes."""
    place.sql("CREATE SCHEMA IF NOT EXISTS analytics; CREATE TABLE analytics.events (id int)")
    owned = Owned.made(place)
    owned.run("role")
    owned.run("table", {"schema": "analytics", "table": "events"})
    reader = replace(place, role=f"reader of {place.database}")
    owned.run("role", {"role": str(reader.role)})
    owned.run("ledger_reader", {"role": str(reader.role), "archive": owned.role})
    with owned.login().session() as session:
        LedgerTables(session).migrate()
    run_as(reader, "SELECT id, succeeded, worker FROM archiver.job_runs")
    for column in ("err_message", "output"):
        assert isinstance(refusal(reader, f"SELECT {column} FROM archiver.job_runs"), errors.InsufficientPrivilege)
    owned.run("ledger_reader", {"role": str(reader.role), "archive": owned.role})
    run_as(reader, "SELECT id, succeeded, worker FROM archiver.job_runs")
