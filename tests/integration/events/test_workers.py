"""Workers that die, lose their connections, are told to end, or are many: no event is lost, and none is done twice."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from itertools import count
from typing import Any

import pytest

from tests.faults.chance import seeded
from tests.support.concurrency import in_background, until
from tests.support.event_place import AT_ONCE, WRITES, EventPlace


def test_a_function_that_kills_its_worker_is_dead_after_three_and_others_run(events: EventPlace) -> None:
    events.define("kills", f"{WRITES}\nos._exit(9)")
    before = [events.put(topic=f"before {number}") for number in range(5)]
    bad = events.put("kills", topic="bad")
    after = [events.put(topic=f"after {number}") for number in range(5)]
    endings = [events.run()[0] for _ in range(4)]
    assert endings == [9, 9, 9, 0]
    assert sorted(events.sink) == [*before, *after]
    assert events.dead() == [(bad, "its worker died 3 times with it")]
    assert events.waiting() == []


def test_what_was_in_the_hands_of_a_dead_worker_runs_alone(events: EventPlace) -> None:
    events.define("marks", f"{WRITES}\nprint(db.execute('SELECT pg_current_xact_id()').fetchone()[0])")
    events.define("kills", "os._exit(9)")
    bad = events.put("kills", topic="bad")
    numbers = [events.put("marks", topic=f"{number}") for number in range(3)]
    assert events.run()[0] == 9
    events.sql("DELETE FROM q.events WHERE id = %s", bad)
    events.work()
    transactions = dict(events.log("event_id, output"))
    assert len({transactions[number] for number in numbers}) == 3


def test_a_lost_connection_loses_nothing_and_does_nothing_twice(
    events: EventPlace, caplog: pytest.LogCaptureFixture
) -> None:
    ends = "db.execute('SELECT pg_terminate_backend(pg_backend_pid())')"
    events.define("ends", f"{WRITES}\nif event.key.get('ends'):\n    {ends}")
    numbers = [events.put("ends", topic=f"{number}") for number in range(10)]
    bad = events.put("ends", topic="bad", key={"ends": True})
    result = events.work()
    assert sorted(events.sink) == numbers
    assert events.dead("id") == [(bad,)]
    assert result.tally.all == 10
    assert "The worker connects again" in caplog.text
    assert "1 workers have died. What they had in hand is run alone now" in caplog.text
    assert "failed" not in caplog.text


def test_a_worker_that_is_told_to_end_does_after_its_event(events: EventPlace) -> None:
    events.define("slow", f"{WRITES}\nprint(time.sleep(0.3))")
    numbers = [events.put("slow", topic=f"{number}") for number in range(20)]
    with events.start() as process:
        until(lambda: bool(events.sql("SELECT 1 FROM q.workers WHERE in_hand <> '{}'")))
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "; it was told to end after " in out
    done = events.sink
    assert 1 <= len(done) < 20
    assert [row[0] for row in events.waiting("id, attempts")] == [number for number in numbers if number not in done]
    assert events.sql("SELECT * FROM q.workers") == []


def test_a_function_that_goes_on_after_that_is_broken_off_without_an_attempt(events: EventPlace) -> None:
    events.define("endless", f"{WRITES}\ndb.execute('SELECT pg_sleep(3600)')")
    number = events.put("endless")
    with events.start() as process:
        until(lambda: bool(events.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%'")))
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.startswith("events: none; it was told to end after ")
    assert events.sink == []
    assert events.waiting("id, attempts, crashes") == [(number, 0, 0)]


def test_a_worker_ends_when_its_time_is_over(events: EventPlace) -> None:
    events.define("slow", f"{WRITES}\ntime.sleep(0.2)")
    for number in range(50):
        events.put("slow", topic=f"{number}")
    result = events.work(AT_ONCE, max_seconds=0.5)
    assert result.why == "its time is over"
    assert 1 <= len(events.sink) < 50


def test_a_worker_that_lingers_finds_what_comes_and_then_ends(events: EventPlace) -> None:
    with in_background(lambda: events.work(AT_ONCE, linger_seconds=1.0)) as working:
        until(lambda: bool(events.sql("SELECT 1 FROM q.workers")))
        number = events.put()
        until(lambda: events.sink == [number])
        assert not working.done()
        assert working.result(30).why == "nothing is left"


def test_a_worker_that_waits_is_woken_and_finds_what_becomes_due(events: EventPlace) -> None:
    with events.start(waits=True) as process:
        until(lambda: bool(events.sql("SELECT 1 FROM q.workers")))
        first = events.put()
        until(lambda: events.sink == [first])
        events.sql(
            "INSERT INTO q.events (function, available_at) VALUES ('writes', clock_timestamp() + interval '2 s')"
        )
        events.sql("NOTIFY q")
        until(lambda: len(events.sink) == 2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert out.startswith("events: 2 done; it was told to end after ")


def test_two_workers_at_once_share_a_queue(events: EventPlace) -> None:
    numbers = [events.put(topic=f"{number % 20}") for number in range(400)]
    workers = [events.start(lane=lane, lanes=2) for lane in range(2)]
    for worker in workers:
        with worker:
            assert worker.communicate(timeout=60)[0].startswith("events: ")
    check(events, numbers)


@pytest.mark.more
def test_many_workers_that_are_killed_do_each_event_once_in_the_order_of_its_topic(events: EventPlace) -> None:
    """What a function wrote and the event's end are one commit, so the sink tells who was lost or doubled."""
    chance = seeded("killed workers")
    events.define("writes", f"{WRITES}\nif event.key.get('fails', 0) >= event.attempt:\n    raise ValueError")
    numbers: list[int] = []
    lanes, running = 3, {}
    started = count()

    def start() -> None:
        number = next(started)
        running[number] = events.start(lane=number % lanes, lanes=lanes, linger_seconds=0.5)

    for _ in range(4):
        start()
    deadline = time.monotonic() + 120
    while len(numbers) < 3000 or events.waiting("count(*)") != [(0,)]:
        assert time.monotonic() < deadline
        if len(numbers) < 3000:
            for _ in range(60):
                fails = {"fails": 1} if chance.random() < 0.01 else {}
                numbers.append(events.put(topic=f"{chance.randrange(40)}", key=fails))
        for name, process in list(running.items()):
            if chance.random() < 0.15 and len(numbers) < 3000:
                os.kill(process.pid, signal.SIGKILL)
            if process.poll() is not None:
                process.communicate()
                del running[name]
                start()
        # A crash too many would make an innocent event dead.
        events.sql("UPDATE q.events SET crashes = least(crashes, 1)")
        time.sleep(0.1)
    for process in running.values():
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    check(events, numbers)


def check(events: EventPlace, numbers: list[int]) -> None:
    """Each event is in the sink once, those of a topic in their order, and none is left."""
    assert sorted(events.sink) == sorted(numbers)
    assert events.waiting() == []
    assert events.dead() == []
    by_topic: defaultdict[str, list[Any]] = defaultdict(list)
    for number, topic in events.sql("SELECT event_id, topic FROM sink ORDER BY position"):
        by_topic[topic].append(number)
    for found in by_topic.values():
        assert found == sorted(found)
