"""compact beside others: writers, locks, another compact, and the archive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from pg_archiver.archive.delete import Deleted
from pg_archiver.errors import DatabaseInterrupted, LockWait
from pg_archiver.maintenance.compact import row_mover
from pg_archiver.maintenance.compact.compact import compact
from pg_archiver.maintenance.compact.row_mover import MovePace
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.statements import Names
from tests.faults.chance import seeded
from tests.support import place as events
from tests.support.bloated_tables import EFFORT, EVENTS, bloated, compacted, content, fresh_heap_bytes
from tests.support.concurrency import in_background, until, wait_for_blocked
from tests.support.place import Place, hours_ago

pytestmark = pytest.mark.more
PAGE = 8192
EVERY_TWENTIETH = "id % 20 = 0"
PATIENT = MovePace(rest=0.0, patience_seconds=30.0)


class Writer(threading.Thread):
    """Inserts, updates, deletes and locks rows until it is told to end, and remembers what every row must be."""

    def __init__(self, place: Place, number: int, ids: list[int]) -> None:
        super().__init__()
        self.place, self.chance, self.ids = place, seeded(f"writer {number}"), ids
        self.ending = threading.Event()
        self.touched: dict[int, int] = dict.fromkeys(ids, 0)
        self.failure: BaseException | None = None
        self.changes = 0

    def run(self) -> None:
        try:
            with self.place.connect() as connection:
                while not self.ending.is_set():
                    self._change(connection)
        except BaseException as failure:  # noqa: BLE001 (looked at by the test)
            self.failure = failure

    def _change(self, connection: psycopg.Connection[Any]) -> None:
        row = self.chance.choice(list(self.touched))
        what = self.chance.choice(["insert", "update", "update", "delete", "lock and update", "give up"])
        with connection.cursor() as cursor:
            if what == "insert":
                cursor.execute("INSERT INTO analytics.events (name) VALUES (repeat('n', 300)) RETURNING id")
                found = cursor.fetchone()
                assert found
                self.touched[found[0]] = 0
            elif what == "delete" and len(self.touched) > 20:
                cursor.execute("DELETE FROM analytics.events WHERE id = %s", [row])
                assert cursor.rowcount == 1
                del self.touched[row]
            else:
                if what == "lock and update":
                    cursor.execute("SELECT FROM analytics.events WHERE id = %s FOR UPDATE", [row])
                    assert cursor.rowcount == 1
                cursor.execute("UPDATE analytics.events SET touched = touched + 1 WHERE id = %s", [row])
                assert cursor.rowcount == 1
                if what == "give up":
                    connection.rollback()
                    return
                self.touched[row] += 1
        connection.commit()
        self.changes += 1


@contextmanager
def writing(place: Place, writers: int) -> Generator[list[Writer]]:
    """Writers upon rows of their own each, until the block ends."""
    ids = [row[0] for row in place.sql("SELECT id FROM analytics.events ORDER BY id")]
    started = [Writer(place, number, ids[number::writers]) for number in range(writers)]
    for writer in started:
        writer.start()
    try:
        yield started
    finally:
        for writer in started:
            writer.ending.set()
        for writer in started:
            writer.join()


@pytest.mark.more
@pytest.mark.parametrize("kept", ["id > 3600", EVERY_TWENTIETH])
def test_no_change_of_a_concurrent_writer_is_lost(place: Place, kept: str) -> None:
    bloated(place, kept)
    with writing(place, 3) as writers:
        for _ in range(3):
            compacted(place, tempo=PATIENT)
        until(lambda: all(writer.changes > 50 or writer.failure for writer in writers))
    assert [writer.failure for writer in writers] == [None] * 3
    wanted = {row: touched for writer in writers for row, touched in writer.touched.items()}
    assert dict(place.sql("SELECT id, touched FROM analytics.events")) == wanted
    assert compacted(place).after.heap <= max(1.1 * fresh_heap_bytes(place), fresh_heap_bytes(place) + PAGE)


def test_a_writer_that_waits_for_a_row_that_is_moving_changes_it_in_its_new_place(place: Place) -> None:
    """Between two batches of one transaction each: the writer follows the row."""
    bloated(place, "id = 4000")
    with place.connect() as mover, place.connect() as writer:
        mover.execute("UPDATE analytics.events SET touched = touched")
        writer.execute("SET application_name = 'test'")
        with in_background(lambda: writer.execute("UPDATE analytics.events SET touched = 7").rowcount) as updated:
            wait_for_blocked(place)
            mover.commit()
        assert updated.result() == 1
    assert place.sql("SELECT touched FROM analytics.events") == [(7,)]


@contextmanager
def meanwhile(place: Place, statement: str) -> Generator[tuple[Callable[[], bool], psycopg.Connection[Any]]]:
    """A `stopping` that never stops, but runs this statement when first asked, in a transaction that stays open."""
    with place.connect() as other:
        once = iter([statement])

        def running() -> bool:
            for found in once:
                other.execute(found.encode())
            return False

        yield running, other


def test_rows_that_somebody_has_locked_are_left_for_later(place: Place) -> None:
    bloated(place)
    before = content(place)
    locked = "SELECT ctid, xmin FROM analytics.events WHERE id IN (3999, 4000)"
    places = place.sql(locked)
    with meanwhile(place, "SELECT FROM analytics.events WHERE id IN (3999, 4000) FOR NO KEY UPDATE") as (locking, _):
        done = compacted(place, stopping=locking)
        assert (done.rows, done.held) == (398, True)
        assert place.sql(locked) == places
    assert compacted(place).after.heap <= fresh_heap_bytes(place) + PAGE
    assert content(place) == before


def test_rows_that_a_new_child_points_to_move_all_the_same(place: Place) -> None:
    bloated(place)
    with meanwhile(place, "SELECT FROM analytics.events FOR KEY SHARE") as (pointing, _):
        assert compacted(place, stopping=pointing).rows == 400


def test_a_lock_on_the_table_is_waited_for_and_then_given_up(place: Place) -> None:
    bloated(place)
    before = content(place)
    with meanwhile(place, "LOCK TABLE analytics.events IN SHARE MODE") as (locking, _), pytest.raises(LockWait):
        compacted(place, stopping=locking)
    assert content(place) == before
    assert compacted(place).after.heap <= fresh_heap_bytes(place) + PAGE


def test_a_lock_that_is_given_up_in_time_costs_nothing(place: Place) -> None:
    bloated(place)
    with (
        meanwhile(place, "LOCK TABLE analytics.events IN SHARE MODE") as (locking, locker),
        in_background(lambda: compacted(place, stopping=locking, tempo=PATIENT)) as running,
    ):
        wait_for_blocked(place)
        locker.rollback()
    assert (running.result().rows, running.result().held) == (400, False)


def test_a_batch_stays_small_where_many_rows_follow_upon_an_empty_stretch(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a stretch without rows the batches are at their widest."""
    bloated(place, "id BETWEEN 5000 AND 9000 OR id = 12000", width=60, rows=12000)
    monkeypatch.setattr(row_mover, "MOST_ROWS", 500)
    genuine, moved = Session.fetch_all, []

    def noting(self: Session, statement: str, names: Names | None = None, /, **values: Any) -> list[Row]:
        if statement == "maintenance/compact/move_rows":
            moved.append(len(values["places"]))
        return genuine(self, statement, names, **values)

    monkeypatch.setattr(Session, "fetch_all", noting)
    assert compacted(place, tempo=MovePace(batch_seconds=10.0, rest=0.0)).rows >= 4001
    assert max(moved) < 500


