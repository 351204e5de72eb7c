"""Tables and columns that are called as our statements call their own parts: all of them are archived and restored."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from psycopg import sql

from pg_archiver.domain.tables import TableName
from pg_archiver.postgres.statements import FOLDER
from tests.support.place import Place, hours_ago
from tests.support.restores import differences, remembered, restored

pytestmark = pytest.mark.more

_PARTS = re.compile(r"\b(?:AS|WITH|RECURSIVE)\s+(?!MATERIALIZED|NOT)([a-z_]+)|^([a-z_]+) AS \(", re.MULTILINE)
_OURS = {
    name
    for path in FOLDER.rglob("*.sql")
    if re.search(r"\{(?:table|target|partition)\}|archiver_(?:keys|staged|seen)", path.read_text(encoding="utf-8"))
    for found in _PARTS.findall(re.sub(r"--.*", "", path.read_text(encoding="utf-8")))
    for name in found
    if name
}
_TYPES = {"text", "bigint", "integer", "timestamp", "name", "identity"}
NAMES = sorted(
    _OURS - _TYPES | {"child", "excluded", "position", "archiver_keys", "archiver_staged", "key_0", "version"}
)


def test_the_names_that_our_statements_use_are_found() -> None:
    assert {"firsts", "first", "target", "exported", "gone", "counted", "oldest", "staged", "live", "seen"} <= set(
        NAMES
    )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if number % 4 == 0 else pytest.mark.rare) for number, name in enumerate(NAMES)]
)
def test_a_table_and_its_columns_may_be_called_as_our_own_parts(place: Place, name: str) -> None:
    # Half of the tables have no key. Each has all the names in its columns, so every statement meets every name.
    key = NAMES.index(name) % 8 < 4
    identifier, column = sql.Identifier("public", name).as_string(), sql.Identifier(name).as_string()
    others = [sql.Identifier(other).as_string() for other in NAMES if other != name]
    place.sql(
        f"CREATE TABLE {identifier} (id int {'PRIMARY KEY' if key else ''}, {column} timestamp NOT NULL,"
        f" {', '.join(f'{other} timestamp' for other in others)})"
    )
    place.sql(f"CREATE INDEX ON {identifier} ({column})")
    # The other columns hold moments too: whoever takes one of them for the table's finds other windows.
    moments = ", ".join(f"'{hours_ago(500)}'" for _ in others)
    for number, hours in enumerate((60, 61, 70)):
        place.sql(f"INSERT INTO {identifier} VALUES ({number}, '{hours_ago(hours)}', {moments})")
    place = place.on("public.x", name)
    place = replace(place, order=replace(place.order, table=TableName("public", name)))
    remembered(place)
    found = place.plan()
    assert sum(len(batch) for batch in found.batches) == 3
    assert [one.rows for one in place.archive()] == [1, 1, 1]
    assert place.sql(f"SELECT count(*) FROM {identifier}") == [(0,)]
    assert restored(place).restored == 3
    assert differences(place) == []


def test_a_table_with_children_may_be_called_as_our_own_parts(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.child (id int PRIMARY KEY, first timestamp, target int);"
        "CREATE INDEX ON public.child (first);"
        "CREATE TABLE public.target (id int PRIMARY KEY, child int REFERENCES public.child, first timestamp);"
        "CREATE INDEX ON public.target (child)"
    )
    place.sql("INSERT INTO public.child VALUES (1, %s, 1), (2, %s, 1)", hours_ago(60), hours_ago(70))
    place.sql("INSERT INTO public.target VALUES (1, 2, %s)", hours_ago(1))
    place = place.on("public.child", "first", children=(TableName("public", "target"),))
    assert [one.rows for one in place.archive()] == [1]
    assert place.sql("SELECT id FROM public.child") == [(2,)]
