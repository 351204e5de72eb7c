"""The golden round trip: archive, restore, compare by content, for every type and for names of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import sql

from tests.integration.archive.test_values import ELSEWHERE, NAMES, TRICKY_TEXTS, TYPED, TYPES_OF_OUR_OWN
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, remembered, restored

pytestmark = pytest.mark.more

LONG = "".join(str(digit % 10) for digit in range(1, 1001))
MORE_TYPED = {
    "numeric": ["NaN", "Infinity", "-Infinity", LONG, f"-0.{LONG}", "0.0", "0.00", "1e-1000"],
    "numeric(12,3)": ["123456789.120", "NaN"],
    "double precision": ["-0", "NaN", "Infinity", "4.9406564584124654e-324", "2.2250738585072011e-308", "1e308"],
    "real": ["-0", "NaN", "-Infinity", "1.4e-45", "1.1754942e-38"],
    "smallint": ["-32768"],
    "bigint": ["-9223372036854775808"],
    "timestamp": ["infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"],
    "timestamptz(3)": ["2024-03-31 01:30:00.123+00"],
    "time": ["24:00:00", "00:00:00.000001"],
    "timetz": ["12:34:56.789-15:59:59"],
    "date": ["infinity", "4713-01-01 BC", "5874897-12-31"],
    "interval": ["178000000 years", "-1 mon +1 day -00:00:01", "0"],
    "interval day to second(3)": ["1 day 02:03:04.567"],
    "text[]": ['[2:3]={"\\\\.",NULL}', '{{{"a,b"}}}', '{"{}"}'],
    "integer[]": ["{NULL,1}", "[0:1][-1:0]={{1,2},{3,4}}"],
    "jsonb[]": ['{"{\\"a\\": null}",NULL,"null"}'],
    "public.pair[]": ['{"(1,\\"a,b\\")",NULL,"(,)"}'],
    "public.mood[]": ['{"happy, or \\"so\\""}'],
    "public.nested": ['("(1,""x"")","{1,2}",)'],
    "public.codes": ["{ab,cd}"],
    "numrange": ["(1.50,)", "[NaN,NaN]"],
    "tstzrange": ['["2024-01-01 00:00:00+00",infinity)'],
    "daterange": ["[2024-01-01,2024-01-02)", "empty"],
    "public.floats": ["[1.5,2.5)"],
    "int8multirange": ["{[1,2),[5,7)}", "{}"],
    "nummultirange": ["{(,1.5],[2,)}"],
    "public.floatses": ["{[1.5,2.5),[3,4)}"],
    "json": ['{"a" : 1e400, "a": "\\u0000"}'],
    "jsonb": ['{"": {"\\\\": ["\\"", 1.00, -0.0]}}', "1e1000", '"\\n"'],
    "jsonpath": ['$."a"[*]?(@ > 1)'],
    "bytea": ["\\x" + bytes(range(256)).hex(), "\\x"],
    "xml": ['<?xml version="1.0"?><a b="&quot;"><![CDATA[\n\\.\n]]></a>', "text <b/> text"],
    "bit(5)": ["01010"],
    "bit varying": ["", "1" * 200],
    "inet": ["192.168.0.1/24", "::ffff:1.2.3.4"],
    "cidr": ["10.0.0.0/8", "2001:db8::/32"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "line": ["{1,2,3}"],
    "lseg": ["[(0,0),(1,1)]"],
    "box": ["(1,1),(-0,0)"],
    "path": ["((0,0),(1,1),(2,0))", "[(0,0),(1,1)]"],
    "polygon": ["((0,0),(1,1),(2,0))"],
    "circle": ["<(0.1,0.2),NaN>"],
    "tsvector": ["'a':1A,2B 'it''s' '\\\\':5"],
    "tsquery": ["'a' & !'b':*A <2> 'c'"],
    "pg_lsn": ["16/B374D848"],
    "txid_snapshot": ["10:20:10,14"],
    "pg_snapshot": ["10:20:10,14"],
    "xid8": ["18446744073709551615"],
    "xid": ["4294967295"],
    "tid": ["(4294967295,65535)"],
    "oid": ["4294967295"],
    "regclass": ["pg_class"],
    "regtype": ["integer", "public.mood"],
    "name": ["x" * 63, ""],
    "char(3)": ["a", ""],
    "varchar(3)": ["a  ", ""],
    "money": ["-$92,233,720,368,547,758.08"],
    "oidvector": ["1 2 3"],
    "int2vector": ["1 2 3"],
    "uuid": ["ffffffff-ffff-ffff-ffff-ffffffffffff"],
}
MORE_OF_OUR_OWN = """
    CREATE TYPE public.nested AS (inner_pair public.pair, numbers int[], empty text);
    CREATE DOMAIN public.codes AS varchar(2)[] CHECK (cardinality(VALUE) < 9);
    CREATE TYPE public.floats AS RANGE (subtype = float8, multirange_type_name = public.floatses)
