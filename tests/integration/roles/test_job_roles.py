"""Jobs under the least rights: who may write which job, who reads what was said, and what procedures cannot reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from psycopg import errors, sql

from dev.postgres import PostgresServer
from dev.repack_server import repack_server
from dev.s3 import S3Server
from pg_archiver.ledger.job_runs import JobRunLog, RunEnd, RunStart
from pg_archiver.ledger.jobs import JobKey, JobsTable, JobState, StateChange
from pg_archiver.ledger.migrations import JobTables, LedgerTables
from tests.support.jobs import DIGEST, Tenants, make_job, refusal, run_as
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


@pytest.fixture(scope="module")
def fifteen() -> Iterator[PostgresServer]:
    with TemporaryDirectory() as folder, repack_server(Path(folder)) as found:
        yield found.server


@pytest.fixture(params=["17", pytest.param("15", marks=pytest.mark.more)])
def tenants(request: pytest.FixtureRequest, rclone: S3Server) -> Iterator[Tenants]:
    """On either server: memberships are other ones from 16 on."""
    server = request.getfixturevalue("server" if request.param == "17" else "fifteen")
    with Place.made(server, rclone, 400_000 + request.node.parent.session.items.index(request.node)) as place:
        yield Tenants.made(place)


def quoted(role: str) -> str:
    return sql.Identifier(role).as_string()


def mirror(tenants: Tenants, *names: str) -> None:
    with tenants.archiver.session() as session:
        assert JobsTable(session).mirror([make_job(name) for name in names]) == []


def owner_of(tenants: Tenants, name: str) -> str:
    ((owner,),) = tenants.place.sql("SELECT owner FROM archiver.jobs WHERE job_name = %s", name)
    return str(owner)


def everything(tenants: Tenants) -> list[list[object]]:
    tables = ("jobs", "job_state", "job_changes", "job_runs", "windows")
    return [tenants.place.sql(f"SELECT * FROM archiver.{table} ORDER BY 1") for table in tables]


def run_failed(tenants: Tenants, name: str) -> None:
    """A run of the job that failed with a message that holds a row, by the archive's own session."""
    ((job_id,),) = tenants.place.sql("SELECT job_id FROM archiver.jobs WHERE job_name = %s", name)
    database = tenants.place.database
    with tenants.archiver.session() as session:
        runs = JobRunLog(session)
        run = runs.begin(RunStart(name, "table", "call", "schedule", database, job_id, database))
        runs.end(run, RunEnd(succeeded=False, sqlerrcode="22012", err_message=SECRET, output=SECRET))


def test_the_archives_own_role_owns_the_tables_and_does_all_of_its_work(tenants: Tenants) -> None:
    mirror(tenants, "of the file")
    with tenants.archiver.session() as session:
        table, runs = JobsTable(session), JobRunLog(session)
        key = JobKey(table.list_jobs()[0].job_id, tenants.place.database)
        table.write_states([StateChange(key, DIGEST, JobState.IDLE, next_start=table.now())])
        assert [claimed.key for claimed in table.claim_due("run", 5)] == [key]
        assert table.begin_run(key, DIGEST, "run")
        run = runs.begin(RunStart("x", "file", "call", "schedule", key.database, key.job_id, key.database))
        runs.end(run, RunEnd(succeeded=True))
        (ended,) = runs.list_unfolded(key.database)
        assert table.fold(key, ended, None, JobState.IDLE)
        runs.mark_folded(run)
    owners = tenants.place.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'archiver'")
    assert owners == [(tenants.owned.role,)]


def test_a_writer_writes_his_own_jobs_in_every_way(tenants: Tenants) -> None:
    tenants.place.sql(
        "CREATE PROCEDURE public.p(int, jsonb) LANGUAGE sql AS ''; GRANT USAGE ON SCHEMA public TO PUBLIC"
    )
    ann = tenants.writer("ann")
    for number, change in enumerate(CHANGES):
        run_as(ann, ADD, f"mine {number}")
        run_as(ann, change, f"mine {number}")
    ((job_id,),) = run_as(ann, "SELECT archiver.add_job('public.p', '1 hour', job_name => 'added')")
    run_as(ann, "CALL archiver.run_job(%s)", job_id)
    run_as(ann, "INSERT INTO archiver.postprocessing_jobs (application_name, proc_name) VALUES ('hdb', 'p')")
    run_as(ann, "INSERT INTO archiver.postprocessing_jobs_stats (job_id, total_runs) VALUES (%s, 5)", job_id)
    assert tenants.place.sql("SELECT DISTINCT owner FROM archiver.jobs") == [(ann.role,)]
    assert run_as(ann, "SELECT total_runs FROM archiver.job_stats WHERE job_id = %s", job_id) == [(5,)]
    assert tenants.place.sql("SELECT DISTINCT who FROM archiver.job_changes") == [(ann.role,)]


