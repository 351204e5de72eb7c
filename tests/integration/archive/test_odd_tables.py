"""Tables out of the ordinary: archived and restored exactly, or refused before anything is written."""

from __future__ import annotations

import psycopg
import pytest

from pg_archiver.domain.tables import RowIdentity
from pg_archiver.errors import TableRefused
from tests.support.place import Place, hours_ago
from tests.support.refusals import refused
from tests.support.restores import differences, remembered, restored

pytestmark = pytest.mark.more

PARTS = (
    "CREATE TABLE public.things_0 PARTITION OF public.things FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
    "CREATE TABLE public.things_1 PARTITION OF public.things FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
)
SUB_PARTS = (
    "CREATE TABLE public.things_a PARTITION OF public.things FOR VALUES IN ('a') PARTITION BY HASH (number);"
    "CREATE TABLE public.things_a0 PARTITION OF public.things_a FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
    "CREATE TABLE public.things_rest PARTITION OF public.things DEFAULT PARTITION BY RANGE (number);"
    "CREATE TABLE public.things_low PARTITION OF public.things_rest FOR VALUES FROM (MINVALUE) TO (5);"
    "CREATE TABLE public.things_high PARTITION OF public.things_rest DEFAULT"
)
COLUMNS = "number int NOT NULL, at timestamp NOT NULL, name text NOT NULL"
KEY, UNIQUE, PLACE = RowIdentity.PRIMARY_KEY, RowIdentity.UNIQUE_INDEX, RowIdentity.PLACE
SHAPES = {
    "hash": (f"CREATE TABLE public.things ({COLUMNS}) PARTITION BY HASH (number); {PARTS}", PLACE),
    "hash with a key": (
        f"CREATE TABLE public.things ({COLUMNS}, PRIMARY KEY (number)) PARTITION BY HASH (number); {PARTS}",
        KEY,
    ),
    "list, then hash and range": (
        f"CREATE TABLE public.things ({COLUMNS}, UNIQUE (number, name)) PARTITION BY LIST (name); {SUB_PARTS}",
        UNIQUE,
    ),
    "deferrable key": (f"CREATE TABLE public.things ({COLUMNS}, PRIMARY KEY (number) DEFERRABLE)", PLACE),
    "nulls not distinct": (
        "CREATE TABLE public.things (number int, at timestamp, name text, UNIQUE NULLS NOT DISTINCT (number, name))",
        PLACE,
    ),
    "key with another column in it": (
        f"CREATE TABLE public.things ({COLUMNS}, PRIMARY KEY (number) INCLUDE (name))",
        KEY,
    ),
    "partial and expression": (
        f"CREATE TABLE public.things ({COLUMNS});"
        "CREATE UNIQUE INDEX ON public.things (number) WHERE name <> 'x';"
        "CREATE UNIQUE INDEX ON public.things ((number+1))",
        PLACE,
    ),
    "heirs with keys of their own": (
        f"CREATE TABLE public.things ({COLUMNS}, PRIMARY KEY (number));"
        "CREATE TABLE public.heirs (PRIMARY KEY (number)) INHERITS (public.things)",
        PLACE,
    ),
}


def round_trip(place: Place, rows: int) -> None:
    remembered(place)
    assert sum(deleted.rows for deleted in place.archive()) == rows
    assert place.sql(f"SELECT count(*) FROM {place.relation}") == [(0,)]
    assert restored(place, hours_ago(24 * 1000)).restored == rows
    assert differences(place) == []
    assert restored(place, hours_ago(24 * 1000), into="public.copy").restored == rows
    assert differences(place, "public.copy") == []


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_every_shape_of_table_come_back(place: Place, shape: str) -> None:
    creation, identity = SHAPES[shape]
    place.sql(creation)
    place.sql(
        "INSERT INTO public.things SELECT n, %s::timestamp + n * interval '1 min', chr(97 + n %% 3)"
        " FROM generate_series(0, 24) AS n",
        hours_ago(60),
    )
    if shape.startswith("heirs"):
        place.sql("DELETE FROM public.things WHERE number % 2 = 0")
        place.sql(
            "INSERT INTO public.heirs SELECT n, %s::timestamp + n * interval '1 min', chr(97 + n %% 3)"
            " FROM generate_series(0, 24, 2) AS n",
            hours_ago(60),
        )
    place = place.on("public.things", "at")
    round_trip(place, 25)
    (manifest,) = place.manifests()
    assert manifest.identity == identity


def test_rows_of_parent_and_heir_with_one_key_are_both_archived_and_deleted(place: Place) -> None:
    place.sql(SHAPES["heirs with keys of their own"][0])
    place.sql("INSERT INTO public.things VALUES (1, %s, 'parent')", hours_ago(60))
    place.sql("INSERT INTO public.heirs VALUES (1, %s, 'heir')", hours_ago(60))
    place = place.on("public.things", "at")
    before = place.csv_of_table()
    window = place.stored_window()
    place.sql("UPDATE public.heirs SET name = 'changed'")
    assert (place.delete(window).rows, place.sql("SELECT name FROM public.things")) == (1, [("changed",)])
    assert place.archived() == before


