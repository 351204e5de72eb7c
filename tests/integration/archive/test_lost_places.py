"""Partitions in the middle of a drop whose name, place or turn others took: no row is lost, no stranger touched."""

from __future__ import annotations

from collections import Counter

import pytest

from pg_archiver.archive.drop_partition import bring_back, drop
from pg_archiver.domain.tables import Partition
from pg_archiver.errors import DatabaseInterrupted, TableRefused
from tests.support.concurrency import in_background, until, wait_for_blocked
from tests.support.hooks import acting_before
from tests.support.partitions import (
    DAY,
    ROWS,
    checked,
    day,
    dropped,
    drops,
    name_of,
    only,
    partitioned,
    partitions,
    run,
)
from tests.support.place import Place

pytestmark = pytest.mark.more

END_SESSION = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
LATE = "INSERT INTO {} (id, triggered_at, name) VALUES (999, '{}', 'late')"


@pytest.fixture(params=["id, triggered_at", ""], ids=["key", "no key"])
def detached(place: Place, request: pytest.FixtureRequest) -> Place:
    """A partition of five days ago that is detached in a drop that was broken off, and a late row in it."""
    partitioned(place, 5, 1, key=request.param)
    place.sql(LATE.format(name_of(5), day(5)))
    partition = only(checked(place))
    with (
        acting_before(place, "partitions/lock_partition", lambda: place.sql(END_SESSION)) as database,
        pytest.raises(DatabaseInterrupted),
    ):
        drop(database, place.store, place.order, partition)
    place.sql(f"UPDATE {name_of(5)} SET name = 'changed' WHERE id = 999")
    assert partitions(place) == {name_of(1)}
    return place


def begun(place: Place) -> Partition:
    """The one of which the drop was broken off, as the next run plans it."""
    (found,) = [
        batch.partition
        for batch in place.plan().batches
        if batch.partition and str(batch.partition.table) == name_of(5)
    ]
    return found


def take_place(place: Place) -> None:
    place.sql(
        f"CREATE TABLE analytics.instead PARTITION OF analytics.events FOR VALUES FROM ('{day(5)}')"
        f" TO ('{day(5) + DAY}')"
    )


def test_a_partition_whose_place_was_taken_gives_its_rows_to_the_table_and_is_dropped(detached: Place) -> None:
    place = detached
    take_place(place)
    changed = place.sql(f"SELECT p::text FROM {name_of(5)} AS p WHERE id = 999")
    assert run(place) == []
    assert drops(place) == [("moved", ROWS)]
    assert place.sql(f"SELECT to_regclass('{name_of(5)}') IS NULL") == [(True,)]
    assert place.sql("SELECT e::text FROM analytics.events AS e WHERE id = 999") == changed
    assert place.sql("SELECT sum(deleted_rows) FROM archiver.windows") == [(ROWS,)]
    assert len(place.live()) == ROWS + 1
    run(place)
    assert len(place.live()) == ROWS
    assert {row[2] for row in place.archived() if row[0] == "999"} == {"late", "changed"}


def test_one_that_cannot_be_compared_any_more_gives_back_all_of_its_rows(detached: Place) -> None:
    place = detached
    take_place(place)
    place.sql(f"VACUUM FULL {name_of(5)}")
    held = Counter(place.sql(f"SELECT p::text FROM {name_of(5)} AS p"))
    run(place)
    assert drops(place) == [("moved", 0)]
    assert Counter(place.sql("SELECT e::text FROM analytics.instead AS e")) == held


def test_one_that_is_not_due_any_more_gives_back_all_of_its_rows(detached: Place) -> None:
    place = detached
    take_place(place)
    held = Counter(place.sql(f"SELECT p::text FROM {name_of(5)} AS p"))
    (batch,) = place.plan(400).batches
    assert batch.partition
    with place.session() as session:
        bring_back(session, place.order, batch.partition)
    assert Counter(place.sql("SELECT e::text FROM analytics.instead AS e")) == held
    assert drops(place) == [("moved", 0)]


def test_a_process_that_dies_in_the_middle_of_it_has_done_nothing(detached: Place) -> None:
    place = detached
    take_place(place)
    partition = begun(place)
    for moment in ("partitions/move", "partitions/drop", "ledger/partition_drops/end"):
        with (
            acting_before(place, moment, lambda: place.sql(END_SESSION)) as database,
            pytest.raises(DatabaseInterrupted),
        ):
            drop(database, place.store, place.order, partition)
        assert place.sql("SELECT count(*) FROM analytics.instead") == [(0,)]
        assert place.sql(f"SELECT count(*) FROM {name_of(5)}") == [(ROWS + 1,)]
        assert drops(place) == [("detaching", None)]
    dropped(place, partition)
    assert place.sql("SELECT id, name FROM analytics.instead") == [(999, "changed")]


HINDRANCES = {
    "a trigger on inserts": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER t BEFORE INSERT ON analytics.instead FOR EACH ROW EXECUTE FUNCTION f()",
        "trigger t of analytics.instead",
    ),
    "a rule on inserts": (
        "CREATE RULE r AS ON INSERT TO analytics.events DO INSTEAD NOTHING",
        "rule r of analytics.events",
    ),
    "a check": ("ALTER TABLE analytics.instead ADD CHECK (id < 900)", "violates check constraint"),
    "a place for fewer rows": ("DROP TABLE analytics.instead", None),
    "a column that went": ("ALTER TABLE analytics.events DROP COLUMN data", "has other columns"),
}