def test_a_writer_changes_no_job_of_another_and_none_of_the_file(tenants: Tenants) -> None:
    ann, ben = tenants.writer("ann"), tenants.writer("ben")
    run_as(ann, ADD, "anns")
    mirror(tenants, "files")
    before = everything(tenants)
    for change in CHANGES:
        error = refusal(ben, change, "anns")
        assert isinstance(error, errors.InsufficientPrivilege)
        assert f'job "anns" belongs to role "{ann.role}", of which role "{ben.role}" is no member' in str(error)
        for one in (ann, ben):
            error = refusal(one, change, "files")
            assert isinstance(error, errors.InsufficientPrivilege)
            assert "one of the policy file (source 'file'). Nothing was saved. Fix: change the file" in str(error)
    statistics = (
        "INSERT INTO archiver.postprocessing_jobs_stats (job_id, total_runs) SELECT job_id, 5 FROM archiver.jobs"
    )
    assert "is another role's" in str(refusal(ben, f"{statistics} WHERE job_name = 'anns'"))
    assert everything(tenants) == before


def test_a_writer_makes_no_job_of_the_file_or_of_another(tenants: Tenants) -> None:
    ann, ben = tenants.writer("ann"), tenants.writer("ben")
    as_files = "INSERT INTO archiver.jobs (job_name, source) VALUES ('x', 'file')"
    assert "one of the policy file" in str(refusal(ann, as_files))
    run_as(ann, "INSERT INTO archiver.jobs (job_name, owner, created_at) VALUES ('mine', %s, '1999-01-01')", ben.role)
    assert tenants.place.sql("SELECT owner, created_at > now() - interval '1 hour' FROM archiver.jobs") == [
        (ann.role, True)
    ]
    assert "one of the policy file" in str(refusal(ann, "UPDATE archiver.jobs SET source = 'file'"))
    error = refusal(ann, "UPDATE archiver.jobs SET owner = %s", ben.role)
    assert f'cannot be given to role "{ben.role}"' in str(error)
    assert isinstance(error, errors.InsufficientPrivilege)
    assert owner_of(tenants, "mine") == ann.role


def test_a_role_that_is_gone_owns_nothing_that_another_may_take(tenants: Tenants) -> None:
    ann, ben = tenants.writer("ann"), tenants.writer("ben")
    run_as(ann, ADD, "anns")
    tenants.place.sql("UPDATE archiver.jobs SET owner = 'nobody \"at\" all'")
    for change in CHANGES:
        assert isinstance(refusal(ben, change, "anns"), errors.InsufficientPrivilege)


def test_members_of_the_owner_may_change_his_jobs(tenants: Tenants) -> None:
    ann, ben = tenants.writer("ann"), tenants.writer("ben")
    run_as(ann, ADD, "anns")
    tenants.place.sql(f"GRANT {quoted(str(ann.role))} TO {quoted(str(ben.role))}")
    run_as(ben, CHANGES[0], "anns")
    assert owner_of(tenants, "anns") == ann.role
    run_as(ann, "UPDATE archiver.jobs SET owner = owner")
    run_as(ben, "UPDATE archiver.jobs SET owner = %s", ben.role)
    assert "belongs to role" in str(refusal(ann, CHANGES[0], "anns"))


def test_the_owner_of_the_database_changes_all_jobs_but_those_of_the_file(tenants: Tenants) -> None:
    ann = tenants.writer("ann")
    master = tenants.given("job_writers", tenants.master, group=f"writers of {tenants.place.database}")
    run_as(ann, ADD, "anns")
    mirror(tenants, "files")
    run_as(master, CHANGES[0], "anns")
    for change in CHANGES:
        assert "one of the policy file" in str(refusal(master, change, "files"))
    run_as(master, CHANGES[-2], "anns")


