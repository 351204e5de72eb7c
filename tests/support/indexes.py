"""The indexes on a table's timestamp, as the tests of `index` look at them."""

from __future__ import annotations

from pg_archiver.postgres.catalog import describe_table
from tests.support.place import Place


def indexes(place: Place, valid: bool = True) -> list[str]:
    statement = (
        "SELECT c.relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
        " JOIN pg_attribute a ON a.attrelid = indrelid AND a.attnum = indkey[0]"
        " WHERE a.attname = %s AND indisvalid = %s ORDER BY 1"
    )
    return [row[0] for row in place.sql(statement, place.order.timestamp_column, valid)]


def used_by_the_plan(place: Place) -> str | None:
    with place.session() as session:
        return describe_table(session, place.order.table, place.order.timestamp_column).timestamp_index
