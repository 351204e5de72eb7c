"""A table from which deleting would lose what nobody archived is refused before anything is written."""

from __future__ import annotations

import pytest

from pg_archiver.errors import DatabaseRefused, TableRefused
from pg_archiver.ledger.window_generation import State
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.refusals import refused

pytestmark = pytest.mark.first_run


def filled(place: Place) -> Place:
    place.sql(EVENTS)
    place.events(hours_ago(60), hours_ago(61))
    return place


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_a_foreign_key_that_would_carry_the_delete_on_is_refused_by_the_childs_name(place: Place, action: str) -> None:
    filled(place)
    place.sql(
        f"CREATE TABLE analytics.clicks (event_id bigint REFERENCES analytics.events ON DELETE {action});"
        "INSERT INTO analytics.clicks VALUES (1)"
    )
    refused(
        place,
        TableRefused,
        f"analytics.clicks (ON DELETE {action})",
        "under 'children' of analytics.events",
        "change these foreign keys",
    )
    assert place.sql("SELECT event_id FROM analytics.clicks") == [(1,)]


def test_all_such_foreign_keys_are_named_at_once(place: Place) -> None:
    filled(place)
    place.sql(
        'CREATE TABLE public."Odd, clicks" (event_id bigint REFERENCES analytics.events ON DELETE SET NULL);'
        "CREATE TABLE analytics.views (event_id bigint REFERENCES analytics.events ON DELETE CASCADE)"
    )
    refused(place, TableRefused, "analytics.views (ON DELETE CASCADE)", "public.Odd, clicks (ON DELETE SET NULL)")


def test_a_table_that_cascades_to_itself_is_refused(place: Place) -> None:
    filled(place)
    place.sql("ALTER TABLE analytics.events ADD parent bigint REFERENCES analytics.events ON DELETE CASCADE")
    refused(place, TableRefused, "analytics.events (ON DELETE CASCADE)")


def test_a_foreign_key_that_names_only_one_partition_is_refused_too(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.things (number int, at timestamp, PRIMARY KEY (number, at)) PARTITION BY RANGE (at);"
        "CREATE TABLE public.things_all PARTITION OF public.things DEFAULT;"
        "CREATE TABLE public.parts (number int, at timestamp, FOREIGN KEY (number, at)"
        "   REFERENCES public.things_all ON DELETE CASCADE)"
    )
    place.sql("INSERT INTO public.things VALUES (1, %s)", hours_ago(60))
    place.sql("INSERT INTO public.parts SELECT * FROM public.things")
    refused(place.on("public.things", "at"), TableRefused, "public.parts (ON DELETE CASCADE)")
    assert place.sql("SELECT count(*) FROM public.parts") == [(1,)]


@pytest.mark.parametrize("what", ["ALSO DELETE FROM public.other", "INSTEAD NOTHING"])
def test_a_rule_on_deletes_is_refused_by_its_name(place: Place, what: str) -> None:
    filled(place)
    place.sql("CREATE TABLE public.other AS SELECT * FROM analytics.events")
    place.sql(f"CREATE RULE reaching AS ON DELETE TO analytics.events DO {what}")
    refused(place, TableRefused, "analytics.events", "reaching", "drop or disable")
    place.sql("ALTER TABLE analytics.events DISABLE RULE reaching")
    assert place.plan().windows == 2


