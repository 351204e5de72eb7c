"""A delete batch looks for each row in its own part of the table, and in none of the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from pg_archiver.domain.tables import TableName
from pg_archiver.postgres.statements import Names, NotReferenced, QualifiedColumn, SameValues, compose
from tests.support.place import Place, hours_ago

PARTS = 32
ROWS = 200
HASHED = "PARTITION BY HASH (id)"
RANGED = "PARTITION BY RANGE (at)"


@pytest.mark.parametrize(("kind", "type_"), [(HASHED, "bigint"), (HASHED, "uuid"), (RANGED, "bigint")])
def test_parts_are_passed_over_that_cannot_hold_the_row(place: Place, kind: str, type_: str) -> None:
    key = "id" if kind is HASHED else "id, at"
    place.sql(f"CREATE TABLE public.parted (id {type_}, at timestamp, PRIMARY KEY ({key})) {kind}")
    for number in range(PARTS):
        bounds = f"WITH (MODULUS {PARTS}, REMAINDER {number})"
        if kind is RANGED:
            bounds = f"FROM ('{hours_ago(100 - number)}') TO ('{hours_ago(99 - number)}')"
        place.sql(f"CREATE TABLE public.part_{number} PARTITION OF public.parted FOR VALUES {bounds}")
    value = "gen_random_uuid()" if type_ == "uuid" else "n"
    start = hours_ago(90)
    place.sql(
        f"INSERT INTO public.parted SELECT {value}, %s::timestamp + n * interval '1 second'"
        " FROM generate_series(1, %s) AS n",
        start, ROWS,
    )  # fmt: skip
    place.sql(
        "CREATE TEMPORARY TABLE archiver_keys AS SELECT xmin AS version, tableoid AS key_0, ctid AS key_1, id AS key_2,"
        " at AS key_3 FROM public.parted;"
        "ALTER TABLE pg_temp.archiver_keys ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;"
        "ANALYZE pg_temp.archiver_keys; ANALYZE public.parted;"
        "SET enable_hashjoin = off; SET enable_mergejoin = off"
    )
    names: Names = {
        "table": TableName("public", "parted"),
        "column": "at",
        "target_place": [QualifiedColumn("target", "tableoid"), QualifiedColumn("target", "ctid")],
        "exported_place": [QualifiedColumn("exported", "key_0"), QualifiedColumn("exported", "key_1")],
        "same_key": SameValues("target", "exported", (("id", "key_2", True), ("at", "key_3", True))),
        "unreferenced": NotReferenced("target", ()),
    }
    statement = b"EXPLAIN (ANALYZE, FORMAT JSON) " + compose("archive/delete/batch", names).as_bytes(place.user)
    values = {"after": 0, "upto": ROWS, "start": start, "end": start + timedelta(hours=1), "superseded": None}
    with place.user.cursor() as cursor:
        cursor.execute(statement, values)
        ((plan,),) = cursor.fetchall()
    scans = [node for node in nodes(plan[0]["Plan"]) if str(node.get("Relation Name", "")).startswith("part_")]
    # Without that it would be each part for each row.
    assert sum(node["Actual Loops"] for node in scans if node["Node Type"] != "ModifyTable") <= ROWS
    assert place.sql("SELECT count(*) FROM public.parted") == [(0,)]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)
