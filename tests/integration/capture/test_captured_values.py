"""How values come into keys, topics and payloads: exact, whatever a session has set, and never too large."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.events import Events


def test_a_payload_is_what_its_columns_hold_after_the_change_or_before_a_delete(orders: Events) -> None:
    orders.watch(payload_columns=["state", "note"])
    orders.place.sql("INSERT INTO app.orders VALUES (1, 7, 'new')")
    orders.place.sql("UPDATE app.orders SET state = 'paid', note = 'ä \" \\'")
    orders.place.sql("DELETE FROM app.orders")
    last = {"state": "paid", "note": 'ä " \\'}
    assert orders.noted("operation::text, payload") == [("I", {"state": "new", "note": None}), ("U", last), ("D", last)]


def test_large_values_never_fail_a_writer(orders: Events) -> None:
    """What packs well is small on disk, and large as text."""
    orders.watch(key_columns=["id", "note"], payload_columns=["state"])
    random = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 3000) AS n)"
    orders.place.sql(f"INSERT INTO app.orders VALUES (1, 7, {random}, {random})")
    orders.place.sql("INSERT INTO app.orders VALUES (2, 7, repeat('x', 5000000), repeat('y', 5000000))")
    orders.place.sql("INSERT INTO app.orders VALUES (3, 7, repeat('x', 60000), repeat('y', 60000))")
    orders.place.sql("INSERT INTO app.orders VALUES (4, 7, 'small', 'small')")
    ((key, payload, truncated), (_, second, _), _, small) = orders.noted("key, payload, truncated")
    hashed = orders.place.sql("SELECT 'sha256:' || encode(sha256(note::bytea), 'hex') FROM app.orders WHERE id = 1")
    assert (key, payload, truncated) == ({"id": 1, "note": hashed[0][0]}, None, True)
    assert second is None
    assert small == ({"id": 4, "note": "small"}, {"state": "small"}, None)
    orders.take_in()
    assert orders.place.sql("SELECT id, truncated FROM archiver.events ORDER BY turn")[0][1] is True


TYPES: dict[str, tuple[str, str, Any]] = {
    "bigint": ("bigint", "9007199254740993", 9007199254740993),
    "numeric": ("numeric(30,10)", "12345678901234567890.1", None),
    "boolean": ("boolean", "true", True),
    "uuid": ("uuid", "'0190163d-8694-739b-aea5-966c26f8ad91'", "0190163d-8694-739b-aea5-966c26f8ad91"),
    "date": ("date", "'2024-02-29'", "2024-02-29"),
    "timestamp": ("timestamp", "'2024-02-29 12:00:00.25'", "2024-02-29T12:00:00.25"),
    "timestamptz": ("timestamptz", "'2024-02-29 12:00:00+02'", "2024-02-29T10:00:00+00:00"),
    "interval": ("interval", "'1 mon 2 days'", "1 mon 2 days"),
    "bytea": ("bytea", "'\\xdeadbeef'", "\\xdeadbeef"),
    "range": ("daterange", "'[2024-01-01,2024-02-01)'", "[2024-01-01,2024-02-01)"),
    "enum": ("app.mood", "'happy'", "happy"),
    "domain": ("app.positive", "5", "5"),
    "composite": ("app.pair", "ROW(1, 'x')", "(1,x)"),
    "array of numbers": ("int[]", "'{1,2}'", [1, 2]),
    "array of enums": ("app.mood[]", "'{happy}'", "{happy}"),
    "jsonb": ("jsonb", "'{\"a\": [1]}'", {"a": [1]}),
    "json that jsonb does not take": ("json", "'\"\\u0000\"'", '"\\u0000"'),
    "text": ("text", "'it''s ä \"x\"'", 'it\'s ä "x"'),
    "char": ("char(5)", "'ab'", "ab   "),
    "null": ("text", "NULL", None),
    "a composite of nulls": ("app.pair", "ROW(NULL, NULL)", "(,)"),
    "not a number": ("float8", "'NaN'", "NaN"),
    "money": ("money", "'12.50'", "$12.50"),
}


@pytest.mark.parametrize("partitioned", [False, True])
def test_values_of_every_kind_come_as_json_or_as_their_text_whatever_a_session_has_set(
    events: Events, partitioned: bool
) -> None:
    events.place.sql(
        "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('happy'); CREATE TYPE app.pair AS (a int, b text);"
        "CREATE DOMAIN app.positive AS int CHECK (VALUE > 0)"
    )
    columns = ", ".join(f'"{name}" {kind}' for name, (kind, _, _) in TYPES.items())
    shape = "PARTITION BY HASH (id)" if partitioned else ""
    events.place.sql(f"CREATE TABLE app.kinds (id int PRIMARY KEY, {columns}) {shape}")
    if partitioned:
        events.place.sql("CREATE TABLE app.part PARTITION OF app.kinds FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
    events.watch("app.kinds", payload_columns=list(TYPES), topic='."timestamptz"."bytea"')
    with events.place.connect() as user:
        user.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'")
        user.execute("SET bytea_output = 'escape'; SET extra_float_digits = -10; SET lc_monetary = 'C'")
        values = ", ".join(value for _, value, _ in TYPES.values())
        user.execute(f"SET TimeZone = 'UTC'; INSERT INTO app.kinds VALUES (1, {values})".encode())
        user.execute("SET TimeZone = 'Asia/Tokyo'; UPDATE app.kinds SET \"boolean\" = true")
    (inserted, _), (updated, topic) = events.noted("payload, topic")
    assert inserted == updated
    assert topic == ["2024-02-29T10:00:00+00:00", "\\xdeadbeef"]
    for name, (_, _, expected) in TYPES.items():
        if name != "numeric":
            assert updated[name] == expected, name
    ((digits,),) = events.place.sql("SELECT payload ->> 'numeric' FROM archiver.incoming_events WHERE operation = 'I'")
    assert digits == "12345678901234567890.1000000000"


TOPICS: dict[str, tuple[str, str]] = {
    "of the table": ("", "#{binding}"),
    "a column of the key": (".id", "#{binding}[1]"),
    "another column": (".state", '#{binding}["new"]'),
    "two columns": (".customer.state", '#{binding}[7, "new"]'),
    "one of them null": (".customer.note", "#{binding}[7, null]"),
    "all of them null": (".note", "#{binding}"),
    "a name": ("all orders", "all orders"),
}


def test_a_topic_is_of_the_table_or_of_values_or_has_a_name(orders: Events) -> None:
    for number, (case, (topic, expected)) in enumerate(TOPICS.items()):
        orders.add_job(case)
        binding = orders.watch(job=case, topic=topic, operations=["INSERT"])
        orders.place.sql("INSERT INTO app.orders VALUES (1, 7, 'new')")
        orders.place.sql("DELETE FROM app.orders")
        orders.take_in()
        found = orders.place.sql("SELECT topic FROM archiver.events WHERE binding_id = %s", binding)
        assert found == [(expected.format(binding=binding),)], (number, case)
        orders.place.sql("SELECT archiver.unwatch(%s)", binding)


def test_a_long_topic_is_named_by_its_hash_and_is_the_same_again(orders: Events) -> None:
    orders.watch(topic=".note")
    for number in (1, 2):
        orders.place.sql("INSERT INTO app.orders VALUES (%s, 7, 'x', repeat('y', 7000))", number)
    orders.place.sql("INSERT INTO app.orders VALUES (3, 7, 'x', repeat('z', 7000))")
    orders.take_in()
    first, second, third = (topic for (topic,) in orders.place.sql("SELECT topic FROM archiver.events ORDER BY turn"))
    assert first == second != third
    assert len(first) < 100
