"""Whatever others do while older versions go, the newest of each key stay."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from psycopg import errors

from pg_archiver.errors import TableRefused
from pg_archiver.policies.versions import parse_floor
from pg_archiver.purge.purge import purge
from tests.support.concurrency import in_background, is_blocked, until
from tests.support.hooks import acting_before
from tests.support.place import Place
from tests.support.purges import never
from tests.support.version_writers import check_newer, write
from tests.support.versions import DOCS, KEEP_3, Versions


@pytest.fixture
def docs(place: Place) -> Versions:
    return Versions.made_by(place)


def at_ask(number: int, work: Callable[[], object]) -> Callable[[], str | None]:
    """Does something when the work is asked for the n-th time whether it is wanted; the third is before a batch."""
    asked = [0]

    def ask() -> None:
        asked[0] += 1
        if asked[0] == number:
            work()

    return ask


@pytest.mark.parametrize("change", ["DELETE FROM public.docs", "UPDATE public.docs SET version = 0"])
def test_a_newest_version_that_somebody_is_taking_away_supersedes_none(docs: Versions, change: str) -> None:
    with docs.place.connect() as user:
        user.execute(f"{change} WHERE version = 4")
        result = docs.purge()
        assert result.rows == 0
        assert "5 rows that might have gone stay for the next run" in result.told
        user.rollback()
    assert docs.purge().rows == 5


def test_a_newest_version_cannot_be_taken_away_while_an_older_one_goes(docs: Versions) -> None:
    seen: list[str] = []

    def renumber(_rows: int) -> None:
        with docs.place.connect() as user:
            user.execute("SET lock_timeout = '100ms'")
            user.commit()
            for change in ("DELETE FROM public.docs", "UPDATE public.docs SET version = 0"):
                try:
                    user.execute(f"{change} WHERE version = 4")
                except errors.LockNotAvailable:
                    seen.append(change)
                user.rollback()

    with docs.place.session() as session:
        purge(session, docs.order(), never, renumber)
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ("DELETE FROM public.docs WHERE version = 4", 0),
        ("UPDATE public.docs SET version = 0 WHERE version = 4", 0),
        ("UPDATE public.docs SET doc_id = 99, version = doc_id WHERE version = 4", 0),
        ("UPDATE public.docs SET version = 9 WHERE version = 1", 0),
        ("INSERT INTO public.docs SELECT doc, 5 FROM generate_series(1, 5) AS doc", 5),
        ("UPDATE public.docs SET body = 'changed' WHERE version = 1", 0),
    ],
)
def test_what_was_committed_after_the_look_counts(docs: Versions, change: str, gone: int) -> None:
    docs.migrate()
    assert docs.purge(at_ask(3, lambda: docs.place.sql(change))).rows == gone


def put_in_its_place(docs: Versions, version: int, other: tuple[int, int]) -> None:
    """Another row lies where this version of document 1 lay."""
    where = "SELECT ctid FROM public.docs WHERE (doc_id, version) = (%s, %s)"
    place = docs.place.sql(where, 1, version)
    docs.place.sql("DELETE FROM public.docs WHERE (doc_id, version) = (%s, %s)", 1, version)
    docs.place.sql("VACUUM public.docs")
    docs.place.sql("INSERT INTO public.docs VALUES (%s, %s)", *other)
    assert docs.place.sql(where, *other) == place


@pytest.mark.parametrize(
    ("version", "other", "left"),
    [
        # One that may go is another one now, the newest of all.
        (1, (1, 100), [2, 3, 4, 100]),
        # One of the newest is one of another document.
        (4, (7, 7), [1, 2, 3]),
    ],
)
def test_another_row_in_a_place_that_was_listed_is_not_taken_for_the_one_that_was_judged(
    docs: Versions, version: int, other: tuple[int, int], left: list[int]
) -> None:
    docs.migrate()
    assert docs.purge(at_ask(3, lambda: put_in_its_place(docs, version, other))).rows == 4
    assert docs.left() == left
    assert docs.left(other[0])[-1] == other[1]


def test_a_rewrite_between_the_look_and_a_batch_is_seen(place: Place) -> None:
    # Without the hole in front each row comes to lie where the one before it lay, as old as it was.
    docs = Versions.made_by(
        place, DOCS.replace("SELECT doc, version", "SELECT 0, 0, 'a hole' UNION ALL SELECT doc, version")
    )
    place.sql("DELETE FROM public.docs WHERE doc_id = 0")
    docs.migrate()
    assert docs.purge(at_ask(3, lambda: place.sql("VACUUM FULL public.docs"))).rows == 5
    assert docs.all_left() == {key: [2, 3, 4] for key in range(1, 6)}


def test_another_column_of_the_name_of_a_key_is_seen(docs: Versions) -> None:
    docs.migrate()
    change = "ALTER TABLE public.docs DROP COLUMN doc_id, ADD COLUMN doc_id int"
    # Without a key a row stays.
    assert docs.purge(at_ask(3, lambda: docs.place.sql(change))).rows == 0
    assert docs.rows() == 20


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("text", 'ALTER doc_id TYPE text COLLATE "C"'),
        ("int GENERATED ALWAYS AS (version / 10) STORED", "ALTER doc_id DROP EXPRESSION"),
    ],
)
def test_a_key_that_compares_in_another_way_or_is_made_of_something_else_is_seen(
    place: Place, column: str, change: str
) -> None:
    place.sql(f"CREATE TABLE public.docs (doc_id {column}, version bigint)")
    ((oid,),) = place.sql("SELECT 'public.docs'::regclass::oid")
    names = {"schema": "public", "name": "docs", "column": "version", "keys": ["doc_id", "version"]}
    with place.session() as session:
        before, same = (session.fetch_one("purge/versions/table_state", oid=oid, **names).digest for _ in range(2))
        place.sql(f"ALTER TABLE public.docs {change}")
        assert same == before
        assert session.fetch_one("purge/versions/table_state", oid=oid, **names).digest != before


CHILD = """
    CREATE TABLE public.notes (
        doc_id int, version bigint, FOREIGN KEY (doc_id, version) REFERENCES public.docs ON DELETE CASCADE
    );
    INSERT INTO public.notes SELECT doc_id, version FROM public.docs