@pytest.mark.first_run
def test_heirs_with_columns_of_their_own_are_refused_by_the_columns(place: Place) -> None:
    place.sql(
        f"CREATE TABLE public.things ({COLUMNS}); CREATE TABLE public.heirs () INHERITS (public.things);"
        'CREATE TABLE public."Grand heirs" ("ex tra" int, other text) INHERITS (public.heirs)'
    )
    place.sql("INSERT INTO public.\"Grand heirs\" VALUES (1, %s, 'a', 1, 'x')", hours_ago(60))
    place = place.on("public.things", "at")
    refused(place, TableRefused, '"ex tra" of public."Grand heirs"', 'other of public."Grand heirs"', "NO INHERIT")
    place.sql('ALTER TABLE public."Grand heirs" NO INHERIT public.heirs')
    assert place.plan().windows == 0


def test_an_heir_that_gets_a_column_after_the_export_loses_nothing(place: Place) -> None:
    place.sql(f"CREATE TABLE public.things ({COLUMNS}); CREATE TABLE public.heirs () INHERITS (public.things)")
    place.sql("INSERT INTO public.heirs VALUES (1, %s, 'a')", hours_ago(60))
    place = place.on("public.things", "at")
    window = place.stored_window()
    place.sql("ALTER TABLE public.heirs ADD extra int DEFAULT 5")
    with pytest.raises(TableRefused, match=r"extra of public\.heirs"):
        place.delete(window)
    assert place.sql("SELECT extra FROM public.heirs") == [(5,)]


def test_a_unique_index_that_is_not_valid_is_no_key(place: Place) -> None:
    place.sql(f"CREATE TABLE public.things ({COLUMNS})")
    place.sql("INSERT INTO public.things SELECT 1, %s, 'double' FROM generate_series(1, 2)", hours_ago(60))
    with pytest.raises(psycopg.errors.UniqueViolation):
        place.sql("CREATE UNIQUE INDEX CONCURRENTLY ON public.things (number)")
    assert place.sql("SELECT indisvalid FROM pg_index WHERE indrelid = 'public.things'::regclass") == [(False,)]
    place = place.on("public.things", "at")
    remembered(place)
    assert [deleted.rows for deleted in place.archive()] == [2]
    place.sql("DROP INDEX public.things_number_idx")
    assert restored(place).restored == 2
    assert differences(place) == []
    assert {manifest.identity for manifest in place.manifests()} == {RowIdentity.PLACE}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numeric", ["1.0", "1.10", "NaN", "0.00", "-0.1", "Infinity"]),
        ("float8", ["-0", "NaN", "1e-320", "0.1", "-Infinity"]),
        ("float4", ["-0", "NaN", "0.1"]),
        ("jsonb", ['{"a": 1.0}', "null", "[1.10]"]),
        ("interval", ["1 mon", "31 days", "24:00:00"]),
        ("timestamptz", ["2024-10-27 01:30+00", "2024-10-27 00:30+00", "infinity"]),
        ("char(5)", ["a", "b", ""]),
        ("bytea", ["\\x00", "\\x", "\\x22"]),
        ("public.pair", ["(1.0,a)", "(,)", '(2,"x y")']),
        ("numrange", ["[1.0,2)", "empty", "(,)"]),
        ("numeric[]", ["{1.0,NULL}", "{}", "[0:0]={1}"]),
        ("inet", ["10.0.0.1/8", "::1"]),
    ],
)
def test_keys_whose_equality_is_not_their_text_come_back(place: Place, kind: str, values: list[str]) -> None:
    place.sql("CREATE TYPE public.pair AS (number numeric, name text)")
    place.sql(f"CREATE TABLE public.things (key {kind} PRIMARY KEY, at timestamp)")
    for value in values:
        place.sql(f"INSERT INTO public.things VALUES (%s::text::{kind}, %s)", value, hours_ago(60))
    place = place.on("public.things", "at", batch_size=2)
    round_trip(place, len(values))
    assert restored(place).in_conflict == len(values)


