"""Partitions whose drop breaks off, waits for somebody, or meets another: taken up, left, or brought back."""

from __future__ import annotations

import pytest

from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused, LockWait
from pg_archiver.partitions import detaching
from pg_archiver.policies.retention import KeepDays
from pg_archiver.purge.purge import purge
from tests.integration.purge.test_purge_partitions import of_days
from tests.support.concurrency import at_once
from tests.support.hooks import acting_before
from tests.support.partitions import ROWS, drops, name_of, partitions
from tests.support.place import Place, hours_ago
from tests.support.purges import END_SESSION, never


@pytest.mark.parametrize(
    "moment", ["partitions/lock_partition", "purge/count_partition", "partitions/drop", "ledger/partition_drops/end"]
)
def test_a_drop_that_breaks_off_is_taken_up_by_the_next_run(place: Place, moment: str) -> None:
    purges = of_days(place, 5, 1)
    with (
        acting_before(place, moment, lambda: place.sql(END_SESSION)) as session,
        pytest.raises(DatabaseInterrupted),
    ):
        purges.purge(never, session)
    assert place.sql(f"SELECT count(*) FROM {name_of(5)}") == [(ROWS,)]
    assert (purges.counts(), drops(place)) == ([], [("detaching", None)])
    result = purges.purge()
    assert (result.rows, result.partitions, purges.counts()) == (ROWS, 1, [ROWS])
    assert drops(place) == [("dropped", ROWS)]


@pytest.mark.parametrize(("days", "drops_any"), [(400, True), (2, False)], ids=["more days", "kept"])
def test_one_that_is_half_dropped_and_not_to_be_dropped_any_more_is_brought_back(
    place: Place, days: int, drops_any: bool
) -> None:
    purges = of_days(place, 5, 1)
    with (
        acting_before(place, "partitions/lock_partition", lambda: place.sql(END_SESSION)) as session,
        pytest.raises(DatabaseInterrupted),
    ):
        purges.purge(never, session)
    result = purges.purge(keep=KeepDays(days, "the test"), drop_partitions=drops_any)
    assert (result.rows, result.partitions) == (0 if drops_any else ROWS, 0)
    assert partitions(place) == {name_of(5), name_of(1)}
    assert drops(place) == [("attached", None)]


def test_a_partition_that_a_reader_holds_for_long_is_left_to_the_next_run_and_the_others_go(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detaching, "READER_SECONDS", 0.3)
    purges = of_days(place, 6, 5)
    place.sql(
        "CREATE TABLE analytics.half PARTITION OF analytics.events"
        f" FOR VALUES FROM ('{hours_ago(60)}') TO ('{hours_ago(36)}')"
    )
    place.events(hours_ago(50), hours_ago(44))
    with place.connect() as reader:
        reader.execute("LOCK TABLE analytics.events IN ACCESS SHARE MODE")
        with pytest.raises(LockWait, match=r"was not detached, since .*") as caught:
            purges.purge()
        assert name_of(6) in str(caught.value)
        assert name_of(5) in str(caught.value)
    # The rows beside them went.
    assert purges.counts() == [1]
    assert purges.rows() == 2 * ROWS + 1
    assert purges.purge().partitions == 2


def test_what_came_to_depend_on_a_partition_keeps_it_and_no_other(place: Place) -> None:
    purges = of_days(place, 6, 5)
    with (
        acting_before(
            place,
            "partitions/detach_concurrently",
            lambda: place.sql(f"CREATE VIEW public.report AS SELECT * FROM {name_of(6)}"),
        ) as session,
        pytest.raises(DatabaseRefused, match="depend"),
    ):
        purges.purge(never, session)
    assert partitions(place) == {name_of(6)}
    assert place.sql("SELECT count(*) FROM public.report") == [(ROWS,)]
    assert purges.counts() == [ROWS]


def test_two_at_once_drop_each_partition_once(place: Place) -> None:
    purges = of_days(place, 7, 6, 5)

    def work() -> int:
        with place.session() as session:
            return purge(session, purges.order(), never, purges.counter(session)).rows

    assert sum(done.result() for done in at_once([work] * 3)) == 3 * ROWS
    assert sorted(purges.counts()) == [ROWS] * 3
    assert partitions(place) == set()


def test_two_at_once_delete_each_row_once(place: Place) -> None:
    purges = of_days(place, 7, 6, 5)

    def work() -> int:
        with place.session() as session:
            order = purges.order(drop_partitions=False, batch_size=2)
            return purge(session, order, never, purges.counter(session)).rows

    assert sum(done.result() for done in at_once([work] * 3)) == 3 * ROWS == sum(purges.counts())
    assert purges.rows() == 0
