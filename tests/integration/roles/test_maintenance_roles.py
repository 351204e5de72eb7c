"""Maintenance under a role of its own, made by the scripts: each step works, on a server before 17 and on one of 17."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import errors, sql

from dev.postgres import PostgresServer
from dev.repack_server import repack_server
from dev.s3 import S3Server
from pg_archiver.airflow import connections
from pg_archiver.airflow.maintenance import Maintenance
from pg_archiver.archive.delete import Deleted
from pg_archiver.errors import ArchiverError, DatabaseRefused, RightMissing
from pg_archiver.policies.maintenance_settings import Disk, Strategy
from pg_archiver.policies.yaml_file import Client
from tests.support.place import EVENTS, NOW, Place, hours_ago
from tests.support.roles import Owned
from tests.support.server_folder import server_folder
from tests.support.task_context import connect_airflow

pytestmark = pytest.mark.more

FILL = "INSERT INTO analytics.events (triggered_at, name) SELECT %s, repeat('x', 400) FROM generate_series(1, 5000)"
NAMES = {"schema": "analytics", "table": "events"}


@pytest.fixture(scope="module")
def fifteen() -> Iterator[PostgresServer]:
    with server_folder() as folder, repack_server(folder) as found:
        yield found.server


@pytest.fixture(params=["17", "15"])
def anywhere(request: pytest.FixtureRequest, rclone: S3Server) -> Iterator[Place]:
    """An empty database on either server."""
    server = request.getfixturevalue("server" if request.param == "17" else "fifteen")
    number = 200_000 + request.node.parent.session.items.index(request.node)
    with Place.made(server, rclone, number) as place:
        yield place


@dataclass(frozen=True)
class Maintained:
    """A database with the archive's role and another one for maintenance, and Airflow's connections for both."""

    owned: Owned
    place: Place
    role: str
    client: Client

    @classmethod
    def made(cls, place: Place, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Maintained:
        place.sql(EVENTS)
        place.sql("DROP INDEX analytics.events_triggered_at")
        owned = Owned.made(place)
        place.sql(FILL, hours_ago(60))
        place.sql("DELETE FROM analytics.events WHERE id % 10 <> 0")
        place.sql("ANALYZE analytics.events")
        owned.run("role")
        owned.run("table", NAMES)
        role = f"maintenance of {place.database}"
        owned.run("role", {"role": role})
        owned.run("maintenance", {**NAMES, **variables, "role": role})
        connect_airflow(place, monkeypatch)
        for conn_id, login in (("RDS_MAIN", owned.role), ("RDS_UPKEEP", role)):
            server = {"conn_type": "postgres", "host": place.server.host, "port": place.server.port}
            account = {"login": login, "password": place.server.password}
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", json.dumps(server | account))
        policy = place.policy.model_copy(update={"maintenance_window": "00:00-23:59 UTC", "reclaim_min_mb": 0})
        client = Client(
            place.database,
            "rds_main",
            place.database,
            (policy,),
            Disk(free_bytes=10**12),
            maintenance_conn_id="rds_upkeep",
        )
        return cls(owned, owned.login(), role, client)

    def run(self, strategy: Strategy | None = None, **changes: Any) -> Maintenance:
        form: dict[str, Any] = {
            "clients": None,
            "tables": None,
            "actions": None,
            "strategy": strategy,
            "dry_run": False,
        }
        form |= {"force": True, "reason": "the test", "heapallindexed": False, "reindex": True}
        context = {
            "params": form | changes,
            "dag": SimpleNamespace(params=form, dag_id="maintenance"),
            "dag_run": SimpleNamespace(run_id="run 1", run_after=NOW, conf={}),
            "ti": SimpleNamespace(map_index=0),
        }
        return Maintenance(self.client, self.client.tables[0], context)

    @property
    def seventeen(self) -> bool:
        return bool(self.place.sql("SELECT current_setting('server_version_num')::int >= 170000")[0][0])

    def refused(self, statement: str, role: str | None = None) -> bool:
        with replace(self.place, role=role or self.role).connect() as connection:
            try:
                connection.execute(statement.encode())
            except errors.InsufficientPrivilege:
                return True
            finally:
                connection.rollback()
        return False

    def bloat(self) -> None:
        self.place.sql(FILL, hours_ago(60))
        self.place.sql("DELETE FROM analytics.events WHERE id < (SELECT max(id) FROM analytics.events)")

    def own_index(self) -> None:
        self.place.sql("CREATE INDEX events_triggered_at ON analytics.events (triggered_at)")


def test_each_step_works_and_is_noted_and_the_archive_goes_on(anywhere: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Maintained.made(anywhere, monkeypatch, column="name")
    anywhere.sql("CREATE EXTENSION amcheck")
    anywhere.sql(
        f"GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO {sql.Identifier(found.role).as_string()}"
    )
    if found.seventeen:
        with pytest.raises(DatabaseRefused, match="this role may not create one: only the table's owner"):
            found.run().index()
        found.own_index()
    run = found.run()
    assert run.inspect()["method"] == "estimated from statistics"
    assert "is valid" in run.index()
    assert "sound" in run.validate()
    assert "dead rows removed" in run.vacuum()
    assert "given back" in found.run(Strategy.VACUUM_FULL).reclaim(None)
    found.bloat()
    assert "row moved" in found.run(Strategy.COMPACT).reclaim(None)
    done = found.place.sql("SELECT action, state FROM archiver.maintenance WHERE state <> 'failed' ORDER BY id")
    assert done == [
        ("index", "skipped" if found.seventeen else "done"),
        ("validate", "done"),
        ("vacuum", "done"),
        ("reclaim", "done"),
        ("reclaim", "done"),
    ]
    report = run.report({"index": "", "validate": "", "vacuum": "", "reclaim": ""})
    assert len(report["actions"]) == 5 + found.seventeen  # type: ignore[arg-type]
    owners = anywhere.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'archiver'")
    assert owners == [(found.owned.role,)]
    rows = anywhere.sql("SELECT count(*) FROM analytics.events")[0][0]
    assert sum(one.rows for one in found.place.archive()) == rows


def test_as_a_member_of_the_owner_it_makes_indexes_too_and_cannot_become_the_owner(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Maintained.made(place, monkeypatch)
    # From 16 on whoever made a role may grant it, and nobody his own.
    owner = sql.Identifier(f"owner of {place.database}").as_string()
    with replace(place, role=found.owned.master).connect() as master:
        master.execute(f"CREATE ROLE {owner}".encode())
    place.sql(f"ALTER TABLE analytics.events OWNER TO {owner}; GRANT CREATE, USAGE ON SCHEMA analytics TO {owner}")
    found.owned.run("maintenance", {**NAMES, "role": found.role, "as_owner": "yes"})
    assert "built" in found.run().index()
    assert "dead rows removed" in found.run().vacuum()
    assert found.refused(f"SET ROLE {owner}")


def test_a_dry_run_makes_no_ledger(anywhere: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Maintained.made(anywhere, monkeypatch)
    run = found.run(dry_run=True)
    assert "would look at" in run.vacuum()
    assert "dry run" in found.run(Strategy.VACUUM_FULL, dry_run=True).reclaim(None)
    assert anywhere.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'archiver'") == [(0,)]


def test_it_may_write_its_own_lines_of_the_ledger_and_no_others(
    anywhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Maintained.made(anywhere, monkeypatch)
    found.run().vacuum()
    assert not found.refused("SELECT * FROM archiver.windows")
    of_archive = [
        "UPDATE archiver.windows SET state = 'void'",
        "DELETE FROM archiver.windows",
        "DELETE FROM archiver.maintenance",
        "UPDATE archiver.lowest_version SET version = 1",
        "INSERT INTO archiver.owners SELECT * FROM archiver.owners",
        "SET ROLE postgres",
    ]
    # On the older server it is a member of the master, who owns the database and the schema.
    more = ["CREATE SCHEMA mine", "CREATE TABLE archiver.mine (x int)", "DROP TABLE archiver.maintenance"]
    of_archive += more if found.seventeen else []
    assert [statement for statement in of_archive if not found.refused(statement)] == []
    of_owner = (
        "DELETE FROM analytics.events",
        "UPDATE analytics.events SET name = 'x'",
        "INSERT INTO analytics.events (triggered_at) VALUES (now())",
        "TRUNCATE analytics.events",
        "DROP TABLE analytics.events",
        "CREATE INDEX ON analytics.events (name)",
    )
    assert [found.refused(statement) for statement in of_owner] == [found.seventeen] * len(of_owner)
    archive = found.owned.role
    assert [found.refused(statement, archive) for statement in of_owner[1:]] == [True] * (len(of_owner) - 1)


def test_without_the_script_it_is_refused_before_anything_is_done(
    anywhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Maintained.made(anywhere, monkeypatch)
    if found.seventeen:
        anywhere.sql(f"REVOKE MAINTAIN ON analytics.events FROM {sql.Identifier(found.role).as_string()}")
    else:
        anywhere.sql(f"REVOKE {found.owned.master} FROM {sql.Identifier(found.role).as_string()}")
    with pytest.raises(DatabaseRefused, match=r"may not maintain analytics.events. Fix: grant it the role of the"):
        found.run().vacuum()
    with pytest.raises(ArchiverError, match="may not maintain"):
        found.run(Strategy.VACUUM_FULL).reclaim(None)


def test_a_ledger_that_is_another_roles_is_refused_with_what_to_do(
    anywhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Maintained.made(anywhere, monkeypatch)
    anywhere.archive()
    with pytest.raises(RightMissing, match=r"may not keep the ledger|grant that privilege"):
        found.run().vacuum()


def test_the_ledger_may_have_been_there_before_or_be_the_archives_own_schema(
    anywhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = sql.Identifier(f'role "{anywhere.database}"').as_string()
    anywhere.sql(f"CREATE ROLE {role} LOGIN PASSWORD {sql.Literal(anywhere.server.password).as_string()}")
    anywhere.sql(f"CREATE SCHEMA archiver AUTHORIZATION {role}")
    found = Maintained.made(anywhere, monkeypatch)
    assert found.place.archive() == [Deleted(500, 0)]
    found.run().vacuum()
    assert anywhere.sql("SELECT action, state FROM archiver.maintenance") == [("vacuum", "done")]


def test_partitions_are_maintained_too(anywhere: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Maintained.made(anywhere, monkeypatch)
    anywhere.sql(
        "CREATE TABLE analytics.parts (at timestamp, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);"
        "CREATE TABLE analytics.parts_old PARTITION OF analytics.parts DEFAULT;"
        f"ALTER TABLE analytics.parts OWNER TO {found.owned.master};"
        f"ALTER TABLE analytics.parts_old OWNER TO {found.owned.master};"
        "INSERT INTO analytics.parts SELECT now(), n FROM generate_series(1, 100) n; DELETE FROM analytics.parts"
    )
    found.owned.run("maintenance", {"schema": "analytics", "table": "parts", "role": found.role})
    policy = found.client.tables[0].model_copy(update={"table": "analytics.parts", "timestamp_column": "at"})
    parts = replace(found, client=replace(found.client, tables=(policy,)))
    parts.run().vacuum()
    assert anywhere.sql("SELECT relpages FROM pg_class WHERE relname = 'parts_old'") == [(0,)]
    assert "is valid" in parts.run().index()


def test_a_leftover_that_only_the_owner_may_drop_is_named_and_ends_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Maintained.made(place, monkeypatch, column="name")
    place.sql(
        "CREATE INDEX events_name_ccnew ON analytics.events (left(name, 1));"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'analytics.events_name_ccnew'::regclass"
    )
    found.bloat()
    said = found.run(Strategy.COMPACT).reclaim(None)
    assert "events_name_ccnew is left over from a rebuild that was broken off" in said
    assert "Only the owner of the table may drop it" in said
    assert "row moved" in said


def test_a_script_that_would_make_it_a_superuser_grants_nothing(
    fifteen: PostgresServer, rclone: S3Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 300_000 + request.node.parent.session.items.index(request.node)
    with Place.made(fifteen, rclone, number) as place:
        found = Maintained.made(place, monkeypatch)
        place.sql("ALTER TABLE analytics.events OWNER TO postgres")
        other = f"another of {place.database}"
        found.owned.run("role", {"role": other})
        with pytest.raises(AssertionError, match="nothing was granted: the table belongs to a superuser"):
            found.owned.run("maintenance", {**NAMES, "role": other})
        assert place.sql("SELECT count(*) FROM pg_auth_members WHERE roleid = 'postgres'::regrole") == [(0,)]


def test_without_a_connection_of_its_own_it_goes_by_the_archives(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Maintained.made(place, monkeypatch)
    ours = replace(found.client, maintenance_conn_id=None)
    with connections.open_session(ours, "test", writes=False, maintenance=True) as session:
        assert session.fetch_one("ledger/maintenance/rights").role == found.owned.role
    with connections.open_session(found.client, "test", writes=False, maintenance=True) as session:
        assert session.fetch_one("ledger/maintenance/rights").role == found.role