def test_a_timestamp_that_the_server_generates_serves(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.things (id int PRIMARY KEY, seconds bigint,"
        " at timestamp GENERATED ALWAYS AS (timestamp '1970-01-01' + seconds * interval '1 second') STORED)"
    )
    place.sql("CREATE INDEX ON public.things (at)")
    place.sql(
        "INSERT INTO public.things SELECT n, extract(epoch FROM %s::timestamp) + n * 600 FROM generate_series(0, 9) n",
        hours_ago(60),
    )
    round_trip(place.on("public.things", "at"), 10)


@pytest.mark.parametrize("column", ["day", "moment"])
def test_a_table_with_a_day_and_a_moment_is_archived_by_either(place: Place, column: str) -> None:
    place.sql("CREATE TABLE public.things (id int PRIMARY KEY, day date, moment timestamptz)")
    place.sql(
        "INSERT INTO public.things SELECT n, (m AT TIME ZONE 'UTC')::date, m FROM ("
        " SELECT n, (%s::timestamp + n * interval '7 hours') AT TIME ZONE 'UTC' AS m"
        " FROM generate_series(0, 9) AS n) AS x",
        hours_ago(200),
    )
    round_trip(place.on("public.things", column, timezone="Asia/Tokyo").with_policy(timezone="Asia/Tokyo"), 10)


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz"])
@pytest.mark.parametrize(("zone", "day"), [("Europe/Berlin", "2025-03-30"), ("Europe/Berlin", "2025-10-26")])
def test_no_hour_is_lost_or_doubled_where_clocks_change(place: Place, kind: str, zone: str, day: str) -> None:
    place.sql(f"CREATE TABLE public.things (id serial PRIMARY KEY, at {kind}); CREATE INDEX ON public.things (at)")
    place.sql(f"SET TimeZone = '{zone}'")
    # Every ten minutes of eight real hours, as the wall clock of the zone shows them: some times twice, some never.
    place.sql(
        f"INSERT INTO public.things (at) SELECT (timestamptz '{day} 00:00' + n * interval '10 minutes')::{kind}"
        " FROM generate_series(-6, 41) AS n"
    )
    place.sql("RESET TimeZone")
    place = place.on("public.things", "at", timezone=zone).with_policy(timezone=zone)
    before = place.csv_of_table()
    round_trip(place, 48)
    spans = [manifest.span for manifest in place.manifests()]
    assert all(one.end <= other.start for one, other in zip(sorted(spans), sorted(spans)[1:], strict=False))
    assert place.archived() == before


PUBLISHED = {
    "the table": "FOR TABLE public.things",
    "its schema": "FOR TABLES IN SCHEMA public",
    "all": "FOR ALL TABLES",
    "all, through the root": "FOR ALL TABLES WITH (publish_via_partition_root)",
    "a partition": "FOR TABLE public.things_0",
}


IDENTITIES = {
    "": True,
    "ALTER TABLE public.things_0 REPLICA IDENTITY FULL": False,
    "ALTER TABLE public.things_0 ADD PRIMARY KEY (number)": False,
    "ALTER TABLE public.things_0 ADD PRIMARY KEY (number), REPLICA IDENTITY NOTHING": True,
    "CREATE UNIQUE INDEX own ON public.things_0 (number);"
    "ALTER TABLE public.things_0 REPLICA IDENTITY USING INDEX own": False,
    "ALTER TABLE public.things_0 ADD PRIMARY KEY (number) DEFERRABLE": True,
}


@pytest.mark.first_run
@pytest.mark.parametrize(
    ("published", "identity", "refused_"),
    [*(("the table", *pair) for pair in IDENTITIES.items()), *((name, "", True) for name in list(PUBLISHED)[1:])],
)
def test_deletes_that_the_server_would_refuse_to_publish_are_refused_first(
    place: Place, published: str, identity: str, refused_: bool
) -> None:
    place.sql(f"CREATE TABLE public.things ({COLUMNS}) PARTITION BY HASH (number)")
    place.sql("CREATE TABLE public.things_0 PARTITION OF public.things FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
    place.sql("INSERT INTO public.things VALUES (1, %s, 'a')", hours_ago(60))
    if identity:
        place.sql(identity)
    place.sql(f"CREATE PUBLICATION news {PUBLISHED[published]}")
    place = place.on("public.things", "at")
    if refused_:
        refused(place, TableRefused, "public.things_0 (published by news)", "REPLICA IDENTITY FULL")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            place.sql("DELETE FROM public.things")
        place.sql("ALTER PUBLICATION news SET (publish = 'insert, update')")
    else:
        assert "subscribers get the deletes: news" in place.plan().notes
    assert [deleted.rows for deleted in place.archive()] == [1]


def test_a_partitioned_table_that_points_to_another_goes_and_one_pointed_to_stays(place: Place) -> None:
    place.sql(
        "CREATE TABLE public.owners (number int PRIMARY KEY, at timestamp) PARTITION BY HASH (number);"
        "CREATE TABLE public.owners_0 PARTITION OF public.owners FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "CREATE TABLE public.things (number int REFERENCES public.owners, at timestamp) PARTITION BY HASH (number);"
        "CREATE TABLE public.things_0 PARTITION OF public.things FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
    )
    place.sql("INSERT INTO public.owners VALUES (1, %s)", hours_ago(60))
    place.sql("INSERT INTO public.things TABLE public.owners")
    owners, things = place.on("public.owners", "at"), place.on("public.things", "at")
    window = owners.stored_window()
    with pytest.raises(TableRefused, match=r"rows of public\.things point to rows of public\.owners"):
        owners.delete(window)
    assert owners.live().total() == 1
    assert [deleted.rows for deleted in things.archive()] == [1]
    assert owners.delete(window).rows == 1