"""
VALUES = [(kind, value) for typed in (TYPED, MORE_TYPED) for kind, values in typed.items() for value in values]


def round_trip(place: Place) -> None:
    """Archives the whole table, restores it, and once more into a table of its own."""
    remembered(place)
    rows = place.live().total()
    assert sum(deleted.rows for deleted in place.archive()) == rows
    result = restored(place)
    assert (result.restored, result.failures) == (rows, [])
    assert differences(place) == []
    assert restored(place, into="public.copy").restored == rows
    assert differences(place, "public.copy") == []


@pytest.mark.parametrize(
    ("settings", "compression"), [((), "gzip"), (ELSEWHERE, "zstd")], ids=["as installed", "as elsewhere"]
)
def test_every_type_comes_back(place: Place, settings: tuple[str, ...], compression: str) -> None:
    place.sql(TYPES_OF_OUR_OWN)
    place.sql(MORE_OF_OUR_OWN)
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _) in enumerate(VALUES))
    place.sql(f"CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, {columns})")
    place.sql("INSERT INTO public.things VALUES (0, %s)", hours_ago(60))
    values = ", ".join(f"%s::text::{kind}" for kind, _ in VALUES)
    place.sql(f"INSERT INTO public.things VALUES (1, %s, {values})", hours_ago(60), *(value for _, value in VALUES))
    for setting in settings:
        place.sql(f"ALTER DATABASE {place.database} SET {setting}")
    round_trip(place.on("public.things", "at", compression=compression))


@pytest.mark.parametrize("key", ["id int PRIMARY KEY,", "id int,"], ids=["key", "no key"])
def test_every_text_comes_back(place: Place, key: str) -> None:
    place.sql(f"CREATE TABLE public.things (first text, {key} at timestamp, other varchar, last text)")
    controls = [chr(code) for code in range(1, 32)]
    texts = [*TRICKY_TEXTS, *controls, "".join(controls), "\\.\n\\.", "\n\\.\n", '\\."', "a\r\\.\r", "\u0085\ufffe"]
    for number, text in enumerate(texts):
        place.sql(
            "INSERT INTO public.things VALUES (%s, %s, %s, %s, %s)",
            text, number, hours_ago(60 - number / 60), "" if number % 2 else None, text,
        )  # fmt: skip
    round_trip(place.on("public.things", "at"))


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
def test_every_kind_of_timestamp_column_comes_back(place: Place, kind: str) -> None:
    place.sql(f"CREATE TABLE public.things (at {kind}, id int, PRIMARY KEY (at, id))")
    place.sql(f"INSERT INTO public.things SELECT %s::{kind}, n FROM generate_series(1, 5) n", hours_ago(80))
    round_trip(place.on("public.things", "at"))


def test_generated_and_identity_columns_come_back(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone int, at timestamp,"
        " other int GENERATED BY DEFAULT AS IDENTITY, number int,"
        " twice int GENERATED ALWAYS AS (number * 2) STORED, serial serial);"
        "ALTER TABLE public.things DROP gone"
    )
    place.sql("INSERT INTO public.things (at, number) SELECT %s, n FROM generate_series(1, 5) n", hours_ago(60))
    place.sql("DELETE FROM public.things WHERE number = 2")
    round_trip(place.on("public.things", "at"))


@pytest.mark.parametrize("name", [*NAMES, "x" * 63, "ü" * 31, "ctid_", "archiver_staged", "seen", "live"])
def test_names_of_any_kind_come_back(place: Place, name: str) -> None:
    identifier, other = sql.Identifier(name).as_string(), sql.Identifier(f"{name[:20]}2").as_string()
    quoted = '"' + name.replace('"', '""') + '"'
    place.sql(f"CREATE SCHEMA {identifier}")
    place.sql(f"CREATE TABLE {identifier}.{identifier} ({identifier} timestamp, {other} text, PRIMARY KEY ({other}))")
    place.sql(f"INSERT INTO {identifier}.{identifier} VALUES ('{hours_ago(60)}', 'one'), ('{hours_ago(60)}', 'two')")
    place = place.on(f"{quoted}.{quoted}", name, client=name)
    remembered(place)
    place.archive()
    place.sql(f"INSERT INTO {identifier}.{identifier} VALUES ('{hours_ago(61)}', 'two')")
    assert restored(place, hours_ago(61), hours_ago(59), on_conflict="newest").restored == 2
    assert differences(place) == []
    assert restored(place, into=f"{quoted}.{other}").restored == 2
    assert differences(place, f"{identifier}.{other}") == []


@pytest.mark.more
def test_a_table_of_many_columns_comes_back(place: Place) -> None:
    columns = ", ".join(f"column_{number} int DEFAULT {number}" for number in range(1500))
    place.sql(f"CREATE TABLE public.things (at timestamp, {columns})")
    place.sql("INSERT INTO public.things (at) VALUES (%s)", hours_ago(60))
    round_trip(place.on("public.things", "at"))


@pytest.mark.more
def test_a_large_value_comes_back(place: Place, tmp_path: Path) -> None:
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, at timestamp, content text)")
    place.sql("INSERT INTO public.things VALUES (1, %s, repeat(E'a\"\\n\\\\.\\n', 2000000))", hours_ago(60))
    round_trip(place.on("public.things", "at"))


def test_a_partitioned_table_comes_back(place: Place) -> None:
    place.sql("CREATE TABLE public.things (at timestamp, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at)")
    place.sql(f"CREATE TABLE public.old PARTITION OF public.things FOR VALUES FROM (MINVALUE) TO ('{hours_ago(60)}')")
    place.sql("CREATE TABLE public.rest PARTITION OF public.things DEFAULT")
    place.sql(
        "INSERT INTO public.things SELECT %s::timestamp + n * interval '30 min', n FROM generate_series(0, 9) n",
        hours_ago(63),
    )
    round_trip(place.on("public.things", "at"))
