"""Rows of a table of retention policies, as a worker's own document writes them, and names that are hard to write."""

from __future__ import annotations

from typing import Any

from psycopg import sql

VIEW, PUBLIC = "archiver.data_retention_policy", "public.data_retention_policy"
COLUMNS = (
    "database_name",
    "schema_name",
    "table_name",
    "retention_days",
    "timestamp_column_name",
    "batch_size",
    "cron_schedule",
)
# As the service's own document writes them.
INSERTS = """
INSERT INTO public.data_retention_policy (database_name, schema_name, table_name, retention_days, timestamp_column_name, batch_size, cron_schedule)
VALUES ('postgres', 'public', 'products', 30, 'inserted_at', 1000, '0 0 * * *');

INSERT INTO public.data_retention_policy (database_name, schema_name, table_name, retention_days, timestamp_column_name, batch_size, cron_schedule)
VALUES ('db1', 'public', 'products', 30, 'inserted_at', 1000, '0 0 * * *');

INSERT INTO public.data_retention_policy (database_name, schema_name, table_name, retention_days, timestamp_column_name, batch_size, cron_schedule)
VALUES ('db2', 'public', 'products', 30, 'inserted_at', 1000, '0 0 * * *');
"""  # noqa: E501 (verbatim)
# The table as that service makes it.
TABLE = """
    CREATE TABLE public.data_retention_policy (
        id serial PRIMARY KEY,
        database_name text NOT NULL,
        schema_name text NOT NULL,
        table_name text NOT NULL,
        retention_days int NOT NULL,
        timestamp_column_name text NOT NULL,
        batch_size int NOT NULL,
        cron_schedule text NOT NULL,
        updated_at timestamp NOT NULL DEFAULT now()
    )
"""
PRODUCTS: dict[str, Any] = {
    "database_name": "postgres",
    "schema_name": "public",
    "table_name": "products",
    "retention_days": 30,
    "timestamp_column_name": "inserted_at",
    "batch_size": 1000,
    "cron_schedule": "0 0 * * *",
}
# What may be a name in Postgres, each of it twice as long as its characters where it can be.
HOSTILE = [
    'a "quoted" one',
    '"',
    '""',
    "it's",
    "Capitals",
    "a.b",
    '."."',
    "100%",
    "%s %(start)s %%",
    "{}",
    "{table}",
    "; DROP TABLE archiver.jobs; --",
    "$$",
    "\\",
    "ä 漢字 😀",
    " ",
    "*",
    "n" * 63,
    '"' * 63,
    "é" * 31,
]


def insertion(values: dict[str, Any], into: str = VIEW) -> tuple[str, list[Any]]:
    """An INSERT of these columns, and what it is given."""
    names = sql.SQL(", ").join(map(sql.Identifier, values)).as_string()
    places = ", ".join(["%s"] * len(values))
    return f"INSERT INTO {into} ({names}) VALUES ({places})", list(values.values())
