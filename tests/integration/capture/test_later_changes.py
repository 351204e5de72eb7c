"""What becomes of a watched table later: columns that go, get other names or types, partitions that come; and triggers.

No writer fails, neither a new session nor one that wrote before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.support.events import PARTITIONED, Events

INSERT = "INSERT INTO app.orders (id) VALUES (%s)"


@contextmanager
def living_session(events: Events) -> Iterator[psycopg.Connection[Any]]:
    """A session that has written to the table before, in every way."""
    with events.place.connect() as user:
        user.autocommit = True
        for number in range(8):
            user.execute(INSERT, [number])
            user.execute("UPDATE app.orders SET state = 'x' || state WHERE id = %s", [number])
            user.execute("DELETE FROM app.orders WHERE id = %s", [number])
        events.forget()
        yield user


CHANGES = {
    "a column of the topic is dropped": "ALTER TABLE app.orders DROP COLUMN customer",
    "a column of the payload is dropped": "ALTER TABLE app.orders DROP COLUMN note",
    "a column that has to differ is dropped": "ALTER TABLE app.orders DROP COLUMN state",
    "a column gets another name": "ALTER TABLE app.orders RENAME COLUMN note TO remark",
    "a column gets another type": "ALTER TABLE app.orders ALTER COLUMN customer TYPE text",
    "a column gets a type of a user": (
        "CREATE TYPE app.mood AS ENUM ('x', 'xx'); ALTER TABLE app.orders ALTER COLUMN note TYPE app.mood"
        " USING 'x'::app.mood"
    ),
    "a column is added": "ALTER TABLE app.orders ADD COLUMN more int DEFAULT 5",
    "the table gets another name": "ALTER TABLE app.orders RENAME TO purchases; CREATE VIEW app.orders AS"
    " SELECT * FROM app.purchases",
    "the table belongs to another": "ALTER TABLE app.orders OWNER TO pg_monitor",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_table_fails_no_writer(orders: Events, change: str) -> None:
    orders.watch(topic=".customer", payload_columns=["note", "customer"], changed_columns=["state", "customer"])
    with living_session(orders) as living:
        orders.place.sql(change)
        with orders.place.connect() as new:
            new.autocommit = True
            for number, user in enumerate((living, new), 10):
                user.execute(INSERT, [number])
                columns = "" if "DROP COLUMN state" in change else "state = 'y' || coalesce(state, ''), "
                user.execute(f"UPDATE app.orders SET {columns}id = id + 20 WHERE id = %s".encode(), [number])
                user.execute("DELETE FROM app.orders WHERE id = %s", [number + 20])
    noted = orders.noted("operation::text, key ->> 'id', old_key ->> 'id'")
    with_updates = "DROP COLUMN state" not in change
    for number in (10, 11):
        assert ("I", str(number), None) in noted
        assert (("U", str(number + 20), str(number)) in noted) is with_updates
        assert ("D", str(number + 20), None) in noted
    assert len(noted) == (6 if with_updates else 4)
    orders.take_in()
    assert len(orders.queued()) == len(noted)


def test_what_is_gone_is_null(orders: Events) -> None:
    binding = orders.watch(topic=".customer", payload_columns=["note", "state"])
    with living_session(orders) as living:
        orders.place.sql("ALTER TABLE app.orders DROP COLUMN customer, DROP COLUMN note")
        living.execute(INSERT, [10])
        with orders.place.connect() as new:
            new.execute(INSERT, [11])
    orders.take_in()
    assert orders.queued("topic, payload") == [(f"#{binding}", {"note": None, "state": None})] * 2


def test_a_type_that_is_changed_comes_as_it_is_now(orders: Events) -> None:
    orders.watch(payload_columns=["customer"])
    with living_session(orders) as living:
        living.execute("INSERT INTO app.orders VALUES (10, 7)")
        orders.place.sql("ALTER TABLE app.orders ALTER COLUMN customer TYPE text USING 'n' || customer")
        living.execute("INSERT INTO app.orders VALUES (11, 'eight')")
    assert orders.noted("payload") == [({"customer": 7},), ({"customer": "eight"},)]


def test_writes_to_partitions_by_their_own_names_count_and_so_do_later_partitions(events: Events) -> None:
    events.place.sql(PARTITIONED)
    events.watch(operations=["INSERT", "UPDATE", "DELETE"])
    events.place.sql("INSERT INTO app.few VALUES (1)")
    events.place.sql("CREATE TABLE app.later PARTITION OF app.orders FOR VALUES FROM (1000000) TO (2000000)")
    events.place.sql("INSERT INTO app.later VALUES (1500000)")
    events.place.sql("CREATE TABLE app.apart (LIKE app.orders INCLUDING ALL)")
    events.place.sql("INSERT INTO app.apart VALUES (2000001)")
    events.place.sql("ALTER TABLE app.orders ATTACH PARTITION app.apart FOR VALUES FROM (2000000) TO (3000000)")
    events.place.sql("UPDATE app.apart SET state = 'x'")
    events.place.sql("ALTER TABLE app.orders DETACH PARTITION app.few")
    events.place.sql("UPDATE app.few SET state = 'x'")
    assert events.noted("operation::text, key") == [
        ("I", {"id": 1}),
        ("I", {"id": 1500000}),
        ("U", {"id": 2000001}),
    ]


def test_a_row_that_moves_to_another_partition_is_deleted_and_inserted(events: Events) -> None:
    """So the server's triggers have it."""
    events.place.sql(PARTITIONED)
    events.place.sql("INSERT INTO app.orders VALUES (1)")
    events.watch()
    events.place.sql("UPDATE app.orders SET id = 500")
    assert events.noted("operation::text, key") == [("D", {"id": 1}), ("I", {"id": 500})]


def test_writing_the_function_anew_changes_nothing_of_what_is_noted(orders: Events) -> None:
    binding = orders.watch(payload_columns=["state"])
    before = orders.place.sql("SELECT prosrc, proconfig FROM pg_proc WHERE proname = %s", f"capture_{binding}")
    orders.place.sql("SELECT archiver.write_capture(%s)", binding)
    assert orders.place.sql("SELECT prosrc, proconfig FROM pg_proc WHERE proname = %s", f"capture_{binding}") == before
    orders.place.sql("INSERT INTO app.orders VALUES (1, 7, 'x')")
    assert orders.noted("key, payload") == [({"id": 1}, {"state": "x"})]


@pytest.mark.more
def test_the_function_is_written_anew_under_load_and_no_writer_fails_or_loses_an_event(orders: Events) -> None:
    binding = orders.watch(payload_columns=["state"])
    failed: list[Exception] = []
    end = threading.Event()
    written = [0] * 6

    def write(number: int) -> None:
        try:
            with orders.place.connect() as user:
                user.autocommit = True
                while not end.is_set():
                    key = number * 100_000 + written[number]
                    user.execute("INSERT INTO app.orders VALUES (%s, 1, 'x')", [key])
                    written[number] += 1
        except Exception as error:  # noqa: BLE001 (whatever it is)
            failed.append(error)

    threads = [threading.Thread(target=write, args=[number]) for number in range(len(written))]
    for thread in threads:
        thread.start()
    for _ in range(150):
        orders.place.sql("SELECT archiver.write_capture(%s)", binding)
    end.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert min(written) > 0
    noted = [key["id"] for (key,) in orders.noted("key")]
    assert sorted(noted) == sorted(
        number * 100_000 + count for number, total in enumerate(written) for count in range(total)
    )
