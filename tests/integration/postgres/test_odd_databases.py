"""Databases in other encodings, and with defaults of their own: the same hours, the same values, or a refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql

from pg_archiver.archive.delete import Deleted
from pg_archiver.errors import DatabaseRefused
from pg_archiver.postgres.statements import FOLDER
from pg_archiver.verify.verify_archive import verify
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.restores import differences, events, remembered, restored

pytestmark = pytest.mark.more

InEncoding = Callable[[str], Place]
# Every byte that a text in a database without an encoding may hold, in an order that is no UTF-8.
ANY_BYTES = bytes([*range(255, 0, -1)])


@pytest.fixture
def in_encoding(place: Place) -> Iterator[InEncoding]:
    """Makes a further database of that encoding, beside the place's own and with its bucket."""
    with ExitStack() as stack:
        yield lambda encoding: stack.enter_context(encoded(place, encoding))


@contextmanager
def encoded(place: Place, encoding: str) -> Iterator[Place]:
    database = f"{place.database}_{encoding.lower()}"
    name = sql.Identifier(database)
    with place.server.connect() as server:
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'").format(
                name, sql.Literal(encoding)
            )
        )
        with place.server.connect(database) as user:
            user.prepare_threshold = None
            user.execute("SET client_encoding = 'UTF8'")
            yield replace(place, database=database, user=user)
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def there_and_back(place: Place, rows: int) -> None:
    """Archives the table, restores it and once more into a new table, all compared by the server itself."""
    remembered(place)
    assert sum(deleted.rows for deleted in place.archive()) == rows
    assert place.sql(f"SELECT count(*) FROM {place.relation}") == [(0,)]
    result = restored(place)
    assert (result.restored, result.failures) == (rows, [])
    assert differences(place) == []
    assert restored(place, into="public.copy").restored == rows
    assert differences(place, "public.copy") == []
    with place.session() as session:
        assert verify(session, place.store, place.order).problems == []


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"])
def test_values_and_names_of_a_database_in_another_encoding_come_back(in_encoding: InEncoding, encoding: str) -> None:
    letters = {"EUC_JP": "日本"}.get(encoding, "Größe é")
    place = in_encoding(encoding)
    schema, table, at, key = (sql.Identifier(f"{letters} {part}").as_string() for part in ("s", "t", "a", "k"))
    place.sql(f"CREATE SCHEMA {schema}")
    place.sql(f"CREATE TABLE {schema}.{table} ({at} timestamp, {key} text PRIMARY KEY, value text, data jsonb)")
    for number in range(25):
        place.sql(
            f"INSERT INTO {schema}.{table} VALUES ('{hours_ago(60 - number / 60)}', '{letters} {number}',"
            f' \'"{letters}"\n\', \'{{"{letters}": "{letters}"}}\')'
        )
    place = place.on(f"{letters} s.{letters} t", f"{letters} a", client=letters)
    there_and_back(place, 25)
    (manifest,) = place.manifests()
    assert letters in place.content(manifest).decode()
    assert manifest.identity_columns == (f"{letters} k",)


def test_bytes_that_are_no_utf8_come_back_from_a_database_without_an_encoding(in_encoding: InEncoding) -> None:
    place = in_encoding("SQL_ASCII")
    place.sql('CREATE TABLE public.things ("Größe" text PRIMARY KEY, at timestamp, value text, list text[])')
    values = [ANY_BYTES, b"latin1 \xfc", "utf-8 ü".encode(), b"half \xc3", b'\xff\n"\xfe', b"\\."]
    for number, value in enumerate(values):
        place.sql(
            'INSERT INTO public.things VALUES (convert_from(%s, %s), %s, convert_from(%s, %s), '
            "ARRAY[convert_from(%s, %s), NULL])",
            value, "SQL_ASCII", hours_ago(60 - number / 60), value, "SQL_ASCII", value, "SQL_ASCII",
        )  # fmt: skip
    place = place.on("public.things", "at", batch_size=4)
    there_and_back(place, len(values))
    (manifest,) = place.manifests()
    assert b"latin1 \xfc" in place.content(manifest)
    assert [row[0] for row in place.sql("SELECT convert_to(value, 'SQL_ASCII') FROM public.copy ORDER BY at")] == values


