"""Every statement file is one that a real server takes.

The scripts in `roles/` are not for the loader: people run them with psql, and test_roles.py does.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from pg_archiver.ledger import migrations
from pg_archiver.ledger.migrations import JOBS, LEDGER, list_migrations
from tests.support.place import EVENTS, Place
from tests.support.statement_values import (
    ALONE,
    EVERY,
    LOADED,
    MIGRATIONS,
    OIDS,
    TABLE,
    VALUES,
    VALUES_OF,
    composed,
    named,
    preparations,
    text_of,
)
from tests.support.statement_values_of_jobs import ROUTINE, ROUTINES


def test_every_statement_runs_on_a_real_server(furnished: Place) -> None:
    """In one transaction each, rolled back; those on the temporary table after those that make it."""
    with furnished.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET archiver.ledger_version = '3'")
        connection.commit()
        for statement in (name for name in EVERY if name not in MIGRATIONS and name not in ALONE):
            for preparation in preparations(statement):
                cursor.execute(composed(preparation), {})
            wanted = re.findall(r"%\((\w+)\)s", text_of(statement))
            values: dict[str, Any] = {name: {**VALUES, **VALUES_OF.get(statement, {})}[name] for name in wanted}
            if statement in OIDS:
                values["oid"] = furnished.sql("SELECT %s::regclass::oid", OIDS[statement])[0][0]
            if "part" in values:
                values["part"] = furnished.sql("SELECT %s::regclass::oid", named(TABLE))[0][0]
            if statement in ROUTINES:
                cursor.execute(f"CREATE {ROUTINES[statement].format(named(ROUTINE))}".encode())
            if statement in LOADED:
                with cursor.copy(composed(statement), {"none": None}) as copy:
                    copy.write(LOADED[statement])
            elif re.search(r"\bCOPY \(", text_of(statement)):
                with cursor.copy(composed(statement), values) as copy:
                    assert b"".join(map(bytes, copy)).count(b"\n") == 2
            else:
                cursor.execute(composed(statement), values)
            connection.rollback()


@pytest.mark.parametrize("statement", sorted(ALONE))
def test_statements_that_take_no_transaction_run_on_a_real_server(furnished: Place, statement: str) -> None:
    with furnished.connect() as connection:
        connection.autocommit = True
        try:
            connection.execute(composed(statement), {"none": None})
            answer = None
        except psycopg.Error as error:
            answer = error.sqlstate
        assert answer == ALONE[statement]


@pytest.mark.parametrize("statement", [name for name in EVERY if name not in MIGRATIONS])
def test_every_statement_file_says_one_thing(statement: str) -> None:
    code = "\n".join(line for line in text_of(statement).splitlines() if not line.startswith("--"))
    assert ";" not in code
    assert code == code.strip() + ("\n" if code.endswith("\n") else "")


@pytest.mark.parametrize("stream", [LEDGER, JOBS, migrations.EVENTS])
def test_migrations_are_numbered_without_gaps(stream: str) -> None:
    assert [number for number, _ in list_migrations(stream)] == list(range(1, len(list_migrations(stream)) + 1))


def test_migrations_run_once(place: Place) -> None:
    place.sql(EVENTS)
    place.windows()
    first = place.sql("SELECT * FROM archiver.migrations ORDER BY number")
    place.windows()
    assert place.sql("SELECT * FROM archiver.migrations ORDER BY number") == first
