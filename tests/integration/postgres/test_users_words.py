"""What users' functions say never reaches a log, an error or the ledger, in whatever shape they say it.

The words of a row can be in the name of a column, a constraint or a role that is not there, in a value that could not
be cast, or in the text, the DETAIL and the names of a RAISE.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from pg_archiver.errors import ArchiverError, DatabaseInterrupted, ReferenceRefused
from tests.support.place import Place, hours_ago
from tests.support.restores import LONG_AGO, restored

pytestmark = pytest.mark.more

SECRET = "secretjohndoe4711"
DIGITS = "4711081500"

# What a function does with `word`, the name in a row.
SHAPES = {
    "column": "EXECUTE 'SELECT ' || word;",
    "relation": "EXECUTE 'TABLE ' || quote_ident('audit_' || word);",
    "function": "EXECUTE 'SELECT ' || word || '()';",
    "schema": "EXECUTE 'SELECT ' || word || '.f()';",
    "text search configuration": "PERFORM to_tsvector(word::regconfig, 'x');",
    "role": "PERFORM word::regrole;",
    "type": "PERFORM word::regtype;",
    "cast": "PERFORM word::int;",
    "tsquery": "PERFORM (word || ' & (')::tsquery;",
    "syntax": "EXECUTE 'SELECT ''' || word;",
    "constraint": "EXECUTE format('CREATE TEMP TABLE made (x int CONSTRAINT %I CHECK (x > 0)) ON COMMIT DROP', word);"
    "INSERT INTO made VALUES (-1);",
    "assert": "ASSERT false, word;",
    "raise": "RAISE EXCEPTION 'not %', word;",
    "raise with names": "RAISE EXCEPTION USING ERRCODE = '23503', MESSAGE = word, DETAIL = word, HINT = word,"
    " CONSTRAINT = word, TABLE = word, SCHEMA = word, COLUMN = word, DATATYPE = word;",
    "raise of a check": "RAISE EXCEPTION USING ERRCODE = '23514', MESSAGE = word;",
    "raise of a right": "RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = word;",
    "raise that poses as a conflict": "RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = word;",
    "raise that poses as a lock": "RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = word;",
    "raise that poses as the ledger's": "RAISE EXCEPTION USING ERRCODE = 'AR001', MESSAGE = word,"
    f" DETAIL = '{DIGITS}';",
    "several lines": r"RAISE EXCEPTION USING MESSAGE = E'\nPL/pgSQL function ' || word || '() line 1 at RAISE';",
    "a statement that looks like a context": r"EXECUTE E'SELECT 1/0 -- \nPL/pgSQL function ' || word || '() line 1';",
}


def told(action: Callable[[], object]) -> str:
    """What an action says, or as Airflow prints it the whole chain of its error."""
    try:
        return str(action())
    except ArchiverError as error:
        return "".join(traceback.format_exception(error))


def archived(place: Place) -> Place:
    """A table with one row that is due; its name is the secret."""
    place.sql("CREATE TABLE public.things (id serial PRIMARY KEY, at timestamp, name text)")
    place.sql("INSERT INTO public.things (at, name) VALUES (%s, %s)", hours_ago(60), SECRET)
    return place.on("public.things", "at")


def trigger(place: Place, event: str, body: str) -> None:
    place.sql(
        f"""
        CREATE FUNCTION public.telling() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE word text := coalesce(OLD.name, NEW.name);
        BEGIN
        {body}
        RETURN coalesce(NEW, OLD);
        END $$;
        CREATE TRIGGER telling BEFORE {event} ON public.things FOR EACH ROW EXECUTE FUNCTION public.telling()
        """
    )


def assert_not_told(place: Place, said: str, caplog: pytest.LogCaptureFixture, *words: str) -> None:
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("boto", "urllib3"))]
    ledger = [str(place.sql(f"SELECT t::text FROM archiver.{table} AS t")) for table in ("windows", "restores")]
    for word in (SECRET, *words):
        assert word not in "\n".join([said, *ours, *ledger])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_delete_that_a_trigger_ends_tells_the_function_and_the_state_alone(
    place: Place, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place = archived(place)
    trigger(place, "DELETE", SHAPES[shape])
    said = told(place.archive)
    assert "function telling() raised an error of its own making, in line" in said
    assert "SQLSTATE" in said
    assert_not_told(place, said, caplog, DIGITS)
    assert place.sql("SELECT count(*) FROM public.things") == [(1,)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_restore_that_a_trigger_refuses_tells_the_function_and_the_state_alone(
    place: Place, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place = archived(place)
    place.archive()
    trigger(place, "INSERT", SHAPES[shape])
    said = told(lambda: restored(place, LONG_AGO))
    assert "function telling() raised an error of its own making, in line" in said
    assert_not_told(place, said, caplog, DIGITS)
    assert place.sql("SELECT count(*) FROM public.things") == [(0,)]


FAILING = """
    CREATE FUNCTION public.failing(word text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN EXECUTE 'SELECT ' || word; RETURN 1; END $$;
    CREATE FUNCTION public.calling(word text) RETURNS int LANGUAGE sql IMMUTABLE AS
    $$ SELECT 1 WHERE to_tsvector(word::regconfig, 'x') IS NOT NULL $$;
"""
PLACES = {
    "check": "ALTER TABLE public.things ADD CHECK (public.failing(name) > 0)",
    "check of an SQL function": "ALTER TABLE public.things ADD CHECK (public.calling(name) > 0)",
    "check without a function": "ALTER TABLE public.things ADD CHECK (name::regclass IS NOT NULL)",
    "check of a configuration": "ALTER TABLE public.things ADD CHECK (to_tsvector(name::regconfig, '') IS NOT NULL)",
    "generated column": "ALTER TABLE public.things ADD g int GENERATED ALWAYS AS (public.failing(name)) STORED",
    "generated query": "ALTER TABLE public.things ADD g tsquery GENERATED ALWAYS AS ((name || ' & (')::tsquery) STORED",
    "index": "CREATE INDEX ON public.things (public.failing(name))",
    "domain": "CREATE DOMAIN public.checked AS text CHECK (public.failing(VALUE) > 0);"
    "ALTER TABLE public.things ALTER name TYPE public.checked",
    "default": "CREATE TABLE public.seen (word text); CREATE FUNCTION public.last() RETURNS int LANGUAGE sql AS"
    f" $$ SELECT public.failing('{SECRET}') $$; ALTER TABLE public.things ADD d int;"
    "ALTER TABLE public.things ALTER d SET DEFAULT public.last()",
    "view": "CREATE VIEW public.shown AS SELECT id, public.failing(name) AS n FROM public.things;"
    "CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM sum(n) FROM public.shown; RETURN NULL; END $$;"
    "CREATE TRIGGER look AFTER INSERT ON public.things FOR EACH ROW EXECUTE FUNCTION public.look()",
}


@pytest.mark.parametrize("where", PLACES)
def test_a_restore_that_an_expression_refuses_tells_nothing_of_the_row(
    place: Place, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place = archived(place)
    place.archive()
    place.sql(FAILING)
    place.sql(PLACES[where])
    for on_conflict in ("skip", "newest"):
        said = told(partial(restored, place, LONG_AGO, on_conflict=on_conflict))
        assert "SQLSTATE" in said or "cannot be converted from text to public.checked" in said
        assert_not_told(place, said, caplog)
    assert place.sql("SELECT count(*) FROM public.things") == [(0,)]


def test_a_key_that_a_domain_refuses_by_now_gives_the_window_up_and_is_not_told(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place.sql("CREATE DOMAIN public.word AS text")
    place.sql("CREATE TABLE public.things (name public.word PRIMARY KEY, at timestamp)")
    place.sql("INSERT INTO public.things VALUES (%s, %s)", SECRET, hours_ago(60))
    place = place.on("public.things", "at")
    window = place.stored_window()
    place.sql(FAILING)
    place.sql("ALTER DOMAIN public.word ADD CHECK (public.failing(VALUE) > 0) NOT VALID")
    said = told(lambda: place.delete(window))
    assert_not_told(place, said, caplog)
    ((state, note),) = place.ledger("state, note")
    assert state == "void"
    assert "does not fit the types" in note


def test_what_a_function_calls_itself_is_not_believed(place: Place) -> None:
    place = archived(place)
    trigger(place, "DELETE", SHAPES["raise with names"])
    with pytest.raises(ArchiverError) as refusal:
        place.archive()
    assert not isinstance(refusal.value, ReferenceRefused)


def test_a_wait_that_the_server_ended_is_told_in_its_words(place: Place) -> None:
    place = archived(place)
    window = place.stored_window()
    with place.connect() as other:
        other.execute("UPDATE public.things SET name = 'x'")
        with (
            place.session() as session,
            session.timeouts(lock=timedelta(milliseconds=100)),
            pytest.raises(DatabaseInterrupted) as wait,
        ):
            session.run_script("DELETE FROM public.things")
    assert "canceling statement due to lock timeout. Another session holds a lock" in str(wait.value)
    assert window


def test_a_wait_below_a_function_is_told_in_the_same_words(place: Place) -> None:
    place = archived(place)
    place.sql("CREATE TABLE public.log AS SELECT 1 AS one")
    trigger(place, "DELETE", "UPDATE public.log SET one = 2;")
    with place.connect() as other:
        other.execute("UPDATE public.log SET one = 3")
        with (
            place.session() as session,
            session.timeouts(lock=timedelta(milliseconds=100)),
            pytest.raises(DatabaseInterrupted) as wait,
        ):
            session.run_script("DELETE FROM public.things")
    assert "function public.telling() raised" in str(wait.value)
    assert "(canceling statement due to lock timeout)" in str(wait.value)