@pytest.mark.parametrize(
    "change",
    [
        {"table": "public.☃"},
        {"client": "client ☃"},
        {"run_id": "run ☃"},
    ],
    ids=str,
)
def test_a_name_that_the_database_cannot_hold_is_refused_and_nothing_is_written(
    in_encoding: InEncoding, change: dict[str, Any]
) -> None:
    place = in_encoding("LATIN1")
    place.sql(EVENTS)
    place.events(hours_ago(60))
    table = change.pop("table", "analytics.events")
    with pytest.raises(DatabaseRefused, match="a character that UTF-8 or the encoding of the database does not have"):
        place.on(table, **change).archive()
    assert place.keys() == []
    assert place.sql("SELECT count(*) FROM analytics.events") == [(1,)]


def test_a_column_name_that_is_no_utf8_is_refused_and_nothing_is_written(in_encoding: InEncoding) -> None:
    place = in_encoding("SQL_ASCII")
    place.sql(EVENTS)
    place.events(hours_ago(60))
    with place.connect() as user:
        user.execute(b'ALTER TABLE analytics.events ADD "gr\xf6sse" int')
    with pytest.raises(DatabaseRefused, match=r"a name, a value or a parameter of the run .* rename it"):
        place.plan()
    assert not place.has_ledger()


def test_a_value_that_utf8_cannot_hold_is_refused_unquoted_and_stays(in_encoding: InEncoding) -> None:
    place = in_encoding("WIN1252")
    place.sql(EVENTS)
    place.events(hours_ago(60))
    with place.connect() as user:
        user.execute("SET client_encoding = 'WIN1252'")
        user.execute(b"UPDATE analytics.events SET name = 'secret \x81'")
    with pytest.raises(DatabaseRefused, match=r"a character that UTF-8 .* does not have") as caught:
        place.archive()
    assert "0x81" not in str(caught.value)
    assert place.keys() == []
    assert place.sql("SELECT count(*) FROM analytics.events") == [(1,)]


ODD_DEFAULTS = (
    "TimeZone = 'Asia/Kathmandu'",
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'iso_8601'",
    "extra_float_digits = -15",
    "bytea_output = 'escape'",
    "lc_monetary = 'C.UTF-8'",
    "xmloption = 'document'",
    "standard_conforming_strings = off",
    "array_nulls = off",
    "quote_all_identifiers = on",
    "transform_null_equals = on",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "statement_timeout = '2s'",
    "lock_timeout = '2s'",
    "idle_in_transaction_session_timeout = '2s'",
    "idle_session_timeout = '2s'",
    "transaction_timeout = '2s'",
    "row_security = on",
    "client_encoding = 'LATIN1'",
    "search_path = ''",
    "enable_tidscan = off",
    "enable_nestloop = off",
)
VALUES = """
    CREATE TYPE public.mood AS ENUM ('so "so"', 'l''eau');
    CREATE TABLE public.things (
        name regclass, at {kind}, number numeric, real float8, bytes bytea, span interval, price money, list text[],
        back text, mood public.mood, day date, moment timestamptz, markup xml, PRIMARY KEY (name, number, mood)
    );
    INSERT INTO public.things
    SELECT
        'public.things', '{at}'::timestamp + n * interval '7 minutes', n + 0.10, n / 3.0, '\\x5c00ff', '1 mon -2 days',
        '1234.56', '{{a,NULL,"NULL",""}}', E'\\\\n\\\\', 'l''eau', '2024-02-03', '2024-03-31 01:30+00', '<a/>text<b/>'
    FROM generate_series(0, 24) AS n
"""


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz"])
def test_odd_defaults_of_a_database_change_no_hour_and_no_value(place: Place, kind: str) -> None:
    place.sql(VALUES.format(kind=kind, at=hours_ago(60)))
    place = place.on("public.things", "at")
    expected = [window.span for window in place.windows()]
    assert len(expected) == 3
    for setting in ODD_DEFAULTS:
        place.sql(f"ALTER DATABASE {place.database} SET {setting}")
    place.sql(f"ALTER ROLE {place.server.user} IN DATABASE {place.database} SET TimeZone = 'Pacific/Chatham'")
    assert [window.span for window in place.windows()] == expected
    there_and_back(place, 25)