def test_a_function_with_its_owners_rights_has_those_and_not_its_callers(tenants: Tenants) -> None:
    """What another writer wrote changes the caller's job only if it may change it itself."""
    ann, ben = tenants.writer("ann"), tenants.writer("ben")
    tenants.place.sql("GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC")
    master = tenants.given("job_writers", tenants.master, group=f"writers of {tenants.place.database}")
    run_as(ann, ADD, "anns")
    run_as(
        ben,
        "CREATE FUNCTION public.harmless() RETURNS void LANGUAGE sql SECURITY DEFINER AS"
        " $$ UPDATE archiver.jobs SET config = '{\"evil\": 1}' $$",
    )
    assert isinstance(refusal(master, "SELECT public.harmless()"), errors.InsufficientPrivilege)
    assert tenants.place.sql("SELECT config FROM archiver.jobs") == [({},)]


def test_a_writer_as_the_group_still_writes_his_own_jobs(tenants: Tenants) -> None:
    ann = tenants.writer("ann")
    with ann.connect() as connection:
        connection.autocommit = True
        connection.execute(f'SET ROLE "writers of {tenants.place.database}"'.encode())
        connection.execute(ADD, ["mine"])
        connection.execute(CHANGES[0].encode(), ["mine"])
    assert owner_of(tenants, "mine") == ann.role


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


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("job_writers", "nothing was granted: there is no archiver.jobs in this database yet"),
        ("statistics_reader", "nothing was granted: there is no archiver.job_stats in this database yet"),
    ],
)
def test_before_there_is_anything_to_grant_a_script_says_so(place: Place, script: str, words: str) -> None:
    place.sql("CREATE SCHEMA IF NOT EXISTS analytics; CREATE TABLE analytics.events (id int)")
    owned = Owned.made(place)
    owned.run("role")
    other = f"other of {place.database}"
    owned.run("role", {"role": other})
    with pytest.raises(AssertionError, match=words):
        owned.run(script, {"role": other, "archive": owned.role})
    owned.run("procedures", {"role": other, "archive": owned.role})
    assert run_as(replace(place, role=other), "SELECT 1") == [(1,)]


def test_the_common_group_is_made_once_for_the_server(tenants: Tenants) -> None:
    ann = tenants.given("job_writers", tenants.login("ann"))
    tenants.given("job_writers", ann)
    assert tenants.place.sql("SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'archiver_job_writers'") == [
        (False, False)
    ]
    run_as(ann, ADD, "anns")
    tenants.place.sql("DROP OWNED BY archiver_job_writers; DROP ROLE archiver_job_writers")


def test_the_jobs_may_be_in_a_schema_of_the_archives_own(place: Place) -> None:
    place.sql("CREATE SCHEMA IF NOT EXISTS analytics; CREATE TABLE analytics.events (id int)")
    owned = Owned.made(place)
    owned.run("role")
    place.sql(f"CREATE SCHEMA archiver AUTHORIZATION {quoted(owned.role)}")
    place.sql(f"GRANT CONNECT ON DATABASE {place.database} TO {quoted(owned.role)}")
    with owned.login().session() as session:
        JobTables(session).migrate()
    tenants = Tenants(owned)
    ann = tenants.writer("ann")
    run_as(ann, ADD, "anns")
    procedures = tenants.given("procedures", tenants.login("procedures"))
    assert run_as(procedures, "SELECT job_name FROM archiver.job_stats") == [("anns",)]


def test_a_job_sets_its_own_next_start_if_its_owner_lets_it(tenants: Tenants) -> None:
    """The procedure runs with its owner's rights, who is the job's owner too; the login that calls it has none."""
    ann = tenants.writer("ann")
    tenants.place.sql("GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC")
    run_as(
        ann,
        "CREATE PROCEDURE public.p(job_id int, config jsonb) LANGUAGE sql SECURITY DEFINER AS"
        " $$ SELECT archiver.alter_job(job_id, next_start => '2030-01-01 UTC') $$",
    )
    ((job_id,),) = run_as(ann, "SELECT archiver.add_job('public.p', '1 hour')")
    procedures = tenants.given("procedures", tenants.login("procedures"), schema="public")
    run_as(procedures, "CALL public.p(%s, '{}')", job_id)
    ((year,),) = run_as(procedures, "SELECT extract(year FROM next_start) FROM archiver.job_stats")
    assert year == 2030
    run_as(
        ann,
        "CREATE PROCEDURE public.q(job_id int) LANGUAGE sql AS"
        " $$ SELECT archiver.alter_job(job_id, next_start => now()) $$",
    )
    assert isinstance(refusal(procedures, "CALL public.q(%s)", job_id), errors.InsufficientPrivilege)
