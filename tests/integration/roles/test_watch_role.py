"""The role that owns tables: it may have its own tables watched, and nobody else's, and sees no event."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from pg_archiver.ledger.migrations import EventTables
from tests.support.place import Place
from tests.support.role_scripts import run_role_script

JOB = "INSERT INTO archiver.jobs (job_name, action, function_name, owner) VALUES ('copy', 'function', 'copy', '{}')"
BEHIND_ITS_BACK = """
    INSERT INTO archiver.bindings (source, job_name, job_id, key_columns)
    SELECT 'public.others', 'copy', (archiver.find_function_job(NULL, 'copy')).job_id, '{id}'
"""
NOTED = "SELECT operation::text, key FROM archiver.incoming_events ORDER BY id"


@pytest.fixture
def team(place: Place) -> Iterator[str]:
    """A role that owns a schema with a table, in a database with a queue."""
    name = f"team_{place.database}"
    place.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    place.sql(f"CREATE SCHEMA app AUTHORIZATION {name}; SET ROLE {name}; CREATE TABLE app.orders (id int PRIMARY KEY)")
    place.sql("RESET ROLE; CREATE TABLE public.others (id int PRIMARY KEY)")
    yield name
    place.sql(f"DROP OWNED BY {name}")
    place.sql(f"DROP ROLE {name}")


def grant(place: Place, role: str) -> None:
    run_role_script(place.server, place.database, "watch", role=role, archive=place.server.user)


def test_it_has_its_own_tables_watched_and_no_others(place: Place, team: str) -> None:
    with place.session() as session:
        EventTables(session).migrate()
    place.sql(JOB.format(team))
    grant(place, team)
    grant(place, team)
    dsn = {**place.server.dsn(place.database), "user": team, "password": "x"}
    with psycopg.connect(**dsn, autocommit=True) as connection:
        (binding,) = connection.execute("SELECT archiver.watch('app.orders', 'copy')").fetchone() or (None,)
        connection.execute("INSERT INTO app.orders VALUES (7)")
        assert place.sql(NOTED) == [("I", {"id": 7})]
        connection.execute("SELECT archiver.watch_channel('/q/orders', 'copy'), archiver.send('/q/orders', '{}')")
        assert len(place.sql(NOTED)) == 2
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT archiver.watch('public.others', 'copy')")
        with pytest.raises(errors.InsufficientPrivilege, match="is for the owner of the table"):
            connection.execute(BEHIND_ITS_BACK)
        for statement in (
            "SELECT FROM archiver.incoming_events",
            "DELETE FROM archiver.events",
            "SELECT archiver.claim_events(0, 1, 1, 0, 0, '{}', NULL, '{}', '{}')",
            "SELECT archiver.write_capture(1)",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())
        connection.execute("SELECT archiver.unwatch(%s)", [binding])
        connection.execute("INSERT INTO app.orders VALUES (8)")
    assert len(place.sql(NOTED)) == 2


def test_who_writes_to_a_watched_table_needs_no_right_of_ours(place: Place, team: str) -> None:
    with place.session() as session:
        EventTables(session).migrate()
    place.sql(JOB.format(team))
    place.sql("SELECT archiver.watch('app.orders', 'copy')")
    place.sql(f"CREATE ROLE writer_{team} LOGIN PASSWORD 'x'")
    try:
        place.sql(f"GRANT USAGE ON SCHEMA app TO writer_{team}; GRANT INSERT ON app.orders TO writer_{team}")
        dsn = {**place.server.dsn(place.database), "user": f"writer_{team}", "password": "x"}
        with psycopg.connect(**dsn, autocommit=True) as connection:
            connection.execute("INSERT INTO app.orders VALUES (7)")
        assert place.sql(NOTED) == [("I", {"id": 7})]
    finally:
        place.sql(f"DROP OWNED BY writer_{team}")
        place.sql(f"DROP ROLE writer_{team}")


def test_before_there_is_a_queue_nothing_is_granted_and_it_says_so(place: Place, team: str) -> None:
    with pytest.raises(AssertionError, match="nothing was granted: there is no queue of events in this database yet"):
        grant(place, team)
