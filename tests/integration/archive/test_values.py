"""What is archived is the table's rows exactly: read back with COPY FROM they are equal in every column."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from psycopg import sql

from pg_archiver.archive.delete import Deleted
from tests.support.place import Place, hours_ago

TRICKY_TEXTS = [
    None,
    "",
    " ",
    '"',
    '""',
    "'",
    ",",
    ";",
    "\n",
    "\r",
    "\r\n",
    "line\nline\n",
    "\\.",
    "\\N",
    "\\",
    "NULL",
    "null",
    '","',
    '"\n"',
    "tab\there",
    "ünïcödé ☃ 🐘 \u2028 \ufeff",
    "\x01\x7f",
    "{}%s%%{0}",
]
TYPED = {
    "jsonb": ['{"a": [1, null, "x\\"y\\n"], "b": 1.10}', "null", '"\\\\"', '{"n": 123456789012345678901234567890.10}'],
    "json": ['{"b":1,  "b":2}', "[ ]"],
    "numeric": ["1.0", "1.00", "NaN", "-Infinity", "0.000000000000000000000000000001", "1e30"],
    "double precision": ["0.1", "1e-300", "NaN", "-Infinity", "3.141592653589793", "-0"],
    "real": ["0.1", "3.4e38"],
    "bytea": ["\\x", "\\x00ff0a0d22", "\\x5c"],
    "interval": ["1 mon -3 days 04:05:06.7", "-1 year", "00:00:00.000001"],
    "timestamptz": ["2024-03-31 01:30:00+00", "infinity", "0044-03-15 12:00:00+00 BC", "12345-01-01 00:00:00+00"],
    "date": ["2024-02-29", "-infinity", "0001-01-01 BC"],
    "time with time zone": ["12:34:56.789+05:30"],
    "text[]": ['{a,NULL,"NULL","",with space,"q\\"uote"}', "{}", "{{a,b},{c,d}}"],
    "int4range": ["[1,5)", "empty", "(,)"],
    "tsmultirange": ["{}", "{[2024-01-01,2024-02-01)}"],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
    "inet": ["::1", "10.0.0.0/8"],
    "bit varying(9)": ["", "0101"],
    "boolean": ["t", "f"],
    "xml": ["<a>&lt;</a>", "plain"],
    "money": ["$1,234.56"],
    "point": ["(1.5,-2)"],
    "public.mood": ['happy, or "so"', "it's"],
    "public.pair": ['(1,"a ""b"", c")', "(,)"],
    "public.positive": ["7"],
    "char(5)": ["ab", ""],
    '"char"': ["x"],
    "tsvector": ["'a':1 'b c':2"],
}
TYPES_OF_OUR_OWN = """
    CREATE TYPE public.mood AS ENUM ('happy, or "so"', 'it''s');
    CREATE TYPE public.pair AS (number int, name text);
    CREATE DOMAIN public.positive AS int CHECK (VALUE > 0)
"""


def copied_back(place: Place, copy: str) -> None:
    """Loads every archived object into an empty table of the same columns, with the server's own CSV reader."""
    with place.server.connect(place.database) as connection, connection.cursor() as cursor:
        for manifest in place.manifests():
            columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in manifest.columns)
            statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER MATCH)").format(
                sql.Identifier(copy), columns
            )
            with cursor.copy(statement) as copying:
                copying.write(place.content(manifest))


def differences(place: Place, one: str, other: str) -> list[tuple[str]]:
    """The rows, as text, that one table has and the other has not."""
    rows: list[tuple[str]] = place.sql(f"SELECT t::text FROM {one} AS t EXCEPT ALL SELECT t::text FROM {other} AS t")
    return rows


def archive_and_compare(place: Place, rows: int, settings: Sequence[str] = ()) -> None:
    """Archives all rows while the database has these settings, and compares what comes back with what was."""
    place.sql(f"CREATE TABLE public.before AS SELECT * FROM {place.relation}")
    place.sql("CREATE TABLE public.returned (LIKE public.before)")
    for setting in settings:
        place.sql(f"ALTER DATABASE {place.database} SET {setting}")
    assert sum(deleted.rows for deleted in place.archive()) == rows
    place.sql(f"ALTER DATABASE {place.database} RESET ALL")
    copied_back(place, "returned")
    assert place.sql("SELECT count(*) FROM public.returned") == [(rows,)]
    assert differences(place, "public.before", "public.returned") == []
    assert differences(place, "public.returned", "public.before") == []


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_tricky_text_comes_back_exactly(place: Place, compression: str) -> None:
    place.sql("CREATE TABLE public.things (first text, at timestamp, last text)")
    place = place.on("public.things", "at", compression=compression)
    for minute, text in enumerate(TRICKY_TEXTS):
        place.sql("INSERT INTO public.things VALUES (%s, %s, %s)", text, hours_ago(60 - minute / 60), text)
    archive_and_compare(place, len(TRICKY_TEXTS))