def test_limits_and_isolation_are_the_programs_own_whatever_the_database_says(place: Place) -> None:
    for setting in ODD_DEFAULTS:
        place.sql(f"ALTER DATABASE {place.database} SET {setting}")
    with place.session_and_connection() as (_, ours):
        found = dict(
            ours.execute(
                "SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout' OR name LIKE '%isolation'"
            ).fetchall()
        )
    assert found == found | {
        "lock_timeout": "10000",
        "statement_timeout": "3600000",
        "idle_in_transaction_session_timeout": "600000",
        "idle_session_timeout": "0",
        "transaction_timeout": "0",
        "default_transaction_isolation": "read committed",
    }


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("default_transaction_read_only = on", "default_transaction_read_only on"),
        ("session_replication_role = replica", "session_replication_role replica"),
    ],
)
def test_a_database_that_is_set_not_to_be_written_to_is_refused_by_the_setting(
    place: Place, setting: str, words: str
) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60))
    place.sql(f"ALTER DATABASE {place.database} SET {setting}")
    with pytest.raises(DatabaseRefused, match=words):
        place.plan()
    assert place.keys() == []
    assert not place.has_ledger()


# What an attacker may put before the server's own: doubles of all functions that statements here call, with the very
# parameters and with nearer ones, of operators and of types. Each double tells when it is called.
DOUBLED_OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "+", "||", "&")
DOUBLED_TYPES = ("oid", "xid", "tid", "int2", "int4", "int8", "text", "name", "timestamp", "timestamptz", "bigint[]")


def telling(what: str, result: str = "NULL") -> str:
    value = "" if result == "void" else "NULL"
    return f"LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.calls VALUES ('{what}'); RETURN {value}; END$$"


def doubles(place: Place) -> None:
    """Makes the schema `evil`."""
    place.sql("CREATE SCHEMA evil; CREATE TABLE evil.calls (what text)")
    called = {name for path in FOLDER.rglob("*.sql") for name in re.findall(r"\b([a-z_]+)\(", path.read_text())}
    functions = place.sql(
        "SELECT proname, pg_get_function_identity_arguments(oid), prorettype::regtype::text FROM pg_proc"
        " WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND proname = ANY (%s)"
        " AND pg_get_function_arguments(oid) !~ '(any|internal|cstring|VARIADIC|OUT)'"
        " AND prorettype <> 'anyarray'::regtype",
        list(called),
    )
    functions += [
        ("hashtextextended", "text, integer", "bigint"),
        ("has_table_privilege", "oid, varchar", "boolean"),
        ("pg_relation_filenode", "oid", "oid"),
        ("array_cat", "bigint[], bigint[]", "bigint[]"),
        ("make_interval", "days integer", "interval"),
    ]
    assert {"set_config", "hashtextextended", "format_type", "date_bin"} <= {name for name, _, _ in functions}
    made = ";".join(
        f"CREATE OR REPLACE FUNCTION evil.{name}({arguments}) RETURNS {result} {telling(name, result)}"
        for name, arguments, result in functions
    )
    pairs = [(one, other) for one in DOUBLED_TYPES for other in DOUBLED_TYPES]
    for one, other in pairs:
        made += f";CREATE FUNCTION evil.compare({one}, {other}) RETURNS boolean {telling('operator')}"
    for name in DOUBLED_OPERATORS:
        for one, other in pairs:
            made += f";CREATE OPERATOR evil.{name} (FUNCTION = evil.compare, LEFTARG = {one}, RIGHTARG = {other})"
    place.sql(made)
    place.sql(
        "CREATE FUNCTION evil.counted(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';"
        "CREATE AGGREGATE evil.count(*) (SFUNC = evil.counted, STYPE = bigint, INITCOND = '7');"
        + ";".join(
            f"CREATE DOMAIN evil.{kind} AS pg_catalog.{kind} CHECK (false)"
            for kind in ("text", "oid", "regclass", "regtype", "name", "xid", "tid")
        )
    )


