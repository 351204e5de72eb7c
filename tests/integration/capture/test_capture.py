"""What the triggers note of changes: each once, and with the transaction that made it."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.events import ORDERS, Events
from tests.support.jobs import run_as


def test_each_change_is_noted_with_the_key_of_its_row(orders: Events) -> None:
    binding = orders.watch()
    place = orders.place
    place.sql("INSERT INTO app.orders VALUES (1, 7, 'new'), (2, 7, 'new'), (200, 8, 'new')")
    place.sql("UPDATE app.orders SET state = 'paid' WHERE id <> 2")
    place.sql("DELETE FROM app.orders WHERE id = 2")
    assert orders.noted("operation::text, key, old_key, payload, binding_id") == [
        *(("I", {"id": number}, None, None, binding) for number in (1, 2, 200)),
        *(("U", {"id": number}, None, None, binding) for number in (1, 200)),
        ("D", {"id": 2}, None, None, binding),
    ]


def test_what_touches_no_row_or_is_rolled_back_leaves_nothing(orders: Events) -> None:
    orders.watch()
    orders.place.sql("UPDATE app.orders SET state = 'paid'")
    with orders.place.connect() as user, user.transaction(force_rollback=True):
        user.execute("INSERT INTO app.orders VALUES (1)")
    with orders.place.connect() as user, user.transaction():
        user.execute("INSERT INTO app.orders VALUES (2)")
        with user.transaction(force_rollback=True):
            user.execute("INSERT INTO app.orders VALUES (3)")
    assert orders.keys() == [{"id": 2}]


def test_an_event_is_seen_when_its_row_is_and_not_before(orders: Events) -> None:
    orders.watch()
    with orders.place.connect() as user:
        user.execute("INSERT INTO app.orders VALUES (1)")
        assert orders.take_in() == 0
        user.commit()
    assert orders.take_in() == 1


def test_a_key_that_changes_is_noted_before_and_after(orders: Events) -> None:
    orders.place.sql("INSERT INTO app.orders SELECT n FROM generate_series(1, 9) AS n")
    orders.watch()
    orders.place.sql("UPDATE app.orders SET id = CASE WHEN id = 5 THEN 55 ELSE id END, state = 'x'")
    noted = orders.noted("key, old_key")
    assert sorted(key["id"] for key, _ in noted) == [1, 2, 3, 4, 6, 7, 8, 9, 55]
    assert [(key, old) for key, old in noted if old] == [({"id": 55}, {"id": 5})]


def test_rows_before_and_after_are_told_apart_in_one_large_statement(events: Events) -> None:
    """Both are read in the same order, and paired by it."""
    events.place.sql(ORDERS)
    events.place.sql(
        "INSERT INTO app.orders SELECT n, n % 7, 'x', repeat('y', n % 300) FROM generate_series(1, 5000) AS n"
    )
    events.watch(changed_columns=["customer"])
    events.place.sql(
        "UPDATE app.orders SET id = id + 100000, note = note || 'z',"
        " customer = CASE WHEN id % 5 = 0 THEN customer + 1 ELSE customer END"
    )
    noted = events.noted("key, old_key")
    assert len(noted) == 1000
    assert all(key["id"] == old["id"] + 100_000 and old["id"] % 5 == 0 for key, old in noted)


def test_a_plan_made_for_one_row_serves_many(events: Events) -> None:
    """A session keeps the statements of a trigger; none of them may be one that suits few rows only."""
    events.place.sql(ORDERS)
    events.watch()
    with events.place.connect() as user:
        user.execute("SET statement_timeout = '20s'")
        for number in range(8):
            user.execute("INSERT INTO app.orders VALUES (%s)", [number])
            user.execute("UPDATE app.orders SET state = 'x' WHERE id = %s", [number])
        user.execute("INSERT INTO app.orders SELECT n FROM generate_series(100, 20099) AS n")
        user.execute("UPDATE app.orders SET state = 'y'")
        user.commit()
    assert len(events.noted("id")) == 16 + 20_000 + 20_008


CHANGED = {
    "another value": ("state = 'paid'", True),
    "null to a value": ("note = 'x'", True),
    "a value to null": ("state = NULL", True),
    "an empty text for null": ("note = ''", True),
    "the same value": ("state = state", False),
    "another column": ("customer = 9", False),
}


def test_an_update_counts_only_if_one_of_the_columns_differs(orders: Events) -> None:
    orders.watch(changed_columns=["state", "note"])
    orders.place.sql("INSERT INTO app.orders VALUES (1, 7, 'new', NULL)")
    for case, (change, counts) in CHANGED.items():
        orders.forget()
        with orders.place.connect() as user:
            user.execute(f"UPDATE app.orders SET {change} WHERE id = 1".encode())
            assert user.execute("SELECT count(*) FROM archiver.incoming_events").fetchone() == (int(counts),), case
            user.rollback()


def test_values_that_are_equal_and_not_the_same_count_as_a_change(events: Events) -> None:
    events.place.sql("CREATE SCHEMA app; CREATE TABLE app.orders (id int PRIMARY KEY, price numeric)")
    events.watch(operations=["UPDATE"], changed_columns=["price"])
    events.place.sql("INSERT INTO app.orders VALUES (1, 1.0)")
    events.place.sql("UPDATE app.orders SET price = 1.00")
    assert events.operations() == ["U"]


def test_only_the_operations_that_are_asked_for_have_a_trigger(orders: Events) -> None:
    binding = orders.watch(operations=["DELETE", "INSERT"])
    orders.place.sql("INSERT INTO app.orders VALUES (1)")
    orders.place.sql("UPDATE app.orders SET state = 'x'")
    orders.place.sql("DELETE FROM app.orders")
    assert orders.operations() == ["I", "D"]
    triggers = orders.place.sql("SELECT DISTINCT tgname FROM pg_trigger WHERE tgname ~ '^archiver' ORDER BY 1")
    assert triggers == [(f"archiver_events_{binding}_{name}",) for name in ("del", "ins")]


def test_truncate_is_one_event_of_the_tables_topic(orders: Events) -> None:
    binding = orders.watch(operations=["TRUNCATE", "INSERT"], topic=".customer")
    orders.place.sql("INSERT INTO app.orders VALUES (1, 7), (2, NULL)")
    orders.place.sql("TRUNCATE app.orders")
    assert orders.operations() == ["I", "I", "T"]
    orders.take_in()
    topics = orders.place.sql("SELECT operation, topic, key FROM archiver.events ORDER BY turn")
    assert topics == [
        ("INSERT", f"#{binding}[7]", {"id": 1}),
        ("INSERT", f"#{binding}", {"id": 2}),
        ("TRUNCATE", f"#{binding}", {}),
    ]


def test_statements_that_insert_or_update_are_noted_as_what_they_did(orders: Events) -> None:
    orders.place.sql("INSERT INTO app.orders VALUES (1, 7, 'old')")
    orders.watch()
    orders.place.sql("INSERT INTO app.orders VALUES (1, 7), (2, 7) ON CONFLICT (id) DO UPDATE SET state = 'again'")
    orders.place.sql("INSERT INTO app.orders VALUES (1, 7), (3, 7) ON CONFLICT (id) DO NOTHING")
    with orders.place.user.cursor() as cursor, cursor.copy("COPY app.orders (id) FROM STDIN") as copy:
        copy.write("4\n5\n")
    orders.place.sql(
        "MERGE INTO app.orders AS target USING (VALUES (3), (4), (6)) AS source (id) ON target.id = source.id"
        " WHEN MATCHED AND target.id = 3 THEN DELETE WHEN MATCHED THEN UPDATE SET state = 'merged'"
        " WHEN NOT MATCHED THEN INSERT VALUES (source.id)"
    )
    found = sorted((operation, key["id"]) for operation, key in orders.noted("operation::text, key"))
    assert found == [("D", 3), ("I", 2), ("I", 3), ("I", 4), ("I", 5), ("I", 6), ("U", 1), ("U", 4)]


def test_several_bindings_of_a_table_each_have_their_events(orders: Events) -> None:
    orders.add_job("mail")
    one, two = orders.watch(), orders.watch(job="mail", operations=["DELETE"])
    orders.place.sql("INSERT INTO app.orders VALUES (1)")
    orders.place.sql("DELETE FROM app.orders")
    assert sorted(orders.noted("binding_id, operation::text")) == [(one, "D"), (one, "I"), (two, "D")]


def test_an_event_needs_no_other_privilege_than_the_row_does(orders: Events) -> None:
    orders.watch(payload_columns=["note"], topic=".customer")
    clerk = orders.place.as_role("clerk", "USAGE ON SCHEMA app", "INSERT, UPDATE, DELETE, SELECT ON app.orders")
    run_as(clerk, "INSERT INTO app.orders VALUES (1, 7)")
    run_as(clerk, "UPDATE app.orders SET state = 'x'")
    run_as(clerk, "DELETE FROM app.orders")
    assert orders.operations() == ["I", "U", "D"]
    for forbidden in ("SELECT * FROM archiver.incoming_events", "SELECT archiver.take_in_events(1)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run_as(clerk, forbidden)
