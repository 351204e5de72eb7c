"""Procedures whose authors want more than they may: the ledger, the jobs and other databases stay as they are.

Under the login that roles/procedures.sql makes, and nothing else. Acceptance 5 of seed 002.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.postgres import PostgresServer
from pg_archiver.jobs.run import Ending
from tests.support.concurrency import in_background, until
from tests.support.job_place import JobPlace

pytestmark = pytest.mark.more

# What a run of a job itself writes.
_OF_RUNS = {"job_runs", "job_state"}
DENIED = "42501"


@pytest.fixture(scope="module")
def place(server: PostgresServer) -> Iterator[JobPlace]:
    """Two tenants of one server and their control database; whoever is hostile lives in the first."""
    with JobPlace.made(server, "jobs_hostile", targets=2) as place:
        for target in place.targets:
            place.define("INSERT INTO app.done VALUES (job_id, config);", "app.honest", target)
            place.job(f"honest {target}", database_name=target, proc_name="honest", schedule_interval="1 year")
        for target in place.targets:
            assert place.run_once(f"honest {target}").ending is Ending.SUCCEEDED
        for database in (place.control, *place.targets):
            place.run_script("procedures", database, role=place.login, archive=place.archive)
            place.sql(database, "CREATE EXTENSION dblink")
        place.define("", "app.evil")
        place.sql(
            place.target,
            "CREATE FUNCTION app.returning() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE FUNCTION app.on_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        )
        place.job("hostile", schedule_interval="1 year", proc_name="evil", max_runtime="20 seconds")
        place.plan(most=0)
        yield place


def everything(place: JobPlace) -> dict[tuple[str, str], Any]:
    """All that schema archiver holds in each database, and the tables of the other tenant."""
    found: dict[tuple[str, str], Any] = {}
    for database in (place.control, *place.targets):
        tables = place.sql(
            database, "SELECT relname FROM pg_class WHERE relnamespace = 'archiver'::regnamespace AND relkind = 'r'"
        )
        for (name,) in tables:
            found[database, name] = sorted(map(str, place.sql(database, f"SELECT t FROM archiver.{name} AS t")))
        found[database, "objects"] = place.sql(
            database,
            "SELECT 'relation', oid::text, relacl::text FROM pg_class WHERE relnamespace = 'archiver'::regnamespace"
            " UNION ALL SELECT 'trigger', tgrelid::text, tgname::text FROM pg_trigger WHERE NOT tgisinternal"
            " UNION ALL SELECT 'rule', ev_class::text, rulename::text FROM pg_rewrite"
            " UNION ALL SELECT 'event', evtname::text, NULL FROM pg_event_trigger"
            " UNION ALL SELECT 'function', oid::text, prosrc FROM pg_proc WHERE pronamespace = 'archiver'::regnamespace"
            " UNION ALL SELECT 'schema', nspname::text, nspacl::text FROM pg_namespace WHERE nspname <> 'app'"
            " ORDER BY 1, 2, 3",
        )
        found[database, "app.done"] = place.done(database)
    found["server", "roles"] = place.sql(
        place.control, "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members ORDER BY 1, 2"
    )
    return {
        key: [row for row in rows if "hostile" not in row and "app.evil" not in row] if key[1] in _OF_RUNS else rows
        for key, rows in found.items()
        if key != (place.control, "job_state")
    }


STATEMENTS = [
    "DELETE FROM archiver.migrations",
    "TRUNCATE archiver.windows",
    "INSERT INTO archiver.windows DEFAULT VALUES",
    "UPDATE archiver.job_runs SET succeeded = true",
    "DELETE FROM archiver.job_runs",
    "DELETE FROM archiver.job_stats",
    "PERFORM * FROM archiver.windows",
    "PERFORM err_message FROM archiver.job_runs",
    "CREATE TRIGGER evil BEFORE INSERT ON archiver.job_runs FOR EACH ROW EXECUTE FUNCTION app.returning()",
    "CREATE TRIGGER evil INSTEAD OF UPDATE ON archiver.job_stats FOR EACH ROW EXECUTE FUNCTION app.returning()",
    "CREATE RULE evil AS ON INSERT TO archiver.job_runs DO INSTEAD NOTHING",
    "CREATE TABLE archiver.evil ()",
    "CREATE FUNCTION archiver.hashtextextended(text, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE VIEW archiver.job_stats AS SELECT 1",
    "ALTER TABLE archiver.job_runs DISABLE TRIGGER ALL",
    "GRANT ALL ON archiver.job_runs TO PUBLIC",
    "ALTER SCHEMA archiver RENAME TO ours",
    "CREATE EVENT TRIGGER evil ON ddl_command_end EXECUTE FUNCTION app.on_event()",
    "CREATE SCHEMA evil",
    "CREATE EXTENSION file_fdw",
    "COPY (SELECT 1) TO PROGRAM 'touch {canary}'",
    "COPY app.done (who) FROM PROGRAM 'touch {canary}; echo x'",
    "COPY (SELECT 1) TO '{canary}'",
    "ALTER SYSTEM SET archive_command = 'touch {canary}'",
    "PERFORM pg_read_file('/etc/passwd')",
    "PERFORM lo_export(lo_create(0), '{canary}')",
    "PERFORM pg_reload_conf()",
    "PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{archive}'",
    "PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = '{archive}'",
    "PERFORM dblink_exec('dbname={control}', 'DELETE FROM archiver.jobs')",
    "PERFORM dblink_exec('dbname={other} user={archive}', 'DELETE FROM app.done')",
    "PERFORM dblink_exec('host=127.0.0.1 port={port} dbname={other} user={archive} password=', 'SELECT 1')",
    "PERFORM dblink_connect('host=127.0.0.1 port={port} dbname={other} user=postgres password=postgres')",
    "GRANT {archive} TO {login}",
    "ALTER ROLE {archive} PASSWORD 'evil'",
    "ALTER ROLE {archive} SET search_path = evil",
    "ALTER ROLE {login} SUPERUSER",
    "ALTER ROLE {login} CREATEROLE",
    "DROP OWNED BY {archive}",
    "REASSIGN OWNED BY {archive} TO {login}",
    "DROP DATABASE {other}",
    "ALTER DATABASE {control} SET default_transaction_read_only = on",
    "SECURITY LABEL ON ROLE {archive} IS 'x'",
]
AS_OTHERS = {
    "SET ROLE {archive}": DENIED,
    "SET LOCAL ROLE {archive}": DENIED,
    "SET ROLE postgres": DENIED,
    "SET SESSION AUTHORIZATION {archive}": DENIED,
    "SET SESSION AUTHORIZATION postgres": DENIED,
    "PERFORM set_config('role', '{archive}', false)": DENIED,
    "PERFORM set_config('session_authorization', 'postgres', false)": DENIED,
    "SET session_replication_role = replica": DENIED,
    "SET log_min_messages = panic": DENIED,
}


def run_evil(place: JobPlace, body: str, canary: Path) -> Any:
    """The run of a procedure with this body."""
    other = place.targets[1]
    words = {
        "archive": place.archive,
        "login": place.login,
        "control": place.control,
        "other": other,
        "port": place.server.port,
        "canary": canary,
    }
    for name, word in words.items():
        body = body.replace(f"{{{name}}}", str(word))
    place.define(body, "app.evil")
    return place.run_once("hostile")


def check(place: JobPlace, body: str, canary: Path, code: str | None = None) -> None:
    """Runs it, and looks whether anything but its own record is another than before."""
    before = everything(place)
    runs = int(place.state("hostile", "total_runs"))
    result = run_evil(place, body, canary)
    assert everything(place) == before
    assert not canary.exists()
    assert place.state("hostile", "state, total_runs") == ("idle", runs + 1)
    assert result.failed
    if code:
        assert result.sqlerrcode == code


@pytest.mark.more
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_procedure_may_not_do_what_is_not_its_own(place: JobPlace, tmp_path: Path, statement: str) -> None:
    check(place, f"RESET ROLE; {statement};", tmp_path / "canary")


@pytest.mark.more
@pytest.mark.parametrize("statement", AS_OTHERS)
def test_a_procedure_becomes_nobody_else(place: JobPlace, tmp_path: Path, statement: str) -> None:
    body = f"{statement}; DELETE FROM archiver.migrations; DELETE FROM archiver.jobs;"
    check(place, body, tmp_path / "canary", AS_OTHERS[statement])


def test_a_procedure_that_swallows_its_refusals_gains_nothing(place: JobPlace, tmp_path: Path) -> None:
    """All of it in one procedure that goes on after each error, and commits."""
    words = [*AS_OTHERS, *STATEMENTS]
    body = "".join(
        f"BEGIN {statement}; RAISE NOTICE 'did {number}'; EXCEPTION WHEN OTHERS THEN NULL; END; COMMIT;"
        for number, statement in enumerate(words)
    )
    check(place, f"{body} RAISE EXCEPTION 'done';", tmp_path / "canary", "P0001")
    # Not one of them did not fail.
    (*_, (output,)) = place.sql(place.target, "SELECT output FROM archiver.job_runs ORDER BY id")
    assert "did" not in (output or "")


def test_giving_up_all_locks_lets_nobody_else_in(place: JobPlace, tmp_path: Path) -> None:
    """The controlling session has one too, of which the procedure knows nothing."""
    place.sql(
        place.target, "CREATE TABLE IF NOT EXISTS app.unlocked (); GRANT INSERT, SELECT ON app.unlocked TO PUBLIC"
    )
    body = "PERFORM pg_advisory_unlock_all(); INSERT INTO app.unlocked DEFAULT VALUES; COMMIT; PERFORM pg_sleep(3);"
    with in_background(lambda: run_evil(place, body, tmp_path)) as running:
        until(lambda: bool(place.sql(place.target, "SELECT 1 FROM app.unlocked")))
        (state,) = place.sql(place.control, "SELECT job_id, definition FROM archiver.job_state WHERE state = 'running'")
        # Whoever planned now would not take it for dead, and whoever ran it would not.
        assert place.plan("another run").claims == ()
        assert place.state("hostile") == "running"
        claim = place.claims_by_hand("hostile", state[1])
        assert "another session holds its lock" in place.run(claim).told
        assert running.result().ending is Ending.SUCCEEDED
    assert place.state("hostile") == "idle"


@pytest.mark.more
def test_a_procedure_that_does_not_let_itself_be_cancelled_is_ended_all_the_same(
    place: JobPlace, tmp_path: Path
) -> None:
    place.sql(place.control, "UPDATE archiver.jobs SET max_runtime = '1 second' WHERE job_name = 'hostile'")
    body = (
        "PERFORM set_config('client_connection_check_interval', '0', false);"
        " LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;"
    )
    result = run_evil(place, body, tmp_path)
    place.sql(place.control, "UPDATE archiver.jobs SET max_runtime = '20 seconds' WHERE job_name = 'hostile'")
    assert (result.failed, result.sqlerrcode) == (True, "57014")
    assert "does not end although it was cancelled" in result.told
    until(lambda: not place.sql(place.control, "SELECT pid FROM pg_stat_activity WHERE usename = %s", place.login))
    assert run_evil(place, "PERFORM 1;", tmp_path).ending is Ending.SUCCEEDED


@pytest.mark.parametrize(
    "leftover",
    [
        "SET statement_timeout = '1ms'",
        "SET search_path = evil",
        "SET default_transaction_read_only = on",
        "SET client_encoding = 'LATIN1'",
        "SET client_min_messages = 'error'",
        "CREATE TEMPORARY TABLE job_runs (id int)",
        "LISTEN archiver_due",
        "PERFORM pg_advisory_lock(hashtextextended('archiver job control {control} 1000', 0))",
        "PERFORM pg_notify('archiver_due', repeat('x', 7000))",
        "RAISE NOTICE '%', repeat(E'\\n', 100)",
    ],
)
def test_what_a_procedure_leaves_in_its_session_changes_nothing_for_others(
    place: JobPlace, tmp_path: Path, leftover: str
) -> None:
    place.sql(place.target, f"GRANT TEMPORARY ON DATABASE {place.target} TO {place.login}")
    assert run_evil(place, f"{leftover};", tmp_path).ending is Ending.SUCCEEDED
    assert place.run_once(f"honest {place.target}").ending is Ending.SUCCEEDED


def test_a_login_with_more_rights_than_a_plain_one_gets_nothing_granted(place: JobPlace) -> None:
    place.sql(place.control, f"GRANT {place.archive} TO {place.login}")
    try:
        with pytest.raises(AssertionError, match="nothing was granted"):
            place.run_script("procedures", place.target, role=place.login, archive=place.archive)
    finally:
        place.sql(place.control, f"REVOKE {place.archive} FROM {place.login}")


def test_the_login_reads_the_statistics_and_no_words_of_others(place: JobPlace) -> None:
    with psycopg.connect(**{**place.server.dsn(place.target), "user": place.login}, autocommit=True) as login:
        assert login.execute("SELECT count(*) FROM archiver.job_stats").fetchone() != (0,)
        assert login.execute("SELECT count(*) FROM archiver.job_errors").fetchone() == (0,)
        assert login.execute("SELECT count(err_message) + count(output) FROM archiver.job_history").fetchone() == (0,)
