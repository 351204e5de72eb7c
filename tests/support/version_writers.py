"""Writers of versions at random, and a trigger that finds out if one of the newest goes."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg import errors

# At each commit of a purge so many newer versions of the key are there, which nobody is taking away.
_CHECK = """
    CREATE FUNCTION {schema}.check_newer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('test.writer', true) = 'on' THEN
            RETURN NULL;
        END IF;
        IF 3 > (
            SELECT count(*) FROM (
                SELECT FROM {table} WHERE doc_id = OLD.doc_id AND version > OLD.version FOR SHARE SKIP LOCKED
            ) AS newer
        ) THEN
            RAISE EXCEPTION 'version % of key % was one of the newest', OLD.version, OLD.doc_id;
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER check_newer AFTER DELETE ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {schema}.check_newer()
"""
_KEYS = 4


def check_newer(table: str) -> str:
    """Returns what makes the trigger on this table, `schema.name`."""
    return _CHECK.format(table=table, schema=table.split(".", maxsplit=1)[0])


def write(
    connect: Callable[[], AbstractContextManager[psycopg.Connection[Any]]], table: str, number: int, operations: int
) -> tuple[int, int]:
    """Inserts, deletes and renumbers, each a transaction; returns how many rows were inserted, and deleted."""
    chance = random.Random(number)  # noqa: S311 (for a test)
    inserted = deleted = 0
    with connect() as user:
        user.execute("SET test.writer = 'on'")
        user.commit()
        for step in range(operations):
            key, version = chance.randint(1, _KEYS), (step + 2) * 8 + number
            what = chance.random()
            one = f"(SELECT version FROM {table} WHERE doc_id = %s ORDER BY random() LIMIT 1)"
            if what < 0.6:
                sql, values = f"INSERT INTO {table} VALUES (%s, %s)", (key, version)
            elif what < 0.8:
                sql, values = f"DELETE FROM {table} WHERE doc_id = %s AND version = {one}", (key, key)
            else:
                # Below all others, or above.
                moved = version + 4 if what < 0.9 else -version
                sql = f"UPDATE {table} SET version = {moved} WHERE doc_id = %s AND version = {one}"
                values = (key, key)
            try:
                rows = user.execute(sql.encode(), values).rowcount
                user.commit()
            except (errors.UniqueViolation, errors.DeadlockDetected):
                user.rollback()
                continue
            inserted += rows if what < 0.6 else 0
            deleted += rows if 0.6 <= what < 0.8 else 0
    return inserted, deleted
