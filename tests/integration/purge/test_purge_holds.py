"""Rows that a restore brought back stay until its hold ends, also if it commits while others of the table go."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.hooks import acting_before
from tests.support.place import EVENTS, Place, hours_ago
from tests.support.purges import (
    HOLD,
    OLD,
    ROWS,
    WAYS,
    Purges,
    never,
    plain,
    slow_holds,
    waiting_for_holds,
    without_index,
)
from tests.support.restores import restored

# Of each way the statement with the snapshot by which rows of a batch are chosen.
CHOOSING = {"by index": "purge/delete_oldest", "without an index": "purge/lock_listed"}
SPAN = "SELECT min(at) AT TIME ZONE 'UTC', max(at) AT TIME ZONE 'UTC' FROM public.notes WHERE id IN (10, 20)"


def held(purges: Purges, until: timedelta = timedelta(days=1)) -> Purges:
    """Of the old rows those from 10 to 19 are held."""
    purges.migrate()
    start, end = purges.place.sql(SPAN)[0]
    purges.hold(start, end, until)
    return purges


def hold_values(start: object, end: object) -> tuple[object, ...]:
    return ("public", "notes", "public", "notes", start, end, timedelta(days=1))


def left(purges: Purges) -> list[int]:
    """The old rows that are still there."""
    return [row[0] for row in purges.place.sql("SELECT id FROM public.notes WHERE id % 2 = 0 ORDER BY id")]


def test_held_rows_stay_and_those_before_and_after_go(purges: Purges) -> None:
    held(purges)
    assert "restored rows stay for now, in 1 span(s)" in purges.rehearse()
    assert purges.rehearse().startswith("15 rows would be deleted")
    result = purges.purge()
    assert result.rows == 15
    assert "held by a restore until" in result.told
    assert left(purges) == [10, 12, 14, 16, 18]
    purges.place.sql("UPDATE archiver.restores SET hold_until = now() - interval '1 second'")
    assert purges.purge().rows == 5


def test_a_hold_that_has_ended_holds_nothing(purges: Purges) -> None:
    assert held(purges, -timedelta(seconds=1)).purge().rows == OLD


def test_a_hold_of_another_table_holds_nothing(place: Place) -> None:
    purges = plain(place)
    purges.migrate()
    place.sql("CREATE TABLE public.others (LIKE public.notes)")
    Purges(place, place.on("public.others").order.table).hold(*place.sql(SPAN)[0])
    assert purges.purge().rows == OLD


@pytest.mark.parametrize("column", ["timestamptz", "timestamp", "date"])
def test_holds_of_columns_of_every_kind(place: Place, column: str) -> None:
    made = (
        f"CREATE TABLE public.notes (id int, at {column}); CREATE INDEX ON public.notes (at);"
        "INSERT INTO public.notes SELECT n, '2024-01-01 00:00+00'::timestamptz + n * interval '1 day'"
        " FROM generate_series(1, 9) AS n"
    )
    place.sql(f"ALTER DATABASE {place.database} SET timezone = 'Asia/Tokyo'; SET timezone = 'UTC'")
    purges = Purges.of(place, made=made)
    purges.migrate()
    # As it comes while the run is going on, too: then no span is left out, and each row is asked.
    with acting_before(
        place, "purge/delete_oldest", lambda: purges.hold("2024-01-04 06:00", "2024-01-06 06:00")
    ) as session:
        assert purges.purge(never, session).rows == 7
    assert [row[0] for row in place.sql("SELECT id FROM public.notes ORDER BY id")] == [4, 5]


@pytest.mark.parametrize("way", CHOOSING)
def test_rows_that_a_restore_commits_in_the_middle_of_a_run_stay(place: Place, way: str) -> None:
    purges = WAYS[way](place)
    purges.migrate()
    start, end = place.sql(SPAN)[0]

    def restore() -> None:
        place.sql("BEGIN; SET LOCAL archiver.ledger_version = '3'")
        purges.hold(start, end)
        place.sql("INSERT INTO public.notes SELECT id + 100, at, note FROM public.notes WHERE id IN (12, 14); COMMIT")

    with acting_before(place, CHOOSING[way], restore) as session:
        assert purges.purge(never, session).rows == OLD + 2 - 7
    assert left(purges) == [10, 12, 14, 16, 18, 112, 114]


@pytest.mark.parametrize("way", CHOOSING)
def test_a_row_that_a_restore_replaces_while_the_batch_waits_for_nobody_stays(place: Place, way: str) -> None:
    """By `on_conflict: newest` it is updated: the batch passes over it, or sees the hold with the new version."""
    purges = WAYS[way](place)
    purges.migrate()
    start, end = place.sql(SPAN)[0]
    with place.connect() as user:
        user.execute("SET archiver.ledger_version = '3'")
        user.commit()
        user.execute("UPDATE public.notes SET note = 'restored' WHERE id BETWEEN 10 AND 18")

        def commit() -> None:
            user.execute(HOLD.encode(), hold_values(start, end))
            user.commit()

        def asked() -> str | None:
            if len(purges.counts()) == 1:
                commit()
            return None

        with place.session() as session:
            assert purges.purge(asked, session).rows == OLD - 5
    assert left(purges) == [10, 12, 14, 16, 18]


def test_a_restore_that_commits_between_the_snapshot_of_a_batch_and_its_locks_keeps_its_rows(place: Place) -> None:
    """The server then checks the new version under the old snapshot, which does not see the hold."""
    purges = plain(place)
    purges.migrate()
    start, end = place.sql(SPAN)[0]
    slow_holds(place)
    with place.connect() as user:
        user.execute("SET archiver.ledger_version = '3'")
        with waiting_for_holds(place, purges.purge) as purging:
            user.execute("UPDATE public.notes SET note = 'restored' WHERE id BETWEEN 10 AND 18")
            user.execute(HOLD.replace("archiver.restores", "archiver.kept").encode(), hold_values(start, end))
            user.commit()
        assert purging.result().rows == OLD - 5
    assert left(purges) == [10, 12, 14, 16, 18]


def test_a_real_restore_is_held_against_a_real_purge(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - minute / 60) for minute in range(90)))
    place.archive()
    assert restored(place, hours_ago(60), hours_ago(59)).restored == 60
    place.events(hours_ago(70))
    purges = Purges.of(place, "analytics.events", "triggered_at", "SELECT 1")
    assert purges.purge().rows == 1
    assert purges.rows() == 60
    place.sql("UPDATE archiver.restores SET hold_until = now()")
    assert purges.purge().rows == 60


def test_all_of_a_table_may_be_held(place: Place) -> None:
    purges = without_index(place)
    purges.migrate()
    purges.hold("0001-06-01", "9999-01-01")
    assert purges.rehearse().startswith("nothing is due; ")
    assert purges.purge().rows == 0
    assert purges.rows() == ROWS
