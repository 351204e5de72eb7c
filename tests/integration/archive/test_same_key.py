"""A row in the right place and of the right version still stays if its key is not, digit by digit, the listed one."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.archive.exported_rows import ExportedRows
from pg_archiver.domain.tables import TableName
from pg_archiver.postgres.catalog import describe_table
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, NotReferenced
from tests.integration.archive.test_promise_rows import HOUR, filled, names
from tests.support.place import Place, hours_ago

LISTED = "SELECT position, key_2::text FROM pg_temp.archiver_keys ORDER BY position"


@pytest.mark.parametrize(
    ("of_type", "live", "listed", "goes"),
    [
        ("bigint", "1", "1", True),
        ("bigint", "1", "2", False),
        ("uuid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001", True),
        ("uuid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002", False),
        ("timestamp(3)", "2026-01-01", "2026-01-01", True),
        ("timestamp(3)", "2026-01-01", "2026-01-01 00:00:00.001", False),
        ("numeric", "1.0", "1.0", True),
        ("numeric", "1.0", "1.00", False),
        ("double precision", "0", "0", True),
        ("double precision", "-0", "0", False),
        ("text", "a", "a", True),
        ("text", "a", "A", False),
    ],
)
def test_only_the_very_key_that_is_listed_goes(place: Place, of_type: str, live: str, listed: str, goes: bool) -> None:
    place.sql("CREATE SCHEMA analytics")
    place.sql(f"CREATE TABLE analytics.things (id {of_type} PRIMARY KEY, at timestamp NOT NULL)")
    place.sql(f"INSERT INTO analytics.things VALUES ('{live}', '{hours_ago(60)}')")
    ((version, table, spot),) = place.sql("SELECT xmin::text, tableoid::oid, ctid::text FROM analytics.things")
    things = place.on("analytics.things", "at")
    with things.session() as session:
        shape = describe_table(session, TableName("analytics", "things"), "at")
        keys = ExportedRows(session, things.store, things.order, shape)
        keys.create()
        lines = f'version,key_0,key_1,key_2\n{version},{table},"{spot}",{listed}\n'
        names: Names = {"names": ["version", "key_0", "key_1", "key_2"]}
        assert session.copy_in("archive/delete/load_keys", names, iter([lines.encode()])) == 1
        gone = session.fetch_one(
            "archive/delete/batch",
            {"table": shape.table, "column": "at", **keys.matching, "unreferenced": NotReferenced("target", ())},
            after=0,
            upto=1,
            start=hours_ago(61),
            end=hours_ago(59),
            superseded=None,
        )
    assert (gone.deleted, gone.kept) == ((1, "{}") if goes else (0, "{[1,2)}"))
    assert place.sql("SELECT count(*) FROM analytics.things") == [(0 if goes else 1,)]


def test_a_session_empties_its_list_for_the_next_window_and_makes_it_anew_for_a_key_of_another_type(
    place: Place,
) -> None:
    place.sql("CREATE SCHEMA analytics; CREATE TABLE analytics.things (id int PRIMARY KEY, at timestamp NOT NULL)")
    things = place.on("analytics.things", "at")

    def listed(values: str) -> list[Any]:
        shape = describe_table(session, TableName("analytics", "things"), "at")
        ExportedRows(session, things.store, things.order, shape).create()
        lines = "".join(f'7,1,"(0,1)",{value}\n' for value in values)
        names: Names = {"names": ["version", "key_0", "key_1", "key_2"]}
        session.copy_in("archive/delete/load_keys", names, iter([f"a,b,c,d\n{lines}".encode()]))
        return connections[0].execute(LISTED).fetchall()

    connections: list[psycopg.Connection[Any]] = []

    def connect() -> psycopg.Connection[Any]:
        connections.append(place.connect())
        return connections[-1]

    with Session.connect(connect, place.database, "test") as session:
        assert listed("12") == [(1, "1"), (2, "2")]
        assert listed("3") == [(1, "3")]
        place.sql("ALTER TABLE analytics.things ALTER id TYPE text")
        assert listed("xy") == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("index", [True, False], ids=["by range", "by list"])
def test_a_row_deleted_by_a_user_and_inserted_again_in_the_same_place_with_the_same_key_stays(
    place: Place, index: bool
) -> None:
    """Without an index on the time by the list, with one by range. Nobody keeps VACUUM from freeing the place."""
    filled(place)
    if not index:
        place.sql("DROP INDEX analytics.events_triggered_at")
    place.sql("VACUUM FULL analytics.events")
    where = "SELECT ctid::text, id FROM analytics.events WHERE id = 2"
    before = place.sql(where)
    window = place.stored_window()
    place.sql("DELETE FROM analytics.events WHERE id = 2")
    place.sql("VACUUM (INDEX_CLEANUP ON) analytics.events")
    place.sql(
        "INSERT INTO analytics.events (id, triggered_at, name) OVERRIDING SYSTEM VALUE VALUES (2, %s, 'again')",
        hours_ago(HOUR - 0.5),
    )
    assert place.sql(where) == before
    assert place.delete(window) == Deleted(2, 1)
    assert names(place) == ["again"]