@pytest.mark.parametrize("hindrance", HINDRANCES)
def test_where_its_rows_cannot_be_put_back_nothing_is_done_and_the_error_says_what_to_do(
    detached: Place, hindrance: str
) -> None:
    place = detached
    statement, words = HINDRANCES[hindrance]
    take_place(place)
    place.sql(statement)
    if words is None:
        place.sql(
            f"CREATE TABLE analytics.half PARTITION OF analytics.events FOR VALUES FROM ('{day(5) + DAY / 2}')"
            f" TO ('{day(5) + DAY}')"
        )
    partition = begun(place)
    with pytest.raises(TableRefused) as refusal:
        dropped(place, partition)
    assert words is None or words in str(refusal.value)
    assert "OVERRIDING SYSTEM VALUE" in str(refusal.value)
    assert place.sql(f"SELECT count(*) FROM {name_of(5)}") == [(ROWS + 1,)]
    assert drops(place) == [("detaching", None)]


def test_a_partition_that_a_user_renamed_is_left_alone_and_told(detached: Place) -> None:
    place = detached
    partition = begun(place)
    place.sql(f"ALTER TABLE {name_of(5)} RENAME TO mine")
    with pytest.raises(TableRefused, match=r"analytics\.mine has its oid and holds rows: it was left alone"):
        dropped(place, partition)
    assert drops(place) == [("gone", None)]
    assert place.sql("SELECT count(*) FROM analytics.mine") == [(ROWS + 1,)]
    assert all(batch.partition is None for batch in place.plan().batches)


@pytest.mark.parametrize("back", [False, True], ids=["due", "not due any more"])
def test_a_stranger_that_has_the_partitions_oid_is_never_touched(detached: Place, back: bool) -> None:
    place = detached
    place.sql("CREATE TABLE public.stranger (LIKE analytics.events)")
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.partitions SET partition_oid = 'public.stranger'::regclass")
    (batch,) = [one for one in place.plan(400 if back else 2).batches if one.partition]
    assert batch.partition
    with place.session() as session:
        if back:
            bring_back(session, place.order, batch.partition)
        else:
            assert drop(session, place.store, place.order, batch.partition) is None
    assert place.sql("SELECT to_regclass('public.stranger') IS NULL") == [(False,)]
    assert partitions(place) == {name_of(1)}
    assert drops(place) == [("gone", None)]


def test_partitions_of_one_table_are_detached_one_after_the_other(place: Place) -> None:
    partitioned(place, 6, 5, 4)
    found = [batch.partition for batch in checked(place) if batch.partition]
    with place.connect() as reader:
        reader.execute("SELECT count(*) FROM analytics.events")
        with (
            in_background(lambda: dropped(place, found[0])) as one,
            in_background(lambda: dropped(place, found[1])) as two,
            in_background(lambda: dropped(place, found[2])) as three,
        ):
            until(lambda: place.sql("SELECT count(*) FROM archiver.partitions WHERE state = 'detaching'") == [(3,)])
            reader.commit()
    assert [one.result() is None, two.result() is None, three.result() is None] == [False] * 3
    assert drops(place) == [("dropped", ROWS)] * 3


def test_a_detach_that_died_half_way_holds_up_no_other(place: Place) -> None:
    partitioned(place, 5, 4)
    first, second = (batch.partition for batch in checked(place))
    assert first
    assert second
    with place.connect() as reader:

        def read() -> None:
            # He comes when it was found that nobody was there.
            reader.execute("SELECT count(*) FROM analytics.events")

        def die_half_way() -> None:
            with acting_before(place, "partitions/detach_concurrently", read) as database:
                drop(database, place.store, place.order, first)

        with in_background(die_half_way) as result:
            wait_for_blocked(place)
            place.sql(END_SESSION)
            with pytest.raises(DatabaseInterrupted):
                result.result()
        reader.commit()
    assert place.sql("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(1,)]
    assert dropped(place, second) is not None
    assert dropped(place, first) is not None
    assert drops(place) == [("dropped", ROWS)] * 2


@pytest.mark.parametrize(
    ("dependant", "why"),
    [
        ("CREATE FUNCTION f({p}) RETURNS int LANGUAGE sql AS 'SELECT 1'", "row type"),
        ("CREATE TABLE public.others (rows {p}[])", "row type"),
        (
            "CREATE SEQUENCE analytics.s OWNED BY {p}.id;"
            "CREATE TABLE public.others (n int DEFAULT nextval('analytics.s'))",
            "sequence",
        ),
    ],
)
def test_what_depends_on_a_partition_makes_it_row_by_row_and_the_plan_says_why(
    place: Place, dependant: str, why: str
) -> None:
    partitioned(place, 5)
    place.sql(dependant.format(p=name_of(5)))
    assert any(why in note and name_of(5) in note for note in place.plan().notes)
    assert run(place) == []
    assert partitions(place) == {name_of(5)}
    assert not place.live()


def test_a_sequence_that_only_the_partition_uses_hinders_nothing(place: Place) -> None:
    partitioned(place, 5)
    place.sql(
        f"CREATE SEQUENCE analytics.s OWNED BY {name_of(5)}.name;"
        f"ALTER TABLE {name_of(5)} ALTER name SET DEFAULT nextval('analytics.s')"
    )
    assert [one.rows for one in run(place)] == [ROWS]
