"""Whoever gets the deletes without a publication is named, and keeps partitions from being dropped past him."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dev.postgres import PostgresServer
from dev.s3 import S3Server
from pg_archiver.archive.delete import Deleted
from tests.support.bloated_tables import bloated, compacted
from tests.support.partitions import checked, name_of, only, partitioned, partitions, removed, run
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.previews import looked_at

pytestmark = pytest.mark.more

_numbers = itertools.count(7000)
# The catalog of pglogical 2 as far as its sets go.
PGLOGICAL = """
    CREATE SCHEMA pglogical;
    CREATE TABLE pglogical.replication_set (
        set_id oid PRIMARY KEY, set_nodeid oid NOT NULL, set_name name NOT NULL, replicate_insert boolean NOT NULL,
        replicate_update boolean NOT NULL, replicate_delete boolean NOT NULL, replicate_truncate boolean NOT NULL
    );
    CREATE TABLE pglogical.replication_set_table (
        set_id oid NOT NULL, set_reloid regclass NOT NULL, set_att_list text[], set_row_filter pg_node_tree
    );
    INSERT INTO pglogical.replication_set VALUES (1, 1, 'default', true, true, true, true),
        (2, 1, 'insert_only', true, false, false, false), (3, 1, 'elsewhere', true, true, true, true);
"""


@pytest.fixture(scope="module")
def logical_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("logical"), {"wal_level": "logical"}) as server:
        yield server


@pytest.fixture
def slotted(logical_server: PostgresServer, rclone: S3Server) -> Iterator[Place]:
    """A place on a server that decodes; its slots go with it."""
    with Place.made(logical_server, rclone, next(_numbers)) as made:
        yield made
        with logical_server.connect() as connection:
            connection.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


def slot(place: Place, name: str, plugin: str = "test_decoding") -> None:
    place.sql("SELECT pg_create_logical_replication_slot(%s, %s)", name, plugin)


def filled(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    return place


def test_a_slot_of_another_plugin_is_named_by_plan_and_preview(slotted: Place) -> None:
    slot(filled(slotted), "dms_1")
    told = "subscribers get the deletes: slot dms_1 (test_decoding, not connected)"
    assert slotted.plan().notes == (told,)
    assert told in looked_at(slotted).notes
    assert slotted.archive() == [Deleted(1, 0)]


def test_it_is_named_beside_publications(slotted: Place) -> None:
    slot(filled(slotted), "dms_1")
    slotted.sql("CREATE PUBLICATION everything FOR ALL TABLES")
    (note,) = slotted.plan().notes
    assert note.startswith("subscribers get the deletes: everything, slot dms_1 (")


def test_slots_of_publications_and_of_other_databases_are_not_named(slotted: Place) -> None:
    slot(filled(slotted), "of_a_publication", "pgoutput")
    with slotted.server.connect() as other:
        other.execute("SELECT pg_create_logical_replication_slot('of_another_database', 'test_decoding')")
        other.execute("SELECT pg_create_physical_replication_slot('of_a_standby')")
    assert slotted.plan().notes == ()


def test_a_partition_is_not_dropped_past_a_slot(slotted: Place) -> None:
    slot(partitioned(slotted, 5), "dms_1")
    (note,) = [note for note in slotted.plan().notes if "partition" in note]
    assert "is due as a whole, but its subscribers would keep the rows (slot dms_1 (test_decoding" in note
    assert run(slotted) == []
    assert partitions(slotted) == {name_of(5)}
    assert slotted.live() == {}


def test_a_partition_is_not_dropped_past_a_slot_that_came_after_the_plan(slotted: Place) -> None:
    batches = checked(partitioned(slotted, 5))
    assert only(batches)
    slot(slotted, "dms_1")
    assert removed(slotted, batches[0]) is None
    assert partitions(slotted) == {name_of(5)}
    assert slotted.live() == {}


def test_the_note_of_a_move_names_it_too(slotted: Place) -> None:
    bloated(slotted)
    slot(slotted, "dms_1")
    assert "subscribers of slot dms_1 (test_decoding, not connected) get every move as an update" in (
        compacted(slotted).notes
    )


def as_plain_role(place: Place) -> Place:
    return place.as_role(
        "plain",
        f"CREATE, TEMPORARY ON DATABASE {place.database}",
        "USAGE ON SCHEMA analytics",
        "SELECT, DELETE ON ALL TABLES IN SCHEMA analytics",
    )


def test_a_plain_role_sees_slots(slotted: Place) -> None:
    slot(filled(slotted), "dms_1")
    assert "slot dms_1" in as_plain_role(slotted).plan().notes[0]


def test_slots_that_cannot_be_seen_are_unknown_and_keep_partitions(slotted: Place) -> None:
    partitioned(slotted, 5)
    slotted.sql("REVOKE SELECT ON pg_catalog.pg_replication_slots FROM public")
    plain = as_plain_role(slotted)
    slotted.sql(f"ALTER TABLE analytics.events OWNER TO {plain.role}; ALTER TABLE {name_of(5)} OWNER TO {plain.role}")
    notes = " ".join(plain.plan().notes)
    assert "whether subscribers without a publication get the deletes cannot be seen. Fix: GRANT SELECT ON" in notes
    assert "is due as a whole, but its subscribers would keep the rows (whether" in notes
    assert run(plain) == []
    assert partitions(slotted) == {name_of(5)}
    slotted.sql("GRANT SELECT ON pg_catalog.pg_replication_slots TO public")


def test_sets_of_pglogical_are_named_if_they_carry_deletes_of_this_table(place: Place) -> None:
    filled(place)
    place.sql(PGLOGICAL)
    place.sql("CREATE TABLE public.other (id int)")
    place.sql(
        "INSERT INTO pglogical.replication_set_table VALUES (1, 'analytics.events'), (2, 'analytics.events'),"
        " (3, 'public.other')"
    )
    assert place.plan().notes == ("subscribers get the deletes: pglogical set default",)


def test_a_partition_in_a_set_is_not_dropped(place: Place) -> None:
    partitioned(place, 5)
    place.sql(PGLOGICAL)
    place.sql(f"INSERT INTO pglogical.replication_set_table VALUES (1, '{name_of(5)}')")
    assert run(place) == []
    assert partitions(place) == {name_of(5)}


def test_sets_that_cannot_be_seen_are_unknown(place: Place) -> None:
    filled(place)
    place.sql(PGLOGICAL)
    (note,) = as_plain_role(place).plan().notes
    assert note.startswith(
        "whether sets of pglogical carry the deletes to subscribers cannot be seen. Fix: GRANT USAGE"
    )
    assert replace(place, role=None).plan().notes == ()