def test_rows_that_move_between_export_and_delete_stay_and_are_archived_by_the_next_run(place: Place) -> None:
    place.sql(events.EVENTS)
    place.sql(
        "INSERT INTO analytics.events (triggered_at, name) SELECT now(), repeat('x', 500) FROM generate_series(1, 500)"
    )
    place.events(*[hours_ago(60)] * 20)
    place.sql("DELETE FROM analytics.events WHERE name ~ '^x'")
    before = place.csv_of_table()
    window = place.stored_window()
    assert compacted(place).rows == 20
    assert place.delete(window) == Deleted(0, 20)
    assert place.csv_of_table() == before
    assert place.archive() == [Deleted(20, 0)]
    assert set(place.archived()) == set(before)
    assert not place.live()


def test_two_at_once_do_no_harm(place: Place) -> None:
    bloated(place, EVERY_TWENTIETH)
    before = content(place)
    with in_background(lambda: _or_interrupted(lambda: compacted(place, tempo=PATIENT))) as other:
        _or_interrupted(lambda: compacted(place, tempo=PATIENT))
    other.result()
    assert content(place) == before
    assert compacted(place).after.heap <= fresh_heap_bytes(place) + PAGE


def _or_interrupted(work: Callable[[], object]) -> None:
    try:
        work()
    except DatabaseInterrupted:
        return


def test_its_session_is_left_as_an_ordinary_one(place: Place) -> None:
    """What a batch sets for itself ends with the batch."""
    bloated(place)
    shown = "SELECT name, setting FROM pg_settings WHERE name IN ('session_replication_role', 'synchronous_commit',"
    shown += " 'enable_seqscan', 'lock_timeout')"
    with place.session_and_connection() as (session, ours):
        before = ours.execute(shown.encode()).fetchall()
        compact(session, EVENTS, lambda: False, EFFORT)
        assert ours.execute(shown.encode()).fetchall() == before
