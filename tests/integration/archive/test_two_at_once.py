"""Two runs on one table at the same time: each row is archived once and deleted once."""

from __future__ import annotations

from collections import Counter

import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.archive.export import export
from pg_archiver.errors import Busy, Interrupted, Superseded
from pg_archiver.ledger.window_generation import State
from pg_archiver.ledger.window_ledger import WindowLedger
from tests.support.concurrency import at_once
from tests.support.hooks import acting_before
from tests.support.place import EVENTS, Place, hours_ago

ROWS = 25


def test_two_deletes_of_one_window_at_once_delete_each_row_once(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - minute / 60) for minute in range(1, ROWS + 1)))
    window = place.stored_window()
    first, second = at_once([lambda: place.delete(window)] * 2)
    assert first.result() == second.result() == Deleted(ROWS, 0)
    assert len(place.live()) == 0
    assert place.ledger("state, deleted_upto, deleted_rows") == [(State.DELETED, ROWS, ROWS)]


def test_two_exports_of_one_window_at_once_make_one_object(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - minute / 60) for minute in range(1, ROWS + 1)))
    window = place.window()
    for exporting in at_once([lambda: place.export(window)] * 2):
        exporting.result()
    assert len(place.data_keys()) == 1
    assert place.ledger("generation, state") == [(1, State.EXPORTED)]


def test_a_delete_that_meets_another_runs_next_generation_is_worth_another_try(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60.5))
    window = place.stored_window()
    second = place.ordered(run_id="run 2")
    second.delete(window)
    place.events(hours_ago(60.4))
    second.export(window)
    with pytest.raises(Busy, match="is exported by run run 2, which has not checked it yet"):
        place.delete(window)
    assert len(place.live()) == 1
    second.check(window)
    assert place.delete(window) == Deleted(1, 0)
    assert place.live() == Counter()


def test_two_runs_that_begin_one_generation_without_their_lock_make_one_object(place: Place) -> None:
    """As when a connection, and its lock with it, was lost without a word."""
    place.sql(EVENTS)
    place.events(hours_ago(60.5))
    window = place.window()

    def begin() -> None:
        with place.session() as other:
            WindowLedger(other, place.ordered(run_id="run 2").order).begin(window, 1)

    with (
        acting_before(place, "ledger/windows/begin", begin) as database,
        pytest.raises(Superseded, match="another run began generation 1 at the same moment"),
    ):
        export(database, place.store, place.order, window)
    assert place.keys() == []
    assert place.ledger("generation, state, run_id") == [(1, State.PLANNED, "run 2")]
    place.export(window)
    assert len(place.data_keys()) == 1


def test_two_first_runs_at_once_create_one_ledger(place: Place) -> None:
    place.sql(EVENTS)
    for run in at_once([place.windows] * 4):
        assert run.result() == []
    assert place.ledger() == []


def test_two_whole_runs_at_once_archive_and_delete_every_row_once(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(hours_ago(hour + minute / 60) for hour in range(50, 56) for minute in range(1, 8)))
    before = place.csv_of_table()
    runs = at_once([place.ordered(run_id=f"run {number}").archive for number in (1, 2)])
    errors = [run.exception() for run in runs]
    assert all(error is None or isinstance(error, Interrupted) for error in errors)
    place.archive()
    assert place.live() == Counter()
    assert place.archived() == before
    done = place.ledger("state, rows, deleted_rows")
    assert [row for row in done if row[0] != State.VOID] == [(State.DELETED, 7, 7)] * 6


def test_a_run_beside_a_busy_writer_loses_nothing(place: Place) -> None:
    place.sql(EVENTS)
    place.events(*(hours_ago(hour + minute / 60) for hour in range(50, 54) for minute in range(1, 20)))
    place.sql("CREATE TABLE public.history AS SELECT id, name FROM analytics.events")

    def writing() -> None:
        with place.server.connect(place.database) as user:
            for number in range(60):
                user.execute(
                    "WITH changed AS (UPDATE analytics.events SET name = name || '*' WHERE id %% 20 = %s"
                    " RETURNING id, name) INSERT INTO public.history SELECT * FROM changed",
                    [number % 20],
                )
                user.execute(
                    "WITH added AS (INSERT INTO analytics.events (triggered_at, name) VALUES (%s, %s)"
                    " RETURNING id, name) INSERT INTO public.history SELECT * FROM added",
                    [hours_ago(50 + number / 15), f"late {number}"],
                )

    def archiving() -> None:
        for _ in range(3):
            place.archive()

    for work in at_once([writing, archiving]):
        work.result()
    place.archive()
    last = {
        row[0]: row[1]
        for row in place.sql("SELECT DISTINCT ON (id) id::text, max(name) FROM public.history GROUP BY id")
    }
    archived: dict[str, set[str]] = {}
    for row in place.archived():
        archived.setdefault(row[0], set()).add(row[2])
    assert place.live() == Counter()
    assert archived.keys() == last.keys()
    assert all(last[number] in archived[number] for number in last)
