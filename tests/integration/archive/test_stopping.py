"""A task that is told to end: what it does is broken off in time, nothing of it is lost, and the next try goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any, cast

import pytest

from pg_archiver.archive.delete import delete
from pg_archiver.archive.export import export
from pg_archiver.archive.store import store
from pg_archiver.domain.work import RestoreOrder
from pg_archiver.errors import Stopped
from pg_archiver.maintenance.compact.compact import CompactOptions, compact
from pg_archiver.maintenance.index import index
from pg_archiver.postgres.session import Session
from pg_archiver.restore.restore import restore
from pg_archiver.runtime.stopping import Stop
from pg_archiver.s3.bucket import Bucket, Download
from pg_archiver.s3.uploads import Upload
from tests.support.concurrency import in_background, until
from tests.support.place import EVENTS, Place, hours_ago

pytestmark = pytest.mark.more

ROWS = 25
SLEEPS = """
    CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(600); RETURN coalesce(NEW, OLD); END $$;
    CREATE TRIGGER dawdling BEFORE {event} ON analytics.events FOR EACH ROW EXECUTE FUNCTION public.dawdle()
"""
AT_WORK = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test'"


@pytest.fixture
def filled(place: Place) -> Place:
    """One window that is due."""
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - number / 60) for number in range(ROWS)))
    return place


@contextmanager
def open_session(place: Place, stop: Stop) -> Generator[Session]:
    with Session.connect(place.connect, place.database, "test", stop=stop) as session:
        yield session


@contextmanager
def told_to_stop(place: Place, when: str) -> Generator[Session]:
    """A session whose process is told to end when the server says that its statement is there."""
    stop, done = Stop(grace_seconds=0.2), threading.Event()

    def tell() -> None:
        # In a connection of its own: the place's is the test's.
        with place.server.connect(place.database) as looking:
            until(lambda: done.is_set() or bool(looking.execute(f"{AT_WORK} AND {when}".encode()).fetchall()))
        stop.request()

    with in_background(tell), open_session(place, stop) as session:
        try:
            yield session
        finally:
            done.set()


def nothing_runs_on(place: Place) -> None:
    until(lambda: not place.sql(AT_WORK))


def test_a_delete_batch_that_takes_long_is_rolled_back_and_told_as_stopped(filled: Place) -> None:
    window = filled.stored_window()
    before = filled.live()
    filled.sql(SLEEPS.format(event="DELETE"))
    with (
        pytest.raises(
            Stopped, match=rf"stopped after 0 of {ROWS} rows\. Run the task again to continue \(.*broken off"
        ),
        told_to_stop(filled, "wait_event = 'PgSleep'") as database,
    ):
        delete(database, filled.store, filled.order, window, lambda: False)
    nothing_runs_on(filled)
    assert filled.live() == before
    assert filled.ledger() == [("stored", ROWS, 0)]
    filled.sql("DROP TRIGGER dawdling ON analytics.events")
    assert filled.delete(window).rows == ROWS


def test_a_batch_that_ends_in_time_is_kept(filled: Place) -> None:
    window, stop, asked = filled.stored_window(), Stop(grace_seconds=600), []

    def stopping() -> bool:
        asked.append(1)
        if len(asked) == 2:
            stop.request()
        return stop()

    with pytest.raises(Stopped, match=rf"stopped after 10 of {ROWS} rows"), open_session(filled, stop) as session:
        delete(session, filled.store, filled.order, window, stopping)
    assert filled.ledger() == [("stored", ROWS, 10)]
    assert filled.delete(window).rows == ROWS


@dataclass(frozen=True)
class _SlowUpload:
    """Is told to end by its first bytes, and takes no more before the time is over and the COPY is cancelled."""

    upload: Upload
    stop: Stop
    cancelled: threading.Event

    def write(self, data: bytes) -> None:
        self.stop.request()
        until(self.cancelled.is_set)
        self.upload.write(data)

    def finish(self) -> None:
        self.upload.finish()


@dataclass(frozen=True)
class SlowStore(Bucket):
    stop: Stop = field(default_factory=Stop)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def upload(self, key: str) -> Generator[Any]:
        with super().upload(key) as upload:
            yield _SlowUpload(upload, self.stop, self.cancelled)


def test_a_copy_is_cancelled_in_the_middle_and_leaves_no_object(filled: Place) -> None:
    """The server has more to send than hides in buffers on the way."""
    filled.sql(
        "UPDATE analytics.events SET name = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 30000) AS n)"
    )
    window, stop, cancelled = filled.window(), Stop(grace_seconds=1), threading.Event()
    bucket = SlowStore(filled.client, filled.bucket, stop=stop, cancelled=cancelled)

    class Telling(Session):
        def cancel(self) -> None:
            super().cancel()
            cancelled.set()

    with (
        pytest.raises(Stopped, match="broken off"),
        Telling.connect(filled.connect, filled.database, "test", stop=stop) as session,
    ):
        export(session, bucket, filled.order, window)
    assert filled.data_keys() == []
    filled.export(window)
    assert filled.check(window) == ROWS


def test_an_export_that_waits_for_a_lock_is_broken_off(filled: Place) -> None:
    window = filled.window()
    with filled.connect() as user:
        user.execute("LOCK TABLE analytics.events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Stopped), told_to_stop(filled, "wait_event_type = 'Lock'") as database:
            export(database, filled.store, filled.order, window)
    nothing_runs_on(filled)
    filled.export(window)
    assert filled.check(window) == ROWS


@dataclass
class _Stuck:
    """The body of an answer that S3 never sends on, until somebody wakes the reader."""

    woken: threading.Event = field(default_factory=threading.Event)

    def read(self, _size: int = -1) -> bytes:
        self.woken.wait()
        return b""


@dataclass(frozen=True)
class _StuckDownload(Download):
    def wake(self) -> None:
        cast(_Stuck, self.body).woken.set()


@dataclass(frozen=True)
class StuckStore(Bucket):
    """Sends nothing, and calls `begun` when it is asked."""

    begun: Callable[[], object] = BytesIO

    @contextmanager
    def open(self, key: str) -> Generator[Download]:
        with super().open(key) as answer:
            self.begun()
            yield _StuckDownload(cast(IO[bytes], _Stuck()), answer.etag)


def test_a_read_back_that_hangs_is_broken_off_and_its_object_is_not_taken_for_damaged(filled: Place) -> None:
    window, stop = filled.window(), Stop(grace_seconds=0)
    filled.export(window)
    bucket = StuckStore(filled.client, filled.bucket, begun=stop.request)
    with pytest.raises(Stopped, match="nothing is lost"), open_session(filled, stop) as session:
        store(session, bucket, filled.order, window)
    assert filled.ledger() == [("exported", ROWS, 0)]
    assert filled.check(window) == ROWS


def test_the_inserts_of_a_restore_are_rolled_back(filled: Place) -> None:
    before, order = filled.live(), RestoreOrder(filled.order, hours_ago(100), hours_ago(0))
    filled.archive()
    filled.sql(SLEEPS.format(event="INSERT"))
    with pytest.raises(Stopped), told_to_stop(filled, "wait_event = 'PgSleep'") as session:
        restore(session, filled.store, order)
    nothing_runs_on(filled)
    assert not filled.live()
    filled.sql("DROP TRIGGER dawdling ON analytics.events")
    with filled.session() as session:
        assert restore(session, filled.store, order).restored == ROWS
    assert filled.live() == before


def test_the_vacuum_of_compact_is_cancelled(filled: Place) -> None:
    filled.sql(
        "INSERT INTO analytics.events (triggered_at, name) SELECT now(), repeat('x', 900) FROM generate_series(1, 4000)"
    )
    filled.sql("DELETE FROM analytics.events WHERE id % 2 = 0")
    before = filled.live()
    filled.sql(f"ALTER DATABASE {filled.database} SET vacuum_cost_limit = 1")
    slow = CompactOptions(vacuum_cost_delay_ms=100)
    with pytest.raises(Stopped), told_to_stop(filled, "wait_event = 'VacuumDelay'") as database:
        compact(database, filled.order.table, lambda: False, slow)
    nothing_runs_on(filled)
    assert filled.live() == before


def test_an_index_build_is_cancelled_and_mended_by_the_next_run(filled: Place) -> None:
    filled.sql("DROP INDEX analytics.events_triggered_at")
    with filled.connect() as user:
        user.execute("UPDATE analytics.events SET name = 'x' WHERE id = 1")
        with pytest.raises(Stopped), told_to_stop(filled, "wait_event_type = 'Lock'") as session:
            index(session, filled.order, filled.session)
        user.rollback()
    nothing_runs_on(filled)
    state = "SELECT indisvalid FROM pg_index WHERE indrelid = 'analytics.events'::regclass AND NOT indisprimary"
    assert filled.sql(state) == [(False,)]
    assert filled.sql("SELECT state FROM archiver.maintenance") == [("failed",)], "the ledger knows"
    with filled.session() as session:
        index(session, filled.order, filled.session)
    assert filled.sql(state) == [(True,)]


def test_waiting_for_another_run_ends_with_the_task(filled: Place) -> None:
    stop = Stop(grace_seconds=0)
    stop.request()
    with (
        filled.session() as other,
        other.advisory_lock("window", "the window"),
        pytest.raises(Stopped),
        open_session(filled, stop) as session,
        session.advisory_lock("window", "the window"),
    ):
        pass
