"""Where moving rows would set off more than a move, or a right is missing, compact refuses before it moves one."""

from __future__ import annotations

import pytest

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import TableRefused
from tests.support.bloated_tables import EVENTS, bloated, compacted, content, owned
from tests.support.place import Place

pytestmark = pytest.mark.more

NOTING = """
    CREATE TABLE public.noted (what text);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN INSERT INTO public.noted VALUES (TG_OP || ' ' || TG_LEVEL); RETURN NEW; END $$;
    CREATE TRIGGER noting {event} ON analytics.events FOR EACH {level} EXECUTE FUNCTION public.note()
"""
TRIGGERS = [
    ("BEFORE UPDATE", "ROW"),
    ("AFTER UPDATE", "ROW"),
    ("AFTER UPDATE", "STATEMENT"),
    ("BEFORE UPDATE OF touched", "ROW"),
]


def refused(place: Place, *words: str) -> None:
    """Compacting is refused in these words, and no row has moved."""
    rows = "SELECT ctid, xmin, id FROM analytics.events"
    before = place.sql(rows)
    with pytest.raises(TableRefused) as refusal:
        compacted(place)
    for word in words:
        assert word in str(refusal.value)
    assert place.sql(rows) == before


@pytest.mark.parametrize(("event", "level"), TRIGGERS)
def test_triggers_do_not_fire(place: Place, event: str, level: str) -> None:
    bloated(place)
    place.sql(NOTING.format(event=event, level=level))
    before = content(place)
    assert compacted(place).rows > 0
    assert place.sql("SELECT * FROM public.noted") == []
    assert content(place) == before
    place.sql("UPDATE analytics.events SET touched = 1 WHERE id = 4000")
    assert len(place.sql("SELECT * FROM public.noted")) == 1


@pytest.mark.parametrize(("event", "level"), TRIGGERS)
def test_a_role_that_cannot_keep_triggers_from_firing_is_refused(place: Place, event: str, level: str) -> None:
    bloated(place)
    place.sql(NOTING.format(event=event, level=level))
    refused(owned(place), "noting", "GRANT SET ON PARAMETER session_replication_role")


def test_a_role_that_was_granted_it_may(place: Place) -> None:
    bloated(place)
    place.sql(NOTING.format(event="BEFORE UPDATE", level="ROW"))
    owner = owned(place)
    place.sql(f"GRANT SET ON PARAMETER session_replication_role TO {owner.role}")
    assert compacted(owner).rows > 0
    assert place.sql("SELECT * FROM public.noted") == []
    place.sql(f"REVOKE SET ON PARAMETER session_replication_role FROM {owner.role}")


@pytest.mark.parametrize("when", ["ALWAYS", "REPLICA"])
def test_triggers_that_fire_all_the_same_are_refused(place: Place, when: str) -> None:
    bloated(place)
    place.sql(NOTING.format(event="BEFORE UPDATE", level="ROW"))
    place.sql(f"ALTER TABLE analytics.events ENABLE {when} TRIGGER noting")
    refused(place, "noting", "ALWAYS or for REPLICA")


def test_triggers_on_other_events_or_disabled_ones_are_no_hindrance(place: Place) -> None:
    bloated(place)
    place.sql(NOTING.format(event="AFTER INSERT OR DELETE", level="ROW"))
    place.sql("CREATE TRIGGER off AFTER UPDATE ON analytics.events EXECUTE FUNCTION public.note()")
    place.sql("ALTER TABLE analytics.events DISABLE TRIGGER off")
    assert compacted(owned(place)).rows > 0


def test_a_rule_on_updates_is_refused(place: Place) -> None:
    bloated(place)
    place.sql("CREATE RULE instead AS ON UPDATE TO analytics.events DO INSTEAD NOTHING")
    refused(owned(place), "instead", "act on every move")


def test_a_role_that_may_not_vacuum_is_told_what_it_lacks(place: Place) -> None:
    bloated(place)
    role = place.as_role("clerk", "USAGE ON SCHEMA analytics", "ALL ON analytics.events")
    place.sql(f"REVOKE MAINTAIN ON analytics.events FROM {role.role}")
    refused(role, "may not VACUUM analytics.events", "GRANT MAINTAIN")


def test_maintain_and_one_column_are_enough(place: Place) -> None:
    bloated(place)
    before = content(place)
    role = place.as_role(
        "keeper",
        "USAGE ON SCHEMA analytics",
        "MAINTAIN ON analytics.events",
        "SELECT, UPDATE (touched) ON analytics.events",
    )
    done = compacted(role)
    assert done.after.heap < done.before.heap / 4
    assert content(place) == before


def test_a_role_that_may_update_nothing_is_told_what_it_lacks(place: Place) -> None:
    bloated(place)
    role = place.as_role(
        "reader", "USAGE ON SCHEMA analytics", "MAINTAIN ON analytics.events", "SELECT ON analytics.events"
    )
    refused(role, "grant SELECT on the table and UPDATE on one plain column")


