"""Workers that die, lose their connections, are told to end, or are many: no event is lost, and none is done twice."""

from __future__ import annotations

import signal
from collections import defaultdict
from typing import Any

import pytest

from tests.support.concurrency import in_background, until
from tests.support.event_place import WRITES, EventPlace


def test_a_function_that_kills_its_worker_is_dead_after_three_and_others_run(events: EventPlace) -> None:
    events.define("kills", f"{WRITES}\nos._exit(9)")
    before = [events.put(topic=f"before {number}") for number in range(5)]
    bad = events.put("kills", topic="bad")
    after = [events.put(topic=f"after {number}") for number in range(5)]
    endings = [events.run()[0] for _ in range(4)]
    assert endings == [9, 9, 9, 0]
    assert sorted(events.sink) == [*before, *after]
    assert events.dead() == [(bad, "its worker died 3 times while it had this in hand")]
    assert events.waiting() == []


def test_what_was_in_the_hands_of_a_dead_worker_runs_alone(events: EventPlace) -> None:
    events.define("marks", f"{WRITES}\nprint(db.execute('SELECT pg_current_xact_id()').fetchone()[0])")
    events.define("kills", "os._exit(9)")
    bad = events.put("kills", topic="bad")
    numbers = [events.put("marks", topic=f"{number}") for number in range(3)]
    assert events.run()[0] == 9
    events.sql("DELETE FROM archiver.events WHERE id = %s", bad)
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
        until(lambda: bool(events.sql("SELECT 1 FROM archiver.workers WHERE in_hand <> '{}'")))
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "; it was told to end after " in log
    done = events.sink
    assert 1 <= len(done) < 20
    assert [row[0] for row in events.waiting("id, attempts")] == [number for number in numbers if number not in done]
    assert events.sql("SELECT * FROM archiver.workers") == []


def test_a_function_that_goes_on_after_that_is_broken_off_without_an_attempt(events: EventPlace) -> None:
    events.define("endless", f"{WRITES}\ndb.execute('SELECT pg_sleep(3600)')")
    number = events.put("endless")
    with events.start() as process:
        until(lambda: bool(events.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%'")))
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "events: none; it was told to end after " in log
    assert events.sink == []
    assert events.waiting("id, attempts, crashes") == [(number, 0, 0)]


def test_a_worker_does_not_end_while_another_takes_events_into_the_queue(events: EventPlace) -> None:
    events.define("writes")
    with events.server.connect(events.database) as other:
        other.autocommit = False
        # As that worker does, until its transaction ends.
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('archiver events taken in', 0))")
        with in_background(events.work) as working:
            until(lambda: bool(events.sql("SELECT 1 FROM archiver.workers")))
            with pytest.raises(TimeoutError):
                working.result(timeout=1.0)
            number = events.put("writes")
            other.commit()
    assert events.sink == [number]


def test_a_worker_ends_when_its_time_is_over(events: EventPlace) -> None:
    events.define("slow", f"{WRITES}\ntime.sleep(0.2)")
    for number in range(50):
        events.put("slow", topic=f"{number}")
    result = events.work(max_seconds=0.5)
    assert result.why == "its time is over"
    assert 1 <= len(events.sink) < 50


def test_a_worker_that_lingers_finds_what_comes_and_then_ends(events: EventPlace) -> None:
    with in_background(lambda: events.work(linger_seconds=1.0)) as working:
        until(lambda: bool(events.sql("SELECT 1 FROM archiver.workers")))
        number = events.put()
        until(lambda: events.sink == [number])
        assert not working.done()
        assert working.result(30).why == "nothing is left"


def test_a_worker_that_waits_is_sent_for_and_finds_what_becomes_due(events: EventPlace) -> None:
    events.sql("CREATE TABLE source (id int PRIMARY KEY)")
    events.bind("writes")
    events.sql(
        "SELECT archiver.watch('source', 'writes 1', delay => '2 seconds'), archiver.watch_channel('/q', 'writes 1')"
    )
    with events.start("--linger", "0") as process:
        until(lambda: bool(events.sql("SELECT 1 FROM archiver.workers")))
        events.sql("SELECT archiver.send('/q')")
        until(lambda: len(events.sink) == 1)
        events.sql("INSERT INTO source VALUES (1)")
        until(lambda: len(events.sink) == 2)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert "events: 2 done; it was told to end after " in log


def test_two_workers_at_once_share_a_queue(events: EventPlace) -> None:
    with events.start("--lanes", "2", "--lane", "0") as first, events.start("--lanes", "2", "--lane", "1") as second:
        until(lambda: len(events.sql("SELECT 1 FROM archiver.workers")) == 2)
        numbers = [events.put(topic=f"{number % 20}") for number in range(400)]
        until(lambda: events.waiting() == [])
        for worker in (first, second):
            worker.send_signal(signal.SIGTERM)
        logs = [worker.communicate(timeout=30)[1] for worker in (first, second)]
    assert all(" done; it was told to end after " in log for log in logs)
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