def test_a_partition_on_another_server_is_refused_by_its_name(place: Place) -> None:
    place.sql("CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
    place.sql(
        "CREATE TABLE public.things (at timestamp) PARTITION BY RANGE (at);"
        "CREATE TABLE public.things_near PARTITION OF public.things FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);"
        "CREATE FOREIGN TABLE public.things_far PARTITION OF public.things FOR VALUES FROM (MINVALUE)"
        "   TO ('2020-01-01') SERVER files OPTIONS (filename '/dev/null')"
    )
    place.sql("INSERT INTO public.things VALUES (%s)", hours_ago(60))
    refused(place.on("public.things", "at"), TableRefused, "public.things_far", "foreign tables", "detach")


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT"])
def test_rows_that_others_still_point_to_end_the_delete_and_stay(place: Place, action: str) -> None:
    filled(place)
    place.sql(
        f"CREATE TABLE analytics.clicks (event_id bigint REFERENCES analytics.events ON DELETE {action});"
        "INSERT INTO analytics.clicks VALUES (1)"
    )
    for window in place.windows():
        place.export(window)
        place.check(window)
    (referenced, *_) = [window for window in place.windows() if window.span.start == hours_ago(60)]
    with pytest.raises(TableRefused, match="violates foreign key constraint") as caught:
        place.delete(referenced)
    assert "list analytics.clicks under 'children' of analytics.events" in str(caught.value)
    assert "Key (id)" not in str(caught.value)
    assert place.sql("SELECT count(*) FROM analytics.events") == [(2,)]
    assert {row[0] for row in place.ledger("state")} == {State.STORED}


def test_row_level_security_that_hides_rows_is_refused(place: Place) -> None:
    filled(place)
    place.sql(
        "ALTER TABLE analytics.events ENABLE ROW LEVEL SECURITY;CREATE POLICY hiding ON analytics.events USING (id > 1)"
    )
    limited = place.as_role("limited", "USAGE ON SCHEMA analytics", "SELECT, DELETE ON analytics.events")
    refused(limited, TableRefused, "row-level security", "BYPASSRLS")
    assert place.plan().windows == 2


def test_row_level_security_switched_on_after_the_export_stops_the_delete(place: Place) -> None:
    filled(place)
    limited = place.as_role(
        "limited",
        "USAGE ON SCHEMA analytics",
        "SELECT, DELETE ON analytics.events",
        f"CREATE ON DATABASE {place.database}",
    )
    (window, *_) = limited.windows()
    limited.export(window)
    limited.check(window)
    place.sql("ALTER TABLE analytics.events ENABLE ROW LEVEL SECURITY")
    with pytest.raises(TableRefused, match="row-level security"):
        limited.delete(window)
    assert place.sql("SELECT count(*) FROM analytics.events") == [(2,)]


@pytest.mark.parametrize(
    ("kind", "creation"),
    [
        ("a view", "CREATE VIEW public.things AS SELECT * FROM analytics.events"),
        ("a materialized view", "CREATE MATERIALIZED VIEW public.things AS SELECT * FROM analytics.events"),
        ("a sequence", "CREATE SEQUENCE public.things"),
        ("an index", "CREATE INDEX things ON analytics.events (name); ALTER INDEX analytics.things RENAME TO other"),
        (
            "a foreign table",
            "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
            "CREATE FOREIGN TABLE public.things (triggered_at timestamp) SERVER files OPTIONS (filename '/dev/null')",
        ),
    ],
    ids=lambda text: text.split()[-1] if text.startswith("a") else "",
)
def test_what_is_no_table_is_refused_by_its_kind(place: Place, kind: str, creation: str) -> None:
    filled(place)
    place.sql(creation)
    table = "analytics.other" if kind == "an index" else "public.things"
    refused(place.on(table), TableRefused, table, kind, "name the table that holds the rows")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("nowhere.events", ["no schema 'nowhere'", "correct 'table'"]),
        ("analytics.Events", ["no table 'Events'", "capitals too", "correct 'table'"]),
        ("Analytics.events", ["no schema 'Analytics'", "capitals too"]),
        ("archiver.windows", ["no schema 'archiver'"]),
    ],
)
def test_a_table_that_is_not_there_is_refused_by_its_name(place: Place, table: str, words: list[str]) -> None:
    filled(place)
    refused(place.on(table), TableRefused, place.database, *words)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("happened_at", ["no column 'happened_at'", "timestamp_column", "triggered_at"]),
        ("Triggered_At", ["no column 'Triggered_At'"]),
        ("name", ["'name'", "of type text", "timestamp_column"]),
        ("id", ["'id'", "of type bigint"]),
        ("at_time", ["'at_time'", "of type time without time zone"]),
        ("span", ["'span'", "of type tstzrange"]),
        ("ctid", ["no column 'ctid'"]),
        ("dropped", ["no column 'dropped'"]),
    ],
)
def test_a_timestamp_column_that_is_none_is_refused_by_its_name(place: Place, column: str, words: list[str]) -> None:
    filled(place)
    place.sql("ALTER TABLE analytics.events ADD at_time time, ADD span tstzrange, ADD dropped timestamp")
    place.sql("ALTER TABLE analytics.events DROP dropped")
    refused(place.on("analytics.events", column), TableRefused, "analytics.events", *words)


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        (["USAGE ON SCHEMA analytics", "SELECT ON analytics.events"], "may not DELETE"),
        (["USAGE ON SCHEMA analytics", "DELETE ON analytics.events"], "may not SELECT"),
        (["USAGE ON SCHEMA analytics", "SELECT (id, triggered_at), DELETE ON analytics.events"], "may not SELECT"),
        (["SELECT, DELETE ON analytics.events"], "may not SELECT"),
    ],
    ids=["no delete", "no select", "some columns", "no usage"],
)
def test_a_role_without_the_rights_is_refused_with_what_to_grant(place: Place, rights: list[str], missing: str) -> None:
    filled(place)
    limited = place.as_role("limited", *rights)
    refused(limited, TableRefused, missing, "grant USAGE on the schema, and SELECT and DELETE on the table")


def test_a_role_that_may_not_create_the_ledger_is_told_so_and_nothing_is_written(place: Place) -> None:
    filled(place)
    limited = place.as_role("limited", "USAGE ON SCHEMA analytics", "SELECT, DELETE ON analytics.events")
    with pytest.raises(DatabaseRefused, match=r"permission denied for database .*\. Fix: grant that privilege"):
        limited.windows()
    assert not place.has_ledger()
    assert place.keys() == []


def test_a_child_without_any_time_is_not_said_to_be_listed(place: Place) -> None:
    """n8n's executions and their data: advice that cannot be followed would be tried again and again."""
    place.sql(EVENTS)
    place.sql(
        "CREATE TABLE analytics.details (event_id bigint REFERENCES analytics.events ON DELETE CASCADE, data json)"
    )
    with pytest.raises(
        TableRefused, match=r"analytics\.details cannot be listed: it has no column of type date or time"
    ):
        place.plan()
    place.sql("ALTER TABLE analytics.details ADD at timestamptz")
    with pytest.raises(TableRefused, match="list these tables under 'children'") as refusal:
        place.plan()
    assert "cannot be listed" not in str(refusal.value)