"""
# The one version of the second document lies where a superseded one of the first lies, in another part.
PARTS = """
    ALTER TABLE public.docs RENAME TO former;
    CREATE TABLE public.docs (doc_id int, version bigint, body text, PRIMARY KEY (doc_id, version))
        PARTITION BY LIST (doc_id);
    CREATE TABLE public.docs_1 PARTITION OF public.docs FOR VALUES IN (1);
    CREATE TABLE public.docs_2 PARTITION OF public.docs DEFAULT;
    INSERT INTO public.docs SELECT 1, version FROM generate_series(1, 4) AS version;
    INSERT INTO public.docs VALUES (2, 7)
"""


@pytest.mark.parametrize(
    ("change", "counted", "left"), [(CHILD, "notes", 20), (PARTS, "docs WHERE doc_id = 2", 1)], ids=["child", "parts"]
)
def test_what_changes_while_the_table_is_looked_at_is_seen(
    docs: Versions, change: str, counted: str, left: int
) -> None:
    docs.migrate()
    # A child that came is met by the next look, and refused.
    with (
        acting_before(docs.place, "purge/versions/table_state", lambda: docs.place.sql(change)) as session,
        suppress(TableRefused),
    ):
        purge(session, docs.order(), never, lambda _rows: None)
    assert docs.place.sql(f"SELECT count(*) FROM public.{counted}") == [(left,)]


@pytest.mark.parametrize("made", ["", "PARTITION BY LIST (doc_id)"], ids=["plain", "in parts"])
def test_a_version_that_is_renumbered_while_a_batch_waits_for_it_stays(place: Place, made: str) -> None:
    part = "CREATE TABLE public.docs_1 PARTITION OF public.docs DEFAULT;" if made else ""
    docs = Versions.made_by(
        place,
        f"CREATE TABLE public.docs (doc_id int, version bigint, PRIMARY KEY (doc_id, version)) {made}; {part}"
        "INSERT INTO public.docs VALUES (1, 1), (1, 2)",
    )
    docs.migrate()
    with place.connect() as older, place.connect() as user:
        # Since then all rows may be younger than the list's snapshot, so each batch judges them anew.
        older.execute("SELECT pg_current_xact_id()")
        place.sql("UPDATE public.docs SET version = version + 10")
        user.execute("UPDATE public.docs SET version = 90 WHERE version = 11")

        ended: list[bool] = []

        def commit_when_it_waits() -> None:
            until(lambda: bool(ended) or is_blocked(place))
            user.commit()

        with in_background(commit_when_it_waits), place.session() as session:
            purge(session, docs.order(versions=replace(KEEP_3, keep=1)), never, lambda _rows: None)
            ended.append(True)
        older.rollback()
    assert 90 in docs.left()


def test_a_version_younger_than_a_transaction_that_still_runs_goes_too(docs: Versions) -> None:
    docs.migrate()
    with docs.place.connect() as user:
        user.execute("SELECT pg_current_xact_id()")
        docs.place.sql("INSERT INTO public.docs VALUES (1, 0), (2, 5)")
        assert docs.purge().rows == 7
    assert docs.all_left() == {1: [2, 3, 4], 2: [3, 4, 5]} | {key: [2, 3, 4] for key in range(3, 6)}


def test_a_hold_or_a_lower_floor_that_comes_after_the_look_counts(place: Place) -> None:
    docs = Versions.made_by(place)
    place.sql("CREATE TABLE public.consumers (position int); INSERT INTO public.consumers VALUES (9)")
    docs.migrate()
    lowered = at_ask(3, lambda: place.sql("INSERT INTO public.consumers VALUES (1)"))
    floors = (parse_floor("public.consumers.position"),)
    assert docs.purge(lowered, versions=replace(KEEP_3, floors=floors)).rows == 0
    assert docs.purge(at_ask(3, lambda: docs.hold("2026-01-01", "2026-01-02"))).rows == 0


def test_what_a_delete_would_meet_now_is_refused_between_batches(docs: Versions) -> None:
    docs.migrate()
    rule = "CREATE RULE nothing AS ON DELETE TO public.docs DO INSTEAD NOTHING"
    with pytest.raises(TableRefused, match="rules change what becomes of rows deleted"):
        docs.purge(at_ask(4, lambda: docs.place.sql(rule)), batch_size=2)
    assert docs.rows() == 18


def test_a_table_that_was_changed_meanwhile_is_looked_at_again(docs: Versions) -> None:
    docs.migrate()
    trigger = (
        "CREATE FUNCTION public.seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;"
        "CREATE TRIGGER seen BEFORE DELETE ON public.docs FOR EACH ROW EXECUTE FUNCTION public.seen()"
    )
    result = docs.purge(at_ask(4, lambda: docs.place.sql(trigger)), batch_size=2)
    assert (result.rows, docs.rows()) == (5, 15)


@pytest.mark.parametrize("operations", [1_600, pytest.param(30_000, marks=pytest.mark.more)])
def test_writers_of_every_kind_never_lose_one_of_the_newest(place: Place, operations: int) -> None:
    docs = Versions.made_by(place)
    place.sql(check_newer("public.docs"))
    writers = 4
    with ThreadPoolExecutor(writers) as pool:
        working = [
            pool.submit(write, place.connect, "public.docs", number, operations // writers) for number in range(writers)
        ]
        while not all(one.done() for one in working):
            docs.purge(batch_size=50)
        changed = [one.result() for one in working]
    docs.purge(batch_size=50)
    # Every row that went was counted once, by whoever took it away.
    inserted, deleted = (sum(counts) for counts in zip(*changed, strict=True))
    assert docs.rows() == 20 + inserted - deleted - sum(docs.counts())
    assert all(len(left) <= 3 for left in docs.all_left().values())
    assert sum(docs.counts()) > 0