def test_null_and_the_empty_text_are_told_apart(place: Place) -> None:
    place.sql("CREATE TABLE public.things (first text, at timestamp, last text)")
    place = place.on("public.things", "at")
    place.sql("INSERT INTO public.things VALUES (NULL, %s, '')", hours_ago(60))
    place.archive()
    (manifest,) = place.manifests()
    line = place.content(manifest).splitlines()[1]
    assert line.startswith(b",")
    assert line.endswith(b',""')


ELSEWHERE = (
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'sql_standard'",
    "TimeZone = 'Australia/Lord_Howe'",
    "extra_float_digits = -5",
    "bytea_output = 'escape'",
    "client_encoding = 'LATIN1'",
    "xmloption = 'document'",
)


@pytest.mark.parametrize("settings", [(), ELSEWHERE], ids=["as installed", "as elsewhere"])
def test_every_type_comes_back_exactly_whatever_the_database_s_own_settings(
    place: Place, settings: tuple[str, ...]
) -> None:
    place.sql(TYPES_OF_OUR_OWN)
    columns = list(TYPED)
    place.sql(
        "CREATE TABLE public.things (at timestamp, "
        + ", ".join(f"column_{number} {kind}" for number, kind in enumerate(columns))
        + ")"
    )
    longest = max(map(len, TYPED.values()))
    for row in range(longest + 1):
        values = [TYPED[kind][row] if row < len(TYPED[kind]) else None for kind in columns]
        casts = ", ".join(f"%s::text::{kind}" for kind in columns)
        place.sql(
            f"INSERT INTO public.things VALUES (%s, {casts})",
            hours_ago(60 - row / 60),
            *values,
        )
    place = place.on("public.things", "at")
    archive_and_compare(place, longest + 1, settings)
    (manifest,) = place.manifests()
    assert {column.type for column in manifest.columns} >= {"public.mood", "public.pair", "public.positive", "jsonb"}


def test_generated_columns_and_dropped_ones_do_no_harm(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.things (gone int, at timestamp, number int,"
        " twice int GENERATED ALWAYS AS (number * 2) STORED);"
        "ALTER TABLE public.things DROP gone"
    )
    place.sql("INSERT INTO public.things (at, number) VALUES (%s, 21)", hours_ago(60))
    archive_and_compare(place.on("public.things", "at"), 1)


def test_a_large_value_comes_back_exactly(place: Place) -> None:
    place.sql("CREATE TABLE public.things (at timestamp, content text)")
    place.sql("INSERT INTO public.things VALUES (%s, repeat(E'a\"\n', 1000000))", hours_ago(60))
    archive_and_compare(place.on("public.things", "at"), 1)


NAMES = [
    "Capitals",
    "with space",
    'quo"te',
    "per%cent",
    "per%s cent",
    "bra{ce}s",
    "{table}",
    "schräg/☃",
    "select",
    "user",
    "a.b",
    "semi;colon--",
    "'single'",
    "back\\slash",
    "xmin_",
    "version",
    "key_0",
    "position",
    "target",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind_work_everywhere(place: Place, name: str) -> None:
    identifier = sql.Identifier(name).as_string()
    quoted = '"' + name.replace('"', '""') + '"'
    other = sql.Identifier(f"{name}2").as_string()
    place.sql(f"CREATE SCHEMA {identifier}")
    place.sql(
        f"CREATE TABLE {identifier}.{identifier} ({identifier} timestamp, {other} text,"
        f" PRIMARY KEY ({other}, {identifier}))"
    )
    place.sql(f"CREATE INDEX ON {identifier}.{identifier} ({identifier})")
    place = place.on(f"{quoted}.{quoted}", name, client=name)
    assert place.relation == f"{identifier}.{identifier}"
    place.sql(f"INSERT INTO {identifier}.{identifier} VALUES ('{hours_ago(60)}', 'one'), ('{hours_ago(1)}', 'young')")
    before = place.csv_of_table()
    assert place.archive() == [Deleted(1, 0)]
    assert place.archived() + place.csv_of_table() == before
    assert len(place.csv_of_table()) == 1
    assert place.sql("SELECT client, table_schema, table_name FROM archiver.windows") == [(name, name, name)]