def test_a_table_of_generated_columns_and_their_inputs_is_refused(place: Place) -> None:
    place.sql(
        "CREATE SCHEMA analytics; CREATE TABLE analytics.events (id int,"
        " at timestamp GENERATED ALWAYS AS (timestamp '2024-01-01' + id * interval '1 s') STORED);"
        "INSERT INTO analytics.events SELECT generate_series(1, 1000)"
    )
    refused(place, "no column that can be set to itself")


def test_a_published_table_without_an_identity_is_refused(place: Place) -> None:
    bloated(place)
    place.sql("ALTER TABLE analytics.events REPLICA IDENTITY NOTHING")
    place.sql("CREATE PUBLICATION news FOR TABLE analytics.events")
    refused(place, "news", "no replica identity")


def test_a_published_table_with_one_is_compacted_and_the_result_names_the_publication(place: Place) -> None:
    bloated(place)
    place.sql("CREATE PUBLICATION news FOR ALL TABLES")
    done = compacted(place)
    assert done.rows > 0
    assert "subscribers of news get every move as an update" in done.notes


def test_row_level_security_that_hides_rows_is_refused(place: Place) -> None:
    bloated(place)
    place.sql(
        "ALTER TABLE analytics.events ENABLE ROW LEVEL SECURITY; ALTER TABLE analytics.events FORCE ROW LEVEL SECURITY"
    )
    role = owned(place)
    with pytest.raises(TableRefused, match="row-level security hides rows"):
        compacted(role)


def test_what_is_no_table_is_refused(place: Place) -> None:
    place.sql("CREATE SCHEMA analytics")
    with pytest.raises(TableRefused, match="has no table 'events'"):
        compacted(place)
    place.sql("CREATE VIEW analytics.events AS SELECT 1 AS id")
    with pytest.raises(TableRefused, match=r"analytics\.events in database .* is a view"):
        compacted(place, EVENTS)


def test_a_foreign_key_is_neither_checked_nor_followed(place: Place) -> None:
    bloated(place)
    place.sql("CREATE TABLE analytics.kinds (touched int PRIMARY KEY); INSERT INTO analytics.kinds VALUES (0)")
    place.sql(
        "ALTER TABLE analytics.events ADD FOREIGN KEY (touched) REFERENCES analytics.kinds ON UPDATE CASCADE;"
        "CREATE TABLE analytics.clicks (event_id bigint REFERENCES analytics.events ON UPDATE CASCADE);"
        "INSERT INTO analytics.clicks SELECT id FROM analytics.events"
    )
    clicks = place.sql("SELECT ctid, xmin, * FROM analytics.clicks")
    kinds = place.sql("SELECT ctid, xmin, xmax, * FROM analytics.kinds")
    assert compacted(place).rows > 0
    assert place.sql("SELECT ctid, xmin, * FROM analytics.clicks") == clicks
    assert place.sql("SELECT ctid, xmin, xmax, * FROM analytics.kinds") == kinds


GENERATED = """
    CREATE FUNCTION public.told(touched integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT touched + 1';
    ALTER TABLE analytics.events ADD g integer GENERATED ALWAYS AS (public.told(touched)) STORED;
    CREATE OR REPLACE FUNCTION public.told(touched integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 7'
"""


@pytest.mark.parametrize("enabled", ["ENABLE", "DISABLE", "ENABLE REPLICA"])
def test_generated_columns_that_would_be_computed_anew_are_refused_by_name(place: Place, enabled: str) -> None:
    bloated(place)
    place.sql(GENERATED)
    place.sql(NOTING.format(event="BEFORE UPDATE OF touched", level="ROW"))
    place.sql(f"ALTER TABLE analytics.events {enabled} TRIGGER noting")
    words = ["enabled ALWAYS"] if enabled == "ENABLE REPLICA" else ["generated columns of", "(g)", "(noting)"]
    refused(place, *words)


def test_generated_columns_without_such_a_trigger_stay_as_they_were(place: Place) -> None:
    bloated(place, kept="true")
    place.sql(GENERATED)
    place.sql(NOTING.format(event="AFTER UPDATE", level="ROW"))
    place.sql("DELETE FROM analytics.events WHERE id <= 3600")
    before = content(place)
    assert compacted(place).rows > 0
    assert content(place) == before


def test_the_trigger_of_a_child_and_of_a_partitioned_table_count_too(place: Place) -> None:
    bloated(place)
    place.sql(GENERATED)
    place.sql("CREATE TABLE analytics.heirs () INHERITS (analytics.events)")
    place.sql(NOTING.format(event="BEFORE UPDATE", level="ROW").replace("ON analytics.events", "ON analytics.heirs"))
    refused(place, "generated columns of analytics.heirs")
    place.sql(
        """
        CREATE TABLE analytics.parts (id int, at timestamp, g int GENERATED ALWAYS AS (id + 1) STORED)
            PARTITION BY RANGE (at);
        CREATE TABLE analytics.part PARTITION OF analytics.parts DEFAULT;
        CREATE TRIGGER over BEFORE UPDATE ON analytics.parts FOR EACH ROW EXECUTE FUNCTION public.note()
        """
    )
    with pytest.raises(TableRefused, match=r"generated columns of analytics\.part .*\(over\)"):
        compacted(place, TableName("analytics", "parts"))
