"""The functions of the walk through table events; that of the README stands as it was, but for its names."""

from __future__ import annotations

import psycopg

from pg_archiver.events import Event, event_function


@event_function("copy_input")
def copy_input(event: Event, db: psycopg.Connection) -> None:
    """Copy a row of the source into the sink, if it is still there."""
    found = db.execute("SELECT input FROM test_source WHERE id = %s", [event.key["id"]]).fetchone()
    print("own words of a tenant 8841")  # noqa: T201 (what becomes of it is looked at)
    if found is not None:
        db.execute("INSERT INTO test_sink (data) VALUES (%s)", [f"{event.operation} {found[0]}"])


@event_function("commits")
def commits(event: Event, db: psycopg.Connection) -> None:
    """Do what the README's example does, and commit."""
    cur = db.cursor()
    cur.execute("SELECT input FROM test_source where id = %s", ([event.key["id"]]))
    input = cur.fetchall()  # noqa: A001 (its own word)
    if len(input) > 0:
        cur.execute("insert into test_sink (data) values (%s)", (input[0]))
        db.commit()


@event_function("tick")
def tick(_event: Event, db: psycopg.Connection) -> None:
    """Note that its schedule was due."""
    db.execute("INSERT INTO test_sink (data) VALUES ('tick')")


@event_function("fails")
def fails(event: Event, db: psycopg.Connection) -> None:
    """Fail while somebody says so."""
    if db.execute("SELECT FROM test_switch").fetchone() is not None:
        raise ValueError("own words of a tenant 8841")
    db.execute("INSERT INTO test_sink (data) VALUES (%s)", [f"at last {event.key['id']}"])
