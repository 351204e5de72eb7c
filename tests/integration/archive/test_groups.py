"""Windows of few rows go together, and each is archived as if it had gone alone; what is wrong with one is its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from pg_archiver.archive.delete import Deleted, delete_all
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.report import BatchEnd, report
from pg_archiver.archive.store import store_all
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import Batch
from pg_archiver.errors import CheckFailed, Stopped, Superseded, ValueRefused
from pg_archiver.ledger.locks import rewrite_lock, window_lock
from pg_archiver.ledger.window_generation import State
from tests.integration.archive.test_delete_by_range import moved_snapshot
from tests.integration.archive.test_one_bad_window import UNREADABLE
from tests.support.groups import (
    ROWS,
    archive_windows,
    check_windows,
    count_statements,
    delete_windows,
    export_windows,
    in_one_transaction,
    small_windows,
    stored_windows,
)
from tests.support.hooks import acting_before
from tests.support.place import Place, hours_ago

DELETE = "archive/delete/batch_by_range"
LEDGER = """
    SELECT cell_start, cell_end, generation, span_start, span_end, state, bucket, rows, csv_bytes, object_bytes, sha256,
        etag, deleted_upto, deleted_rows, kept_positions, kept, sub_ranges_gone, range_missed, note, cause, run_id,
        deleted_by_run_id, rebuilt_at, token IS NOT NULL, exported_at IS NOT NULL, stored_at IS NOT NULL,
        deleted_at IS NOT NULL
    FROM archiver.windows WHERE table_name = %s ORDER BY cell_start, generation
