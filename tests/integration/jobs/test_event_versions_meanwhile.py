"""Whoever dies, stops or writes meanwhile: nothing is lost, nothing is counted twice, and the newest versions stay."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import pytest

from dev.postgres import PostgresServer
from tests.support.concurrency import at_once, until
from tests.support.event_versions import KEEP, EventDocs
from tests.support.version_writers import check_newer, write

# A batch waits in its middle for whoever holds the lock.
WAITS = """
    CREATE FUNCTION app.wait() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(4711); RETURN OLD; END $$;
    CREATE TRIGGER wait BEFORE DELETE ON app.docs FOR EACH ROW EXECUTE FUNCTION app.wait()
"""
IN_THE_MIDDLE = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
KEYS, WRITERS = 150, 4
_numbers = count(1)


@pytest.fixture
def docs(server: PostgresServer) -> Iterator[EventDocs]:
    with EventDocs.made(server, f"versions_meanwhile_{next(_numbers)}") as made:
        yield made


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_ends_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    docs: EventDocs, way: signal.Signals
) -> None:
    docs.ready()
    docs.put(KEYS, KEEP + 1)
    docs.sql(WAITS)
    with docs.place.server.connect(docs.database) as holder:
        holder.execute("SELECT pg_advisory_lock(4711)")
        with docs.worker() as process:
            until(lambda: bool(docs.sql(IN_THE_MIDDLE)))
            process.send_signal(way)
            if way is signal.SIGKILL:
                process.wait(30)
            holder.execute("SELECT pg_advisory_unlock(4711)")
            process.wait(30)
    # One that is told to end comes to the end of its batch; of one that was killed nothing is there.
    done = 100 if way is signal.SIGTERM else 0
    until(lambda: not docs.sql("SELECT 1 FROM pg_stat_activity WHERE usename = %s", docs.place.archive))
    assert docs.counted()[:2] == (done, done)
    assert docs.waiting() == (KEYS - done) * (KEEP + 1)
    docs.work()
    assert docs.counted() == (KEYS, KEYS, "1")
    assert docs.all_left() == {key: [2, 3, 4] for key in range(1, KEYS + 1)}
    assert docs.waiting() == 0


def test_a_batch_that_takes_too_long_is_broken_off_when_its_worker_is_told_to_end(docs: EventDocs) -> None:
    docs.ready()
    docs.put(2, KEEP + 1)
    docs.sql(WAITS)
    with docs.place.server.connect(docs.database) as holder:
        holder.execute("SELECT pg_advisory_lock(4711)")
        with docs.worker() as process:
            until(lambda: bool(docs.sql(IN_THE_MIDDLE)))
            process.terminate()
            assert process.wait(30) == 0
    assert docs.counted()[:2] == (0, 0)
    docs.work()
    assert docs.counted()[:2] == (2, 2)


def test_two_workers_at_once_work_off_each_key_once(docs: EventDocs) -> None:
    docs.ready()
    docs.put(2 * KEYS, KEEP + 1)
    for one in at_once([partial(docs.work, lane=lane, lanes=2) for lane in range(2)]):
        one.result()
    assert docs.counted() == (2 * KEYS, 2 * KEYS, "1")
    assert docs.waiting() == 0


@pytest.mark.parametrize("operations", [1_200, pytest.param(20_000, marks=pytest.mark.more)])
def test_writers_of_every_kind_never_lose_one_of_the_newest(docs: EventDocs, operations: int) -> None:
    docs.ready()
    docs.sql(check_newer("app.docs"))
    connect = partial(docs.place.server.connect, docs.database)
    with docs.worker() as process, ThreadPoolExecutor(WRITERS) as pool:
        working = [pool.submit(write, connect, "app.docs", number, operations // WRITERS) for number in range(WRITERS)]
        changed = [one.result() for one in working]
        until(lambda: docs.waiting() == 0)
        process.terminate()
        process.wait(30)
    inserted, deleted = (sum(counts) for counts in zip(*changed, strict=True))
    ((rows,),) = docs.sql("SELECT count(*) FROM app.docs")
    # Every row that went was counted once, by whoever took it away.
    assert rows == inserted - deleted - docs.counted()[1]
    assert docs.counted()[1] > 0
    assert all(len(left) <= KEEP for left in docs.all_left().values())