@pytest.mark.parametrize("on_conflict", ["skip", "newest", "fail"])
def test_nothing_that_a_search_path_puts_before_the_servers_own_is_ever_called(place: Place, on_conflict: str) -> None:
    events(place, rows=25)
    doubles(place)
    place.sql(f"ALTER DATABASE {place.database} SET search_path = evil, public, pg_catalog")
    assert place.archive() == [Deleted(25, 0)]
    if on_conflict != "fail":
        place.sql("INSERT INTO analytics.events OVERRIDING SYSTEM VALUE VALUES (7, %s, 'in the way')", hours_ago(61))
    assert restored(place, on_conflict=on_conflict).restored == (24 if on_conflict == "skip" else 25)
    assert restored(place, into="public.copy").restored == 25
    assert differences(place, "public.copy") == []
    with place.session() as session:
        assert verify(session, place.store, place.order).problems == []
    assert place.sql("SELECT DISTINCT what FROM evil.calls") == []


@pytest.mark.parametrize("when", ["", "DEFERRABLE INITIALLY DEFERRED"], ids=["at once", "at commit"])
def test_triggers_find_what_the_databases_own_search_path_shows_them(place: Place, when: str) -> None:
    events(place, rows=25)
    place.sql(
        "CREATE SCHEMA audit; CREATE TABLE audit.seen (what text, id bigint);"
        "CREATE FUNCTION audit.sees() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN CREATE TABLE IF NOT EXISTS made (); INSERT INTO seen VALUES (TG_OP, coalesce(OLD.id, NEW.id));"
        " RETURN NULL; END';"
        f"CREATE CONSTRAINT TRIGGER seeing AFTER INSERT OR DELETE ON analytics.events {when}"
        " FOR EACH ROW EXECUTE FUNCTION audit.sees();"
        f"ALTER DATABASE {place.database} SET search_path = audit, public"
    )
    assert sum(deleted.rows for deleted in place.archive()) == 25
    place.sql("DROP TABLE audit.made")
    assert restored(place).restored == 25
    assert place.sql("SELECT to_regclass('audit.made') IS NOT NULL") == [(True,)]
    assert place.sql("SELECT what, count(DISTINCT id) FROM audit.seen GROUP BY 1 ORDER BY 1") == [
        ("DELETE", 25),
        ("INSERT", 25),
    ]


@pytest.mark.parametrize("schema", ["public", "extensions"])
@pytest.mark.parametrize("kind", ["ltree", "citext", "cube"])
def test_a_key_of_an_extensions_type_is_archived_and_restored(place: Place, kind: str, schema: str) -> None:
    values = {"ltree": ["a.b", "a.B"], "citext": ["Ab", "aC"], "cube": ["(1,2)", "(-0)"]}[kind]
    place.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE EXTENSION {kind} SCHEMA {schema}")
    place.sql(f"ALTER DATABASE {place.database} SET search_path = public, {schema}")
    place.sql(f"CREATE TABLE public.things (key {schema}.{kind} PRIMARY KEY, at timestamp)")
    for value in values:
        place.sql(f"INSERT INTO public.things VALUES ('{value}', '{hours_ago(60)}')")
    there_and_back(place.on("public.things", "at"), 2)
    assert restored(place.on("public.things", "at")).in_conflict == 2
