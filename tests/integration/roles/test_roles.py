"""The least rights: the whole job runs under the role that the scripts make, and that role can do nothing else."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors, sql

from pg_archiver.archive.delete import Deleted
from pg_archiver.archive.report import BatchEnd, report
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.work import Batch
from pg_archiver.errors import DatabaseRefused, Refused, TableRefused
from pg_archiver.verify.rebuild_ledger import rebuild
from pg_archiver.verify.verify_archive import verify
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import differences, remembered, restored
from tests.support.roles import Owned, Right, rights

ARCHIVER, DATABASE = "SCHEMA archiver", 'DATABASE :"DBNAME"'
SCHEMA, TABLE = 'SCHEMA :"schema"', 'TABLE :"schema".:"table"'
NAMES = {"schema": "analytics", "table": "events"}
CHILD_SCHEMA, CHILD = 'SCHEMA :"child_schema"', 'TABLE :"child_schema".:"child_table"'
CHILDREN = {**NAMES, "column": "name", "child_schema": "clicked", "child_table": "clicks"}
MAY_NOT = "the role of the Airflow connection may not"
# What each right is for: without it, this is what is said.
WITHOUT = {
    Right("table", "CONNECT", DATABASE): (DatabaseRefused, "permission denied for database .* CONNECT"),
    Right("table", "TEMPORARY", DATABASE): (TableRefused, f"{MAY_NOT} make temporary tables.*grant TEMPORARY on the"),
    Right("table", "USAGE", ARCHIVER): (DatabaseRefused, f"{MAY_NOT} keep the ledger.*grant USAGE on that schema"),
    Right("table", "CREATE", ARCHIVER): (DatabaseRefused, f"{MAY_NOT} keep the ledger.*grant CREATE on that schema"),
    Right("table", "USAGE", SCHEMA): (TableRefused, "grant USAGE on the schema"),
    Right("table", "SELECT", TABLE): (TableRefused, f"{MAY_NOT} SELECT from analytics.events"),
    Right("table", "DELETE", TABLE): (TableRefused, f"{MAY_NOT} DELETE from analytics.events"),
    Right("children", 'UPDATE (:"column")', TABLE): (TableRefused, f"{MAY_NOT} lock rows.*grant UPDATE on one of its"),
    Right("children", "USAGE", CHILD_SCHEMA): (TableRefused, f"{MAY_NOT} read all of clicked.clicks.*grant USAGE on"),
    Right("children", "SELECT", CHILD): (
        TableRefused,
        f"{MAY_NOT} read all of clicked.clicks.*and SELECT on the table",
    ),
    Right("restore", "INSERT", TABLE): (TableRefused, f"{MAY_NOT} INSERT on analytics.events"),
    Right("restore", "UPDATE", TABLE): (TableRefused, f"{MAY_NOT} UPDATE on analytics.events"),
    Right("restore_into", "USAGE", SCHEMA): (TableRefused, f"{MAY_NOT} create a table in schema 'back'.*USAGE and"),
    Right("restore_into", "CREATE", SCHEMA): (TableRefused, f"{MAY_NOT} create a table in schema 'back'.*CREATE on"),
}


@pytest.fixture
def owned(place: Place) -> Owned:
    """A database that belongs to a plain role, with events, another table, and no rights for anybody else."""
    place.sql(EVENTS)
    place.sql("CREATE TABLE analytics.salaries AS SELECT 1 AS salary")
    place.events(*(hours_ago(60 - minute / 60) for minute in range(90)), hours_ago(1))
    return Owned.made(place)


def granted(owned: Owned, without: Right | None = None) -> Place:
    """The role made by the scripts, with all rights of all of them."""
    owned.run("role", without=without)
    owned.run("table", NAMES, without)
    owned.run("restore", NAMES, without)
    owned.run("restore_into", {"schema": "back"}, without)
    return owned.login()


def parent(owned: Owned, without: Right | None = None) -> Place:
    """A table to which another one points, in a schema of its own, and the role with the rights to archive it."""
    owned.place.sql(
        "CREATE SCHEMA clicked;"
        "CREATE TABLE clicked.clicks (event_id bigint REFERENCES analytics.events ON DELETE CASCADE);"
        "CREATE INDEX ON clicked.clicks (event_id); INSERT INTO clicked.clicks VALUES (1);"
        f"ALTER SCHEMA clicked OWNER TO {owned.master}; ALTER TABLE clicked.clicks OWNER TO {owned.master}"
    )
    owned.run("role", without=without)
    owned.run("table", NAMES, without)
    owned.run("children", CHILDREN, without)
    return owned.login().ordered(children=(TableName("clicked", "clicks"),))


def whole_job(place: Place) -> None:
    """Plan, export, store, delete, report; verify and rebuild; restore into the table and into a new one."""
    before = place.live()
    windows = place.windows()
    for window in windows:
        place.export(window)
        place.check(window)
        place.delete(window)
    with place.session() as session:
        assert report(session, place.order, [BatchEnd(Batch(tuple(windows)), "", "", exported=True)]).deleted == 90
        assert verify(session, place.store, place.order).problems == []
        assert rebuild(session, place.store, place.order).problems == []
    assert sum(place.live().values()) == 1
    assert restored(place, on_conflict="newest").restored == 90
    assert place.live() == before
    assert restored(place, into="back.events").restored == 90


def job_with_restores(owned: Owned, without: Right) -> None:
    whole_job(granted(owned, without))


def job_with_children(owned: Owned, without: Right) -> None:
    parent(owned, without).archive()


def test_the_whole_job_runs_under_the_role(owned: Owned) -> None:
    remembered(owned.place)
    whole_job(granted(owned))
    assert differences(owned.place) == []


def test_archiving_alone_needs_the_first_two_scripts_alone(owned: Owned) -> None:
    owned.run("role")
    owned.run("table", NAMES)
    assert owned.login().archive() == [Deleted(60, 0), Deleted(30, 0)]


def test_the_scripts_may_be_run_again(owned: Owned) -> None:
    granted(owned)
    whole_job(granted(owned))


def test_the_ledger_may_be_the_roles_own(owned: Owned) -> None:
    owned.run("role")
    owned.place.sql(f"CREATE SCHEMA archiver AUTHORIZATION {sql.Identifier(owned.role).as_string()}")
    whole_job(granted(owned))


def test_every_right_of_every_script_is_tried() -> None:
    assert set(WITHOUT) == set(rights())


@pytest.mark.parametrize("right", rights(), ids=lambda right: f"{right.script} {right.privilege} {right.on}")
def test_each_right_is_needed_and_its_lack_is_named(owned: Owned, right: Right) -> None:
    kind, message = WITHOUT[right]
    before = owned.place.live()
    job = job_with_children if right.script == "children" else job_with_restores
    with pytest.raises(kind, match=message):
        job(owned, right)
    if right.script in {"table", "children"}:
        assert owned.place.live() == before
        assert owned.place.keys() == []


def test_a_table_with_children_is_archived_with_the_rights_for_it(owned: Owned) -> None:
    place = parent(owned)
    assert sum(deleted.rows for deleted in place.archive()) == 89
    assert place.sql("SELECT count(*) FROM clicked.clicks") == [(1,)]


def test_the_rights_of_a_restore_end_with_it(owned: Owned) -> None:
    place = granted(owned)
    place.archive()
    owned.run("restore_end", NAMES)
    with pytest.raises(Refused, match="may not INSERT and UPDATE on"):
        restored(place, on_conflict="newest")
    assert place.archive() == []


FORBIDDEN = [
    "UPDATE analytics.events SET name = 'x'",
    "INSERT INTO analytics.events (triggered_at) VALUES (now())",
    "TRUNCATE analytics.events",
    "DROP TABLE analytics.events",
    "ALTER TABLE analytics.events ADD more int",
    "ALTER TABLE analytics.events OWNER TO CURRENT_USER",
    "CREATE INDEX ON analytics.events (name)",
    "CREATE TRIGGER t BEFORE DELETE ON analytics.events EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "SELECT * FROM analytics.salaries",
    "DELETE FROM analytics.salaries",
    "CREATE TABLE analytics.mine (x int)",
    "CREATE TABLE public.mine (x int)",
    "CREATE SCHEMA mine",
    "DROP SCHEMA archiver",
    "DROP SCHEMA analytics CASCADE",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE EXTENSION file_fdw",
    "COPY analytics.events TO PROGRAM 'cat'",
    "COPY analytics.events TO '/dev/null'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT * FROM pg_authid",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "SET ROLE postgres",
]


def test_what_the_role_cannot_do(owned: Owned) -> None:
    owned.run("role")
    owned.run("table", NAMES)
    place = owned.login()
    place.windows()
    allowed = []
    for statement in [
        *FORBIDDEN,
    ]:
        with place.connect() as connection:
            connection.autocommit = True
            try:
                connection.execute(statement.encode())
                allowed.append(statement)
            except errors.InsufficientPrivilege:
                pass
    assert allowed == []


def test_the_role_reaches_no_other_clients_database(owned: Owned) -> None:
    place = granted(owned)
    other = f"{place.database}_other"
    place.server.create_database(other)
    try:
        with place.server.connect(other) as connection:
            connection.execute(EVENTS.encode())

        def reading() -> None:
            dsn = {**place.server.dsn(other), "user": place.role}
            with psycopg.connect(**dsn) as connection:
                connection.execute("SELECT * FROM analytics.events")

        with pytest.raises(errors.InsufficientPrivilege, match="schema analytics"):
            reading()
        with place.server.connect(other) as connection:
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(other)))
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            reading()
    finally:
        with place.server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(other)))


def test_a_partitioned_table_needs_rights_on_itself_alone_and_keeps_its_partitions(owned: Owned) -> None:
    owned.place.sql(
        "CREATE TABLE analytics.parts (at timestamp, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);"
        "CREATE TABLE analytics.parts_old PARTITION OF analytics.parts"
        f"   FOR VALUES FROM ('{hours_ago(70)}') TO ('{hours_ago(50)}');"
        f"ALTER TABLE analytics.parts OWNER TO {owned.master}; ALTER TABLE analytics.parts_old OWNER TO {owned.master}"
    )
    owned.place.sql("INSERT INTO analytics.parts SELECT %s, n FROM generate_series(1, 5) n", hours_ago(60))
    names = {"schema": "analytics", "table": "parts"}
    owned.run("role")
    owned.run("table", names)
    owned.run("restore", names)
    place = owned.login().on("analytics.parts", "at")
    (note,) = [
        note for note in place.plan().notes if "analytics.parts_old is due as a whole, but the role owns" in note
    ]
    assert "its rows are deleted in batches" in note
    assert place.archive() == [Deleted(5, 0)]
    assert restored(place, on_conflict="newest").restored == 5


def test_a_restore_that_replaces_nothing_needs_no_right_to_update(owned: Owned) -> None:
    place = granted(owned, without=Right("restore", "UPDATE", TABLE))
    place.archive()
    assert restored(place).restored == 90
