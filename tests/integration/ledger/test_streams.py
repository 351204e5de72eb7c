"""Streams of migrations: the ledger's and the jobs' are made where they are used, whatever release was there before."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from psycopg import sql

from pg_archiver.errors import DatabaseRefused
from pg_archiver.ledger.migrations import JOBS, LEDGER, JobTables, LedgerTables, list_migrations
from tests.support.jobs import Jobs
from tests.support.place import EVENTS, Place, hours_ago

pytestmark = pytest.mark.more

CASES = Path(__file__).parents[2] / "cases"
# What a program of the release before asks, and writes down.
FORMER_READ = "SELECT number FROM archiver.migrations"
FORMER_WRITE = "INSERT INTO archiver.migrations (number, name) VALUES (%s, %s)"
JOBS_TABLES = ["job_changes", "job_state", "jobs", "policy_owners"]


def numbers(place: Place, stream: str) -> list[int]:
    rows = place.sql("SELECT number FROM archiver.migrations WHERE stream = %s ORDER BY 1", stream)
    return [number for (number,) in rows]


def tables_of_jobs(place: Place) -> list[str]:
    rows = place.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('archiver')::oid"
        " AND relname = ANY(%s) ORDER BY 1",
        JOBS_TABLES,
    )
    return [name for (name,) in rows]


def test_an_archive_makes_the_ledger_and_no_jobs(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    place.archive()
    # The first makes the schema, before there is anywhere to note it.
    assert numbers(place, LEDGER) == [number for number, _ in list_migrations() if number > 1]
    assert numbers(place, JOBS) == []
    assert tables_of_jobs(place) == []
    with place.session() as session:
        assert not JobTables(session).exists()
        assert not JobTables(session).is_current()


def test_jobs_bring_the_ledger_along_and_the_archive_goes_on_beside_them(place: Place) -> None:
    with Jobs.of(place) as jobs:
        assert JobTables(jobs.session).is_current()
        assert LedgerTables(jobs.session).is_current()
        JobTables(jobs.session).migrate()
    assert numbers(place, JOBS) == [number for number, _ in list_migrations(JOBS)]
    assert tables_of_jobs(place) == JOBS_TABLES
    place.sql(EVENTS)
    place.events(hours_ago(60))
    assert sum(deleted.rows for deleted in place.archive()) == 1


@pytest.mark.parametrize("release", ["format_1", "format_2"])
def test_a_ledger_of_a_former_release_gets_the_jobs(place: Place, release: str) -> None:
    place.sql((CASES / release / "database.sql").read_text(encoding="utf-8"))
    place.sql("RESET ALL")
    before = place.sql("SELECT number, name, applied_at FROM archiver.migrations ORDER BY 1")
    with Jobs.of(place) as jobs:
        jobs.due()
        assert len(jobs.table.claim_due("run", 5)) == 1
    after = place.sql("SELECT number, name, applied_at FROM archiver.migrations WHERE stream = 'ledger' ORDER BY 1")
    assert after[: len(before)] == before


def test_a_program_of_the_release_before_finds_all_that_it_knows_and_adds_nothing(place: Place) -> None:
    with Jobs.of(place):
        pass
    known = set(range(2, 21))
    assert known <= {number for (number,) in place.sql(FORMER_READ)}


def test_what_a_program_of_the_release_before_notes_is_of_the_ledger(place: Place) -> None:
    with Jobs.of(place):
        pass
    place.sql(FORMER_WRITE, 999, "by an older program")
    assert numbers(place, LEDGER)[-1] == 999


def test_ten_first_runs_at_once_make_the_jobs_once(place: Place) -> None:
    together, failed = threading.Barrier(10), []

    def migrate() -> None:
        try:
            with place.session() as session:
                together.wait()
                JobTables(session).migrate()
        except Exception as error:  # noqa: BLE001 (whatever it is)
            failed.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert numbers(place, JOBS) == [number for number, _ in list_migrations(JOBS)]


def test_a_step_that_fails_leaves_none_of_its_stream(place: Place) -> None:
    with place.session() as session:
        LedgerTables(session).migrate()
    place.sql("CREATE VIEW archiver.postprocessing_jobs AS SELECT 1 AS mine")
    with place.session() as session, pytest.raises(DatabaseRefused, match=r"\(step 0007_postprocessing\)"):
        JobTables(session).migrate()
    assert tables_of_jobs(place) == []
    assert numbers(place, JOBS) == []


@pytest.mark.parametrize("table", [*JOBS_TABLES, "job_runs"])
def test_somebody_elses_table_of_a_name_of_ours_is_refused_by_name(place: Place, table: str) -> None:
    place.sql(f"CREATE SCHEMA archiver; CREATE TABLE archiver.{table} (handle int)")
    place.sql(EVENTS)
    place.events(hours_ago(60))
    with place.session() as session:
        for ask in (JobTables(session).migrate, JobTables(session).exists):
            with pytest.raises(DatabaseRefused, match=rf"^archiver\.{table} in database .* does not belong to this"):
                ask()
    if table == "job_runs":
        with pytest.raises(DatabaseRefused, match="does not belong to this"):
            place.archive()
    else:
        # What only jobs need keeps no archive.
        assert sum(deleted.rows for deleted in place.archive()) == 1
    assert place.sql(f"SELECT count(*) FROM archiver.{table}") == [(0,)]


def test_a_role_that_may_not_make_tables_is_told_what_to_grant(place: Place) -> None:
    place.sql("CREATE SCHEMA archiver")
    limited = place.as_role("limited", "USAGE ON SCHEMA archiver")
    with limited.session() as session, pytest.raises(DatabaseRefused, match=r"grant CREATE on that schema"):
        JobTables(session).migrate()


@pytest.mark.parametrize("path", ["public", "evil, pg_catalog", ""])
def test_names_of_users_stand_in_no_migrations_way(place: Place, path: str) -> None:
    place.sql(
        "CREATE SCHEMA evil;"
        "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT to_timestamp(0) $$;"
        "CREATE FUNCTION evil.pg_has_role(name, name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        "CREATE TABLE evil.jobs (job_id int); CREATE TABLE evil.job_state (job_id int)"
    )
    identifier = sql.Identifier(place.database).as_string()
    place.sql(f"ALTER DATABASE {identifier} SET search_path = {path or chr(39) * 2}")
    with Jobs.of(place) as jobs:
        jobs.due()
        (row,) = jobs.table.list_jobs()
        assert row.created_at.year > 2000
        assert len(jobs.table.claim_due("run", 5)) == 1
    assert place.sql("SELECT count(*) FROM evil.jobs") == [(0,)]
