"""Of a table whose job keeps the newest versions of each key just those go that newer ones supersede."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pg_archiver.domain.versions import KeepVersions
from pg_archiver.errors import TableMissing, TableRefused
from pg_archiver.policies.retention import KeepDays
from pg_archiver.policies.versions import parse_floor
from tests.support.place import Place
from tests.support.purges import add_trigger, after
from tests.support.versions import DOCS, KEEP_3, SEED, Versions

# As the seed's own tests have them: which of the versions 1, 5, 10, 20, 100 stay.
OF_SEED: dict[str, tuple[int, str | None, list[int]]] = {
    "up to 10 alone, the boundary stays": (0, "10", [10, 20, 100]),
    "up to 9": (0, "9", [10, 20, 100]),
    "up to 11": (0, "11", [20, 100]),
    "keep 1": (1, None, [100]),
    "keep 2": (2, None, [20, 100]),
    "keep 3": (3, None, [10, 20, 100]),
    "keep 10, more than there are": (10, None, [1, 5, 10, 20, 100]),
    "both, the bound keeps more": (1, "10", [10, 20, 100]),
    "both, the number keeps more": (4, "100", [5, 10, 20, 100]),
    "keep last always protects": (2, "1000", [20, 100]),
}


@pytest.fixture
def docs(place: Place) -> Versions:
    return Versions.made_by(place)


@pytest.mark.parametrize("case", OF_SEED)
def test_just_what_both_bounds_let_go_goes(place: Place, case: str) -> None:
    keep, up_to, left = OF_SEED[case]
    docs = Versions.made_by(place, SEED)
    result = docs.purge(versions=replace(KEEP_3, keep=keep, up_to=up_to))
    assert (docs.left(), result.rows) == (left, 5 - len(left))


def test_the_newest_of_each_key_stay_and_each_batch_is_counted_with_its_rows(docs: Versions) -> None:
    result = docs.purge(batch_size=2)
    assert docs.all_left() == {key: [2, 3, 4] for key in range(1, 6)}
    assert docs.counts() == [2, 2, 1]
    assert result.told.startswith("5 rows deleted (")
    assert "bytes), and archived nowhere; 15 rows kept by keep_versions (3)" in result.told
    assert result.told.endswith("the highest version that went is 1; kept by: keep_versions (3)")
    assert (result.kept_by, result.highest_version) == ("keep_versions (3)", "1")
    assert result.bytes > 0
    nothing = docs.purge()
    assert (nothing.rows, nothing.highest_version, nothing.kept_by) == (0, None, "keep_versions (3)")


def test_the_highest_version_that_went_is_that_of_all_batches_and_no_text(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql("INSERT INTO public.docs SELECT 9, generate_series(1, 20)")
    # By key: the last batch holds those of the one that has most versions.
    place.sql("INSERT INTO public.docs SELECT 99, generate_series(1, 4)")
    assert docs.purge(batch_size=4).highest_version == "17"


def test_it_is_rehearsed_without_a_trace(docs: Versions) -> None:
    told = docs.rehearse()
    assert told == (
        "5 rows would be deleted, in batches of 6 rows, and archived nowhere; 15 rows kept by keep_versions (3)"
    )
    assert docs.rows() == 20
    assert not docs.place.has_ledger()


def test_no_batch_begins_when_the_work_is_not_wanted_any_more(docs: Versions) -> None:
    result = docs.purge(after(3), batch_size=2)
    assert (result.rows, result.left) == (2, "its row has changed")
    assert docs.purge().rows == 3


def test_a_key_of_many_versions_goes_in_batches(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql("INSERT INTO public.docs SELECT 9, generate_series(1, 50)")
    docs.purge(batch_size=7)
    assert docs.left(9) == [48, 49, 50]


def test_a_version_stays_for_its_days_too(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql(
        "ALTER TABLE public.docs ADD at timestamptz; UPDATE public.docs SET at = now() - version * interval '1 day';"
        "INSERT INTO public.docs SELECT 6, generate_series(1, 4)"
    )
    timed = replace(KEEP_3, keep=1, timed=True)
    result = docs.purge(versions=timed, keep=KeepDays(2, "keep_days of job 'versions'"))
    # Version 1 is of yesterday, 2 of two days ago; rows without a time stay.
    assert docs.all_left() == {key: [1, 4] for key in range(1, 6)} | {6: [1, 2, 3, 4]}
    assert "8 rows kept by keep_days (2)" in result.told


def test_what_a_restore_holds_stays(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql("ALTER TABLE public.docs ADD at timestamptz DEFAULT '2026-01-01 12:00+00'")
    docs.migrate()
    docs.hold("2026-01-01 12:00", "2026-01-01 13:00")
    timed = replace(KEEP_3, timed=True)
    held = docs.purge(versions=timed)
    assert (held.rows, docs.rows()) == (0, 20)
    assert "5 rows kept by hold of a restore" in held.told
    # Without a time nobody knows which rows it is that the restore holds.
    assert docs.purge().rows == 0
    place.sql("DELETE FROM archiver.restores")
    assert docs.purge(versions=timed).rows == 5


@pytest.mark.parametrize(
    ("rows", "gone", "cause"),
    [
        ("VALUES (3), (7)", 10, "by floor public.consumers.position"),
        ("VALUES (1)", 0, "by floor public.consumers.position"),
        ("VALUES (7), (NULL)", 0, "by floor public.consumers.position, which has no row or a NULL"),
        ("SELECT 1 WHERE false", 0, "by floor public.consumers.position, which has no row or a NULL"),
        ("VALUES (9)", 15, None),
    ],
)
def test_a_floor_holds_every_version_from_its_smallest_value_on(
    place: Place, rows: str, gone: int, cause: str | None
) -> None:
    docs = Versions.made_by(place)
    place.sql(f"CREATE TABLE public.consumers (position int); INSERT INTO public.consumers {rows}")
    floors = (parse_floor("public.consumers.position"),)
    result = docs.purge(versions=replace(KEEP_3, keep=1, floors=floors))
    assert result.rows == gone
    assert (f"{15 - gone} rows kept {cause}" in result.told) is bool(cause)
    # What binds is what keeps most of what could go otherwise; where that is nothing, the number.
    assert result.kept_by == (cause.removeprefix("by ") if cause else "keep_versions (1)")


def test_the_lowest_bound_is_the_one_that_is_told(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql("CREATE TABLE public.consumers (position int); INSERT INTO public.consumers VALUES (3)")
    floors = (parse_floor("public.consumers.position"),)
    told = docs.rehearse(versions=replace(KEEP_3, keep=1, up_to="2", floors=floors))
    assert "10 rows kept by up_to_version" in told


def test_a_row_without_a_key_or_a_version_stays_and_supersedes_none(place: Place) -> None:
    docs = Versions.made_by(
        place,
        "CREATE TABLE public.docs (id int PRIMARY KEY, doc_id int, version bigint);"
        "INSERT INTO public.docs VALUES (1, 1, 1), (2, 1, 2), (3, 1, NULL), (4, NULL, 1), (5, NULL, 2), (6, NULL, 3)",
    )
    result = docs.purge(versions=replace(KEEP_3, keep=1))
    assert [row[0] for row in place.sql("SELECT id FROM public.docs ORDER BY id")] == [2, 3, 4, 5, 6]
    assert "; 1 row kept by keep_versions (1); 4 rows kept by a key or version that is NULL" in result.told


def test_of_equal_versions_the_one_of_the_greater_primary_key_is_the_newer(place: Place) -> None:
    docs = Versions.made_by(
        place,
        "CREATE TABLE public.docs (id int PRIMARY KEY, doc_id int, version bigint);"
        "INSERT INTO public.docs VALUES (1, 1, 7), (3, 1, 7), (2, 1, 7)",
    )
    assert docs.purge(versions=replace(KEEP_3, keep=1)).rows == 2
    assert place.sql("SELECT id FROM public.docs") == [(3,)]


@pytest.mark.parametrize("kind", ["numeric", "smallint", "date", "timestamp", "timestamptz"])
def test_versions_of_other_types_and_odd_names(place: Place, kind: str) -> None:
    number = kind in ("numeric", "smallint")
    value = "version" if number else "'2026-01-01'::timestamptz + version * interval '1 day'"
    docs = Versions.made_by(
        place,
        f'CREATE TABLE public.docs ("K %s" text, "{{v}}" {kind}, doc_id int, version int);'
        'ALTER TABLE public.docs ADD PRIMARY KEY ("K %s", "{v}");'
        f"INSERT INTO public.docs SELECT 'k', ({value})::{kind}, 1, version FROM generate_series(1, 5) AS version",
    )
    docs.purge(versions=KeepVersions(1, ("K %s",), "{v}", "4" if number else "2026-01-05", timed=False))
    assert docs.left() == [4, 5]


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "no column": (DOCS, {"version_column": "no"}, "has no column 'no'"),
    "text": (DOCS, {"version_column": "body"}, "is of type text, by which no version is reliably newer"),
    "a bound of another type": (DOCS, {"up_to": "x"}, "up_to_version is 'x', which is no value of column 'version'"),
    "floor that is not there": (
        DOCS,
        {"floors": (parse_floor("public.no.position"),)},
        "floor public.no.position in database",
    ),
    "floor of a text": (DOCS, {"floors": (parse_floor("public.docs.body"),)}, "is of type text, and versions are"),
    "twins without a key": (
        "CREATE TABLE public.docs (doc_id int, version int); INSERT INTO public.docs VALUES (1, 1), (1, 1)",
        {},
        "has no primary key, and rows of one key and version",
    ),
    "a float": ("CREATE TABLE public.docs (doc_id int PRIMARY KEY, version float8)", {}, "is of type double precision"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_told_apart_or_bounded_is_refused(place: Place, case: str) -> None:
    made, changes, said = BAD[case]
    docs = Versions.made_by(place, made)
    for work in (docs.purge, docs.rehearse):
        with pytest.raises((TableRefused, TableMissing), match="Fix: ") as refused:
            work(versions=replace(KEEP_3, **changes))
        assert said in str(refused.value)


def test_children_keep_what_they_point_to(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql(
        "CREATE TABLE public.quotes (doc_id int, version bigint, FOREIGN KEY (doc_id, version) REFERENCES public.docs);"
        "INSERT INTO public.quotes VALUES (1, 1)"
    )
    with pytest.raises(TableRefused, match=r"list public\.quotes under 'children'"):
        docs.purge()
    result = docs.purge(children=(parse_floor("public.quotes.x").table,))
    assert docs.all_left() == {1: [1, 2, 3, 4]} | {key: [2, 3, 4] for key in range(2, 6)}
    assert result.rows == 4


def test_parts_of_a_partitioned_table_are_one_table(place: Place) -> None:
    docs = Versions.made_by(
        place,
        "CREATE TABLE public.docs (doc_id int, version int, PRIMARY KEY (doc_id, version))"
        "PARTITION BY RANGE (version);"
        "CREATE TABLE public.docs_1 PARTITION OF public.docs FOR VALUES FROM (0) TO (3);"
        "CREATE TABLE public.docs_2 PARTITION OF public.docs FOR VALUES FROM (3) TO (99);"
        "INSERT INTO public.docs"
        " SELECT doc, version FROM generate_series(1, 3) AS doc, generate_series(1, 5) AS version",
    )
    assert docs.purge(versions=replace(KEEP_3, keep=2), batch_size=2).rows == 9
    assert docs.all_left() == {key: [4, 5] for key in (1, 2, 3)}


def test_a_trigger_that_keeps_a_row_is_no_endless_work(place: Place) -> None:
    docs = Versions.made_by(place)
    add_trigger(place, "BEFORE DELETE", "RETURN NULL;", on="public.docs")
    result = docs.purge()
    assert (result.rows, docs.rows()) == (0, 20)
    assert "5 rows that might have gone stay for the next run" in result.told


def test_a_role_needs_the_right_to_lock_and_to_read_the_floors_as_a_whole(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql("CREATE TABLE public.consumers (position int); INSERT INTO public.consumers VALUES (9)")
    rights = ("SELECT, DELETE ON public.docs", "USAGE ON SCHEMA public")
    guest = place.as_role("guest", *rights)
    versions = Versions(guest, docs.table)
    with pytest.raises(TableRefused, match=r"the newest versions are locked while older ones go\. Fix: grant UPDATE"):
        versions.rehearse()
    # A bound alone keeps no newest, so there is nothing to lock.
    assert "5 rows would be deleted" in versions.rehearse(versions=replace(KEEP_3, keep=0, up_to="2"))
    place.sql(f'GRANT UPDATE (body) ON public.docs TO "{guest.role}"')
    assert "5 rows would be deleted" in versions.rehearse()
    floors = replace(KEEP_3, floors=(parse_floor("public.consumers.position"),))
    with pytest.raises(TableRefused, match=r"floor public\.consumers\.position .* cannot be read as a whole"):
        versions.rehearse(versions=floors)
    place.sql(f'GRANT SELECT ON public.consumers TO "{guest.role}"')
    assert "5 rows would be deleted" in versions.rehearse(versions=floors)
    place.sql("ALTER TABLE public.consumers ENABLE ROW LEVEL SECURITY")
    with pytest.raises(TableRefused, match=r"floor public\.consumers\.position .* cannot be read as a whole"):
        versions.rehearse(versions=floors)


def test_a_floor_that_is_no_table_is_refused(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql("CREATE VIEW public.consumers AS SELECT 9 AS position")
    with pytest.raises(TableRefused, match=r"is no table's, so no version may go"):
        docs.rehearse(versions=replace(KEEP_3, floors=(parse_floor("public.consumers.position"),)))
