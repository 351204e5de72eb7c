"""Errors of the server that no time mends are refusals, and those that pass are worth another try."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql

from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused, ValueRefused
from pg_archiver.postgres.session import Session
from tests.support.place import Place
from tests.support.restores import events

pytestmark = pytest.mark.more

LIMIT = "It is a limit of Postgres itself, so trying again will not help"


@pytest.fixture
def session(place: Place) -> Iterator[Session]:
    with place.session() as opened:
        yield opened


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT repeat('x', 1100000000)",
        "SELECT format('%2147483000s', 'x')",
        "SELECT translate(repeat('x', 270000000), 'y', 'z')",
        "CREATE TABLE public.wide (" + ", ".join(f"c{number} int" for number in range(1601)) + ")",
        "SELECT array_fill(1, ARRAY[200000000])",
        "CREATE FUNCTION public.deep() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN public.deep(); END';"
        "SELECT public.deep()",
    ],
    ids=["a value", "a row as text", "memory for a value", "1,601 columns", "an array", "the stack"],
)
def test_a_limit_of_the_server_is_a_refusal_that_says_so(session: Session, statement: str) -> None:
    with pytest.raises(ValueRefused, match=LIMIT):
        session.run_script(statement)


FINAL = ["55000", "55P02", "55P04", "53400", "54023", "27000", "38000", "39000", "2F003", "3B001", "58P01", "HV005"]
PASSING = ["08006", "40001", "40003", "40P01", "53000", "53100", "53200", "53300", "55006", "57000", "57P03", "58030"]
PASSING += ["25P03", "25P04", "HV00N"]


def raising(state: str) -> str:
    return sql.SQL("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = {}; END $$").format(sql.Literal(state)).as_string()


@pytest.mark.parametrize("state", FINAL)
def test_what_a_person_has_to_mend_is_a_refusal(session: Session, state: str) -> None:
    with pytest.raises(DatabaseRefused, match=state):
        session.run_script(raising(state))


@pytest.mark.parametrize("state", PASSING)
def test_what_time_may_mend_is_worth_another_try(session: Session, state: str) -> None:
    with pytest.raises(DatabaseInterrupted):
        session.run_script(raising(state))


def test_a_file_limit_of_the_session_is_a_refusal(place: Place, session: Session) -> None:
    with pytest.raises(DatabaseRefused, match="53400"):
        session.run_script(
            "SET temp_file_limit = '64kB'; SET work_mem = '64kB';"
            "SELECT count(*) FROM (SELECT n::text FROM generate_series(1, 300000) AS n ORDER BY 1) AS sorted"
        )


def test_a_partition_that_somebody_else_is_detaching_is_worth_another_try(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.parent (at date) PARTITION BY RANGE (at);"
        "CREATE TABLE public.one PARTITION OF public.parent FOR VALUES FROM ('2024-01-01') TO ('2024-01-02');"
        "CREATE TABLE public.two PARTITION OF public.parent FOR VALUES FROM ('2024-01-02') TO ('2024-01-03')"
    )
    with place.connect() as reader, place.connect() as other:
        reader.execute("SELECT * FROM public.parent")
        other.autocommit = True
        other.execute("SET lock_timeout = '100ms'")
        with pytest.raises(Exception, match="lock timeout"):
            other.execute("ALTER TABLE public.parent DETACH PARTITION public.one CONCURRENTLY")
        with place.session() as session, pytest.raises(DatabaseInterrupted, match="already pending detach"):
            session.run_script("ALTER TABLE public.parent DETACH PARTITION public.two CONCURRENTLY")


def test_a_trigger_that_changes_the_row_under_the_delete_is_a_refusal(place: Place) -> None:
    events(place, rows=3)
    window = place.stored_window()
    place.sql(
        "CREATE FUNCTION public.next_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " DELETE FROM analytics.events WHERE id = OLD.id; RETURN OLD; END $$;"
        "CREATE TRIGGER next_one BEFORE DELETE ON analytics.events FOR EACH ROW WHEN (pg_trigger_depth() = 0)"
        " EXECUTE FUNCTION public.next_one()"
    )
    with pytest.raises(DatabaseRefused, match="already modified"):
        place.delete(window)
    assert len(place.live()) == 3
