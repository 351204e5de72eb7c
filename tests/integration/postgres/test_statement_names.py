"""The loader of statements lets nothing wrong in: names, types and operators stay what they are, whatever they hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg import sql

from pg_archiver.domain.tables import KeyPair, TableName
from pg_archiver.postgres.statements import Names, NotReferenced, StatementError, TypeName, compose
from tests.support.place import Place, hours_ago
from tests.support.statement_values import COLUMN, POINTING, TABLE


def test_names_that_are_missing_unknown_or_too_many_are_refused() -> None:
    with pytest.raises(StatementError, match="wants"):
        compose("archive/delete/lock_table", {})
    with pytest.raises(StatementError, match="wants"):
        compose("archive/delete/lock_table", {"table": TABLE, "column": "x"})
    with pytest.raises(StatementError, match="wants"):
        compose("postgres/session/clock", {"table": TABLE})
    with pytest.raises(StatementError, match="no statement"):
        compose("delete/everything", {})


@pytest.mark.parametrize(
    "name",
    [
        '"',
        '""',
        '"; DROP TABLE x; --',
        "{table}",
        "{}",
        "%s",
        "%(start)s",
        "100%",
        "%%",
        "a.b",
        "'",
        "\\",
        "select",
        "É",
    ],
)
def test_no_name_can_break_out_of_its_quotes(place: Place, name: str) -> None:
    table = TableName(name, name)
    place.sql(f"CREATE SCHEMA {sql.Identifier(name).as_string()}")
    place.sql(f"CREATE TABLE {sql.Identifier(name, name).as_string()} ({sql.Identifier(name).as_string()} timestamp)")
    with place.session() as session:
        odd = session.fetch_one(
            "postgres/rows_that_stay/odd_timestamps",
            {"table": table, "column": name},
            earliest=hours_ago(2),
            latest=hours_ago(1),
        )
        assert (odd.missing, odd.too_old, odd.in_the_future) == (0, 0, 0)
        session.execute("archive/delete/create_keys", {"names": ["version"], "columns": [name], "table": table})


@pytest.mark.parametrize(
    "name",
    [
        "integer",
        "character varying(20)",
        "numeric(10,-2)",
        "timestamp(3) without time zone[]",
        "interval day to second(3)",
        'public."Odd ""type"" %s {x}"',
        "bit varying(9)[]",
        '"char"',
        "public.geometry(Point,4326)",
    ],
)
def test_types_as_the_server_writes_them_are_taken_as_they_are(place: Place, name: str) -> None:
    assert TypeName(name).text == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "int; DROP TABLE x",
        "int) AS SELECT 1 --",
        "int -- x",
        "int/* x */",
        '"open',
        "int DEFAULT random()",
        "a.b.c",
        "x'y'",
    ],
)
def test_nothing_else_passes_as_a_type(place: Place, name: str) -> None:
    with pytest.raises(StatementError, match="is not a type"):
        TypeName(name)


@pytest.mark.parametrize("name", ["", "= 1 OR", "a", "--", "=--", "/*", "=)", ";", "'", '"'])
def test_nothing_else_passes_as_an_operator(name: str) -> None:
    key = replace(POINTING, pairs=(KeyPair("id", "id", ("pg_catalog", name)),))
    with pytest.raises(StatementError, match="is not an operator"):
        compose(
            "archive/export/has_rows",
            {"table": TABLE, "column": COLUMN, "unreferenced": NotReferenced("target", (key,))},
        ).as_string()


def test_an_operator_may_hold_what_drivers_read_for_a_value(furnished: Place) -> None:
    furnished.sql("CREATE FUNCTION public.same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT $1 = $2'")
    furnished.sql("CREATE OPERATOR public.=% (FUNCTION = public.same, LEFTARG = int, RIGHTARG = int)")
    key = replace(POINTING, pairs=(KeyPair("id", "id", ("public", "=%")),))
    names: Names = {"table": TABLE, "column": COLUMN, "unreferenced": NotReferenced("target", (key,))}
    with furnished.session() as session:
        assert session.fetch_one("archive/export/has_rows", names, start=hours_ago(3), end=hours_ago(1)).found
