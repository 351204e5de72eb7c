"""Keys and values that are no plain text, or very long."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import psycopg

from dev.postgres import PostgresServer
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.postgres.session import Session
from tests.support.etcd_place import Fed

JSON_OR_TEXT: list[tuple[str | bytes, Any]] = [
    ('{"a": [1, 2.50]}', {"a": [1, 2.5]}),
    ("[]", []),
    (" 17 ", 17),
    ("null", None),
    ('"said"', "said"),
    ("", ""),
    ("plain words", "plain words"),
    ("{broken", "{broken"),
    ("NaN", "NaN"),
    ("\u00fc\u4e2d\U0001f600", "\u00fc\u4e2d\U0001f600"),
    ('{"a": "\\u0000"}', '{"a": "\\u0000"}'),
    ('"\\ud800"', '"\\ud800"'),
    ("1e200000", "1e200000"),
    ("[" * 60_000, "[" * 60_000),
    ("'; DROP TABLE archiver.events; --", "'; DROP TABLE archiver.events; --"),
    (b"\x00", {"base64": "AA=="}),
    (b"a\x00b", {"base64": "YQBi"}),
    (b"\xff" * 100, {"base64": base64.b64encode(b"\xff" * 100).decode()}),
]


def test_values_are_json_else_text_else_base64(fed: Fed) -> None:
    for value, _ in JSON_OR_TEXT:
        fed.etcd.put("/q/test/a", value)
        fed.receive()
    assert [payload for _, payload in fed.noted()] == [expected for _, expected in JSON_OR_TEXT]
    assert fed.etcd.list() == []


def test_keys_are_text_else_base64_and_long_ones_their_hash(fed: Fed) -> None:
    keys: list[tuple[bytes, Any]] = [
        (b"", ""),
        (b"/", "/"),
        (b"../../x", "../../x"),
        (b'"; $$ %(a)s {x} \\ ', '"; $$ %(a)s {x} \\ '),
        (b"\xff\x00", {"base64": base64.b64encode(b"/q/test/\xff\x00").decode()}),
        (b"\xff" * 20, {"base64": base64.b64encode(b"/q/test/" + b"\xff" * 20).decode()}),
        (b"x" * 8184, "x" * 8184),
        (b"x" * 8185, {"sha256": hashlib.sha256(b"/q/test/" + b"x" * 8185).hexdigest()}),
    ]
    for key, _ in keys:
        fed.etcd.put(b"/q/test/" + key, "1")
    received = fed.receive()
    assert (received.messages, received.removed) == (len(keys), len(keys))
    told = [key["key"] for key, _ in fed.noted()]
    assert told == [f"/q/test/{name}" if isinstance(name, str) else name for _, name in keys]


def test_what_is_too_large_is_an_event_of_its_key_alone(fed: Fed) -> None:
    fed.etcd.put("/q/test/just", "x" * 65_500)
    fed.etcd.put("/q/test/large", "x" * 65_537)
    # As JSON of the database's own kind it is larger than its text.
    fed.etcd.put("/q/test/grows", "[" + ",".join(["1"] * 30_000) + "]")
    received = fed.receive()
    assert (received.messages, received.truncated, received.removed) == (3, 1, 3)
    rows = fed.noted("key ->> 'key', truncated, payload IS NULL")
    assert rows == [("/q/test/just", False, False), ("/q/test/large", True, True), ("/q/test/grows", True, True)]


def test_an_answer_of_many_megabytes_is_taken_in_parts(fed: Fed) -> None:
    for number in range(10):
        fed.etcd.put(f"/q/test/{number}", "x" * 1_400_000)
    fed.etcd.put("/q/test/small", "1")
    received = fed.receive()
    assert (received.messages, received.removed, received.truncated) == (11, 11, 10)
    assert [truncated for (truncated,) in fed.noted("truncated")] == [True] * 10 + [False]


def test_keys_of_very_many_bytes_stay_and_keep_no_others(fed: Fed) -> None:
    fed.etcd.put(b"/q/test/" + b"x" * 800_000)
    for number in range(30):
        fed.etcd.put(b"/q/test/%d" % number + b"x" * 60_000)
    fed.etcd.put("/q/test/small")
    received = fed.receive()
    assert (received.messages, received.removed, received.left) == (31, 31, 1)
    assert "they are longer than 65,536 bytes" in str(received)
    assert [len(key) for key in fed.etcd.list()] == [800_008]


def test_a_database_of_another_encoding_takes_what_it_can_hold(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    with Session.connect(lambda: psycopg.connect(**server.dsn("latin")), "latin", "test") as session:
        EventTables(session).migrate()
    with server.connect("latin") as connection:
        connection.execute("SET client_encoding TO UTF8")
        read = "SELECT archiver.read_message(%s)"
        told = [connection.execute(read, [text.encode()]).fetchone() for text in ("\u00fc", '"\u00fc"', "\u4e2d")]
    assert told == [("\u00fc",), ("\u00fc",), ({"base64": "5Lit"},)]