"""


def ids(place: Place) -> list[int]:
    return [number for (number,) in place.sql(f"SELECT id FROM {place.relation} ORDER BY id")]


def seen(place: Place) -> dict[str, Any]:
    """All that an archive of a table leaves behind, without what names the table or the moment."""
    name = place.order.table.name
    with place.session() as session:
        told = report(session, place.order, [BatchEnd(Batch(tuple(place.windows())), "all", "", exported=True)])
    left_out: dict[str, Any] = {"table": ..., "token": ..., "server": ..., "keys": ..., "data": {"key"}, "members": ...}
    mine = [one for one in place.manifests() if one.table == name]
    keys = place.keys()
    return {
        "ledger": place.sql(LEDGER, name),
        "manifests": [one.model_dump(exclude=left_out) for one in mine],
        "contents": [place.content(one) for one in mine],
        "keys": [re.sub(f"table={name}/", "", key) for key in keys if f"table={name}/" in key],
        "report": told.lines(),
        "left": place.sql(f"SELECT count(*) FROM {place.relation}"),
    }


def test_what_a_group_leaves_behind_is_what_its_windows_leave_alone(place: Place) -> None:
    place = small_windows(place, windows=24, first=80)
    place.sql(
        "CREATE TABLE analytics.alike (LIKE analytics.events INCLUDING ALL);"
        "INSERT INTO analytics.alike OVERRIDING SYSTEM VALUE SELECT * FROM analytics.events"
    )
    assert archive_windows(place) == [Deleted(ROWS, 0)] * 24
    assert place.sql("SELECT count(DISTINCT xmin::text) FROM archiver.windows") == [(1,)]
    alike = place.on("analytics.alike", batch_size=place.order.batch_size)
    assert alike.archive() == [Deleted(ROWS, 0)] * 24
    together, alone = seen(place), seen(alike)
    assert together == alone
    assert len(together["contents"]) == 24


def test_a_window_whose_rows_changed_goes_its_own_way_and_the_others_go(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    place.sql("UPDATE analytics.events SET name = 'changed' WHERE id = %s", ROWS + 1)
    assert delete_windows(place, windows) == [Deleted(ROWS, 0), Deleted(0, ROWS), Deleted(ROWS, 0), Deleted(ROWS, 0)]
    assert place.ledger("state, range_missed") == [
        *[(State.DELETED, False), (State.VOID, True)],
        *[(State.DELETED, False)] * 2,
    ]
    assert archive_windows(place) == [Deleted(ROWS, 0)]
    assert ids(place) == []


def test_rows_that_a_writer_changes_just_before_they_go_stay(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    change = "UPDATE analytics.events SET name = 'changed' WHERE id IN (1, %s)"
    with acting_before(place, DELETE, lambda: place.sql(change, ROWS + 1)) as database:
        results = delete_all(database, place.store, place.order, windows, lambda: False)
    assert results == [Deleted(0, ROWS)] * 2 + [Deleted(ROWS, 0)] * 2
    assert ids(place) == list(range(1, 2 * ROWS + 1))


def test_a_row_that_came_instead_of_one_that_left_stays(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    place.sql("DELETE FROM analytics.events WHERE id = 1")
    place.events(hours_ago(59.5))
    assert delete_windows(place, windows)[0] == Deleted(0, ROWS)
    assert ids(place) == [2, 3, 4 * ROWS + 1]


def test_a_window_with_a_row_that_cannot_be_read_fails_alone(place: Place) -> None:
    place = small_windows(place)
    place.sql(UNREADABLE)
    windows = place.windows()
    with pytest.raises(ValueRefused, match="a value does not fit its column"):
        export_windows(place, windows)
    assert place.ledger("generation, state, note IS NOT NULL") == [
        *[(1, State.PLANNED, True)],
        *[(1, State.EXPORTED, False)] * 3,
    ]
    check_windows(place, windows)
    with pytest.raises(CheckFailed, match="could not be exported, so none of its rows may be deleted"):
        delete_windows(place, windows)
    assert ids(place) == [1, 2, 3]


def test_what_was_copied_before_a_row_that_cannot_be_read_counts(place: Place) -> None:
    place = small_windows(place)
    place.sql(UNREADABLE.replace("id = 2", f"id = {2 * ROWS + 1}"))
    with pytest.raises(ValueRefused):
        export_windows(place, place.windows())
    assert place.ledger("generation, state") == [
        *[(1, State.EXPORTED)] * 2,
        *[(1, State.PLANNED), (1, State.EXPORTED)],
    ]


def listed(place: Place) -> Place:
    """Two windows in a partition by name; beside it another table, with rows that are as old."""
    place.sql(
        "CREATE TABLE public.things (number int, at timestamp NOT NULL, name text) PARTITION BY LIST (name);"
        "CREATE INDEX ON public.things (at);"
        "CREATE TABLE public.part PARTITION OF public.things FOR VALUES IN ('a');"
        "CREATE TABLE public.other (number int, at timestamp NOT NULL, name text)"
    )
    for table, name in (("things", "a"), ("other", "b")):
        for number in range(4):
            place.sql(f"INSERT INTO public.{table} VALUES (%s, %s, %s)", number, hours_ago(59.9 - number / 2), name)
    return place.on("public.things", "at", batch_size=1000)


ATTACH = "ALTER TABLE public.things ATTACH PARTITION public.other FOR VALUES IN ('b')"


@pytest.mark.parametrize("moment", ["archive/delete/lock_table", DELETE])
def test_old_rows_of_a_partition_that_came_since_stay_though_the_counts_are_right(place: Place, moment: str) -> None:
    place = listed(place)
    windows = stored_windows(place)
    place.sql("DELETE FROM public.part WHERE number IN (0, 2); DELETE FROM public.other WHERE number IN (1, 3)")
    with acting_before(place, moment, lambda: place.sql(ATTACH)) as database:
        results = delete_all(database, place.store, place.order, windows, lambda: False)
    assert results == [Deleted(0, 2)] * 2
    assert place.sql("SELECT count(*) FROM public.things") == [(4,)]


def test_a_partition_that_comes_while_a_group_is_read_voids_its_windows_and_is_in_the_next(place: Place) -> None:
    place = listed(place)
    windows = place.windows()
    with acting_before(place, "archive/export/windows_by_age", lambda: place.sql(ATTACH)) as database:
        export_all(database, place.store, place.order, windows)
    assert place.ledger("generation, state, rows") == [
        *[(1, State.VOID, None), (2, State.EXPORTED, 4)],
        *[(1, State.VOID, None), (2, State.EXPORTED, 4)],
    ]


def test_another_table_that_takes_the_name_just_before_the_rows_go_keeps_its_own(place: Place) -> None:
    place = small_windows(place)
    # Its rows are as old as those that were exported.
    place.sql(
        "CREATE TABLE analytics.other (LIKE analytics.events INCLUDING ALL);"
        "INSERT INTO analytics.other OVERRIDING SYSTEM VALUE SELECT * FROM analytics.events"
    )
    windows = stored_windows(place)
    exchange = (
        "ALTER TABLE analytics.events RENAME TO former; ALTER TABLE analytics.other RENAME TO events;"
        "UPDATE analytics.former SET name = 'never exported'"
    )
    with acting_before(place, "archive/delete/lock_table", lambda: place.sql(exchange)) as database:
        results = delete_all(database, place.store, place.order, windows, lambda: False)
    assert results == [Deleted(0, ROWS)] * 4
    assert len(ids(place)) == 4 * ROWS


def test_a_table_with_another_key_than_at_the_export_keeps_its_rows(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    place.sql("ALTER TABLE analytics.events DROP CONSTRAINT events_pkey")
    assert delete_windows(place, windows) == [Deleted(0, ROWS)] * 4
    assert len(ids(place)) == 4 * ROWS


def test_windows_of_another_past_of_the_database_go_one_by_one_for_their_notes(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    place.sql("SET archiver.ledger_version = '3'")
    place.sql("UPDATE archiver.windows SET manifest = jsonb_set(manifest, '{server,timeline}', '99')")
    assert delete_windows(place, windows) == [Deleted(ROWS, 0)] * 4
    assert not in_one_transaction(place)


def test_a_trigger_or_a_reference_made_since_sends_each_window_its_own_way(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    place.sql("CREATE TABLE analytics.pointing (id bigint REFERENCES analytics.events)")
    assert delete_windows(place, windows) == [Deleted(ROWS, 0)] * 4
    assert not in_one_transaction(place)


def test_an_object_that_was_replaced_keeps_its_own_rows(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    place.write(place.data_keys()[1], b"something else")
    with pytest.raises(CheckFailed, match="was replaced after it was checked"):
        delete_windows(place, windows)
    assert ids(place) == [4, 5, 6]


def test_an_object_that_came_back_damaged_keeps_its_own_rows(place: Place) -> None:
    place = small_windows(place)
    windows = place.windows()
    export_windows(place, windows)
    place.write(place.data_keys()[1], b"something else")
    with pytest.raises(CheckFailed, match="Nothing was deleted"):
        check_windows(place, windows)
    delete_windows(place, windows)
    assert ids(place) == [4, 5, 6]
    assert place.ledger("state, cause")[1] == (State.VOID, "damaged")


def voiding(place: Place, window: DueWindow) -> Callable[[], object]:
    """What another run does that takes a window over."""

    def void() -> None:
        place.sql("SET archiver.ledger_version = '3'")
        place.sql("UPDATE archiver.windows SET state = 'void' WHERE cell_start = %s", window.cell.start)

    return void


def test_an_export_that_lost_a_window_to_another_run_says_nothing_of_its_object(place: Place) -> None:
    place = small_windows(place)
    windows = place.windows()
    with acting_before(place, "ledger/windows/mark_exported_all", voiding(place, windows[1])) as database:
        export_all(database, place.store, place.order, windows)
    assert place.ledger("generation, state, manifest IS NOT NULL")[:3] == [
        *[(1, State.EXPORTED, True), (1, State.VOID, False)],
        *[(2, State.EXPORTED, True)],
    ]


def test_a_check_that_lost_a_window_to_another_run_does_not_vouch_for_it(place: Place) -> None:
    place = small_windows(place)
    windows = place.windows()
    export_windows(place, windows)
    with (
        acting_before(place, "ledger/windows/mark_stored_all", voiding(place, windows[1])) as database,
        pytest.raises(Superseded, match="was taken over by another run"),
    ):
        store_all(database, place.store, place.order, windows)
    assert place.ledger("state") == [(State.STORED,), (State.VOID,), *[(State.STORED,)] * 2]


def test_a_delete_that_lost_a_window_to_another_run_takes_none_of_its_rows(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    with acting_before(place, "ledger/windows/end_all_by_range", voiding(place, windows[1])) as database:
        results = delete_all(database, place.store, place.order, windows, lambda: False)
    assert results == [Deleted(ROWS, 0), Deleted(0, 0), Deleted(ROWS, 0), Deleted(ROWS, 0)]
    assert ids(place) == [4, 5, 6]


def test_a_restore_between_the_first_look_and_the_snapshot_is_seen(place: Place) -> None:
    place = small_windows(place)
    windows = place.windows()
    hold = (
        "INSERT INTO archiver.restores (client, table_schema, table_name, bucket, object_key, generation,"
        " target_schema, target_table, target_oid, span_start, span_end, rows, run_id, hold_until) VALUES ('c',"
        " 'analytics', 'events', 'b', 'k', 1, 'analytics', 'events', 1, %s, %s, 1, 'r', now() + interval '1 day')"
    )
    span = windows[1].span
    place.sql("SET archiver.ledger_version = '3'")
    with acting_before(place, "archive/export/lock_table", lambda: place.sql(hold, span.start, span.end)) as database:
        export_all(database, place.store, place.order, windows)
    assert place.ledger("state") == [(State.EXPORTED,), (State.VOID,), (State.EXPORTED,), (State.EXPORTED,)]


def test_rows_of_a_transaction_that_may_have_begun_late_leave_by_their_list(place: Place) -> None:
    place = small_windows(place)
    with place.connect() as other:
        other.execute("SELECT txid_current()")
        place.events(hours_ago(58.5))
        windows = place.windows()
        export_windows(place, windows)
    check_windows(place, windows)
    assert [one.sub_ranges is None for one in place.manifests()] == [False, True, False, False]


@pytest.mark.parametrize("by", [-(1 << 31) - 1000, 1_000_000])
def test_a_snapshot_too_many_transactions_back_or_of_the_future_deletes_nothing(place: Place, by: int) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    moved_snapshot(place, by)
    assert delete_windows(place, windows) == [Deleted(0, ROWS)] * 4
    assert len(ids(place)) == 4 * ROWS


@pytest.mark.parametrize("step", ["export", "delete"])
def test_a_group_holds_the_lock_of_each_window_and_that_against_rewrites(place: Place, step: str) -> None:
    place = small_windows(place)
    windows = place.windows() if step == "export" else stored_windows(place)
    free: list[bool] = []

    def look() -> None:
        names = [*(window_lock(place.order.table, window.cell) for window in windows), rewrite_lock(place.order)]
        with place.session() as other:
            for name in names:
                with other.try_advisory_lock(name) as taken:
                    free.append(taken)

    with acting_before(place, f"archive/{step}/lock_table", look) as database:
        if step == "export":
            export_all(database, place.store, place.order, windows)
        else:
            delete_all(database, place.store, place.order, windows, lambda: False)
    assert free == [False] * 5


def test_a_window_that_another_run_works_on_does_not_keep_the_others(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    with place.session() as other, ExitStack() as held:
        held.enter_context(other.try_advisory_lock(window_lock(place.order.table, windows[1].cell)))
        # It is waited for in its own turn, when the others have gone.
        with acting_before(place, "postgres/session/lock", held.close) as database:
            results = delete_all(database, place.store, place.order, windows, lambda: False)
    assert results == [Deleted(ROWS, 0)] * 4
    ended = "SELECT count(DISTINCT xmin::text) FROM archiver.windows"
    assert place.sql(ended) == [(2,)]


def test_a_delete_that_is_told_to_stop_begins_nothing(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    with pytest.raises(Stopped, match="Run the task again to continue"):
        delete_windows(place, windows, lambda: True)
    assert len(ids(place)) == 4 * ROWS
    assert delete_windows(place, windows) == [Deleted(ROWS, 0)] * 4


def test_rows_are_counted_in_the_transaction_in_which_they_leave(place: Place) -> None:
    place = small_windows(place)
    windows = stored_windows(place)
    counted: list[int] = []
    with place.session() as session:
        delete_all(
            session, place.store, place.order, windows, lambda: False, lambda _session, rows: counted.append(rows)
        )
    assert counted == [4 * ROWS]


def test_a_table_without_an_index_on_its_time_goes_window_by_window(place: Place) -> None:
    place = small_windows(place)
    place.sql("DROP INDEX analytics.events_triggered_at")
    assert archive_windows(place) == [Deleted(ROWS, 0)] * 4
    assert not in_one_transaction(place)


@pytest.mark.parametrize("kind", ["timestamptz", "date"])
def test_columns_of_other_kinds_of_time(place: Place, kind: str) -> None:
    place.sql(
        f"CREATE SCHEMA analytics; CREATE TABLE analytics.events (id int PRIMARY KEY, triggered_at {kind} NOT NULL);"
        "CREATE INDEX ON analytics.events (triggered_at)"
    )
    for number in range(6):
        moment = hours_ago(100 - number * (24 if kind == "date" else 0.5)).isoformat()
        suffix = "Z" if kind == "timestamptz" else ""
        place.sql(f"INSERT INTO analytics.events VALUES ({number}, '{moment}{suffix}')")
    place = place.ordered(batch_size=1000)
    before = len(ids(place))
    deleted = archive_windows(place)
    assert sum(one.rows for one in deleted) == before - len(ids(place)) > 1
    assert in_one_transaction(place)
    assert place.archived().total() == before - len(ids(place))


def test_few_statements_do_for_a_small_window_and_fewer_for_each_of_a_group(place: Place) -> None:
    alone = small_windows(place, windows=1)
    assert count_statements(alone, alone.windows()).total() <= 32
    group = small_windows(place, windows=24, first=90)
    sent = count_statements(group, group.windows())
    assert sent["archive/export/rows"] == sent[DELETE] == 24
    assert sent.total() - 48 <= 39
    assert ids(group) == []
