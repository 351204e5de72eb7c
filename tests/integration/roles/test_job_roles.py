"""Jobs under the least rights: who may write which job, who reads what was said, and what procedures cannot reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg import errors, sql

from pg_archiver.ledger.job_runs import JobRunLog, RunEnd, RunStart
from pg_archiver.ledger.jobs import JobKey, JobsTable, JobState, StateChange
from pg_archiver.ledger.migrations import JobTables
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
