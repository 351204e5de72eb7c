"""Code that users left in the database and that runs in our session: it changes nothing for what comes after it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.maintenance.index import index
from tests.support.partitions import partitioned, run
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, remembered, restored

pytestmark = [pytest.mark.more, pytest.mark.first_run]

# What changes how values are written, read or found, each for the whole session.
SPOILED = """
    PERFORM set_config('TimeZone', 'Pacific/Apia', false), set_config('DateStyle', 'German, DMY', false),
        set_config('IntervalStyle', 'sql_standard', false), set_config('extra_float_digits', '0', false),
        set_config('bytea_output', 'escape', false), set_config('lc_monetary', 'C', false),
        set_config('array_nulls', 'off', false), set_config('standard_conforming_strings', 'off', false),
        set_config('search_path', 'nowhere', false), set_config('row_security', 'on', false),
        set_config('default_transaction_isolation', 'serializable', false),
        set_config('archiver.ledger_version', '0', false), set_config('statement_timeout', '0', false),
        set_config('client_connection_check_interval', '0', false);
"""
# A trigger can do without the path that the next one needs.
SPOILED_BUT_PATH = SPOILED.replace("set_config('search_path', 'nowhere', false), ", "")


def spoiling(place: Place, when: str, body: str = SPOILED) -> None:
    """A trigger on the table that changes the session's settings for every row."""
    place.sql(
        f"""
        CREATE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {body} RETURN coalesce(NEW, OLD); END $$;
        CREATE TRIGGER spoil {when} ON {place.relation} FOR EACH ROW EXECUTE FUNCTION public.spoil()
        """
    )


def table(place: Place, column_type: str, key: str) -> Place:
    place.sql(
        f"""
        CREATE TABLE public.notes (id int {key}, at {column_type} NOT NULL, part float8, pause interval, raw bytea,
            bits text[]);
        CREATE INDEX ON public.notes (at);
        INSERT INTO public.notes SELECT n, '{hours_ago(60)}'::timestamp + n * interval '1 minute', n / 3.0,
            interval '1 day -02:03', '\\x00ff', ARRAY['NULL', NULL] FROM generate_series(0, 24) AS n
        """
    )
    place = place.on("public.notes", "at")
    remembered(place)
    return place


@pytest.mark.parametrize("when", ["BEFORE DELETE", "AFTER DELETE"])
@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
@pytest.mark.parametrize("column_type", ["timestamp", "timestamptz"])
def test_a_delete_in_batches_finds_every_row_whatever_a_trigger_sets(
    place: Place, column_type: str, key: str, when: str
) -> None:
    place = table(place, column_type, key)
    # Without an index on it the column is compared with the window's bounds row by row.
    place.sql("DROP INDEX public.notes_at_idx")
    spoiling(place, when)
    assert place.archive() == [Deleted(25, 0)]
    assert place.ledger("state, deleted_rows, note") == [("deleted", 25, None)]
    place.sql("DROP TRIGGER spoil ON public.notes")
    assert restored(place).restored == 25
    assert differences(place) == []


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
@pytest.mark.parametrize("column_type", ["timestamp", "timestamptz"])
def test_a_restore_of_several_objects_brings_back_all_and_nothing_twice(
    place: Place, column_type: str, key: str
) -> None:
    place = table(place, column_type, key)
    place.sql("INSERT INTO public.notes SELECT id + 100, at - interval '5 hours', part, pause, raw, bits FROM notes")
    remembered(place)
    place.archive()
    spoiling(place, "BEFORE INSERT")
    first = restored(place, hours_ago(70), hours_ago(59.75))
    assert (first.restored, first.failures) == (25 + 15, [])
    second = restored(place, hours_ago(70), hours_ago(0))
    assert (second.restored, second.failures) == (10, [])
    assert restored(place).restored == 0
    assert differences(place) == []


def test_every_setting_is_back_after_the_transaction_and_limits_are_as_they_were(place: Place) -> None:
    shown = "SELECT name, setting FROM pg_settings WHERE name <> 'lock_timeout' AND name NOT LIKE 'plpgsql.%'"
    shown += " UNION ALL SELECT 'ledger version', current_setting('archiver.ledger_version') ORDER BY name"
    place.sql(f"CREATE FUNCTION public.spoil() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {SPOILED} RETURN 1; END $$")
    with place.session_and_connection() as (session, ours), session.timeouts(lock=timedelta(seconds=77)):
        before = ours.execute(shown.encode()).fetchall()
        with session.transaction():
            session.use_database_search_path(builtins_first=False)
            session.run_script("SELECT public.spoil()")
        assert ours.execute(shown.encode()).fetchall() == before
        assert ours.execute(b"SHOW lock_timeout").fetchall() == [("77s",)]


def watching(place: Place) -> None:
    """An event trigger whose function finds its table along the database's own path alone, and spoils the session."""
    place.sql(
        f"""
        CREATE SCHEMA app;
        CREATE TABLE app.ddl_log (command text);
        ALTER DATABASE {place.database} SET search_path = app, public;
        CREATE FUNCTION app.note() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO ddl_log VALUES (tg_tag); {SPOILED_BUT_PATH} END $$;
        CREATE EVENT TRIGGER starts ON ddl_command_start EXECUTE FUNCTION app.note();
        CREATE EVENT TRIGGER ends ON ddl_command_end EXECUTE FUNCTION app.note();
        CREATE EVENT TRIGGER drops ON sql_drop EXECUTE FUNCTION app.note()
        """
    )


def logged(place: Place) -> set[str]:
    return {row[0] for row in place.sql("SELECT DISTINCT command FROM app.ddl_log")}


def test_an_event_trigger_finds_its_names_in_a_whole_run_and_a_restore(place: Place) -> None:
    place = table(place, "timestamptz", "PRIMARY KEY")
    watching(place)
    assert place.archive() == [Deleted(25, 0)]
    assert restored(place).restored == 25
    assert restored(place, into="public.again").restored == 25
    assert differences(place) == differences(place, "public.again") == []
    assert logged(place) >= {"CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE AS", "ALTER TABLE", "CREATE FUNCTION"}


@pytest.mark.parametrize("default", [False, True])
def test_an_event_trigger_finds_its_names_when_a_partition_is_dropped(place: Place, default: bool) -> None:
    partitioned(place, 5, default=default)
    watching(place)
    assert [one.rows for one in run(place)] == [8]
    assert logged(place) >= {"ALTER TABLE", "DROP TABLE"}


def test_an_event_trigger_finds_its_names_when_an_index_is_made(place: Place) -> None:
    place = table(place, "timestamptz", "PRIMARY KEY")
    place.sql("DROP INDEX public.notes_at_idx")
    watching(place)
    with place.session() as session:
        index(session, place.order, place.session)
    assert "CREATE INDEX" in logged(place)
    assert place.plan().notes == ()
