"""What a worker does with events: each once, in the order of its topic, and again where its function failed."""

from __future__ import annotations

import json

import pytest

from tests.support.event_place import WRITES, EventPlace

SECRET = "secretjohndoe4711"


def test_each_event_runs_once_and_its_work_is_there_with_its_end(events: EventPlace) -> None:
    numbers = [events.put(topic=f"{number % 7}") for number in range(150)]
    result = events.work()
    assert sorted(events.sink) == numbers
    assert events.waiting() == []
    assert str(result).startswith("events: 150 done; nothing is left after ")
    assert events.log("count(*), bool_and(succeeded)") == [(150, True)]


def test_a_topic_keeps_its_order(events: EventPlace) -> None:
    numbers = [events.put(topic="one") for _ in range(130)]
    events.work()
    assert events.sink == numbers


def test_a_function_gets_what_the_queue_has(events: EventPlace) -> None:
    events.define(
        "tells",
        """
        told = [event.operation, event.table, event.channel, event.topic, event.key, event.payload, event.config,
                event.attempt, event.merged, event.queued_at.tzinfo is not None, event.id]
        db.execute("INSERT INTO sink (data) VALUES (%s)", [__import__("json").dumps(told)])
        """,
    )
    events.sql("CREATE SCHEMA app; CREATE TABLE app.input (id int PRIMARY KEY)")
    number = events.put(
        "tells",
        operation="DELETE",
        table="app.input",
        topic="7",
        key={"id": 7, "name": "a"},
        payload={"old": [1, None]},
        config={"days": 2},
        attempts=3,
    )
    message = events.put("tells", operation="SEND", payload="words")
    events.work()
    assert [json.loads(row[0]) for row in events.sql("SELECT data FROM sink ORDER BY position")] == [
        ["DELETE", "app.input", None, "7", {"id": 7, "name": "a"}, {"old": [1, None]}, {"days": 2}, 4, 1, True, number],
        ["SEND", None, "/2", "", {}, "words", {}, 1, 1, True, message],
    ]


def test_a_key_is_made_into_the_model_of_its_function(events: EventPlace) -> None:
    (events.folder / "keyed.py").write_text(
        "from datetime import date\nfrom pydantic import BaseModel\n"
        "from pg_archiver.events import Event, event_function\n\n\n"
        "class Key(BaseModel):\n    id: int\n    day: date\n\n\n"
        '@event_function("keyed", model=Key)\ndef keyed(event: Event[Key], db):\n'
        "    years = [key.day.year for key in (event.key, event.old_key) if key]\n"
        '    db.execute("INSERT INTO sink (event_id, data) VALUES (%s, %s)", [event.id, str(years)])\n'
    )
    key = {"id": 7, "day": "2026-01-02"}
    fits = events.put("keyed", key=key, old_key={**key, "day": "2025-01-02"}, topic="a")
    plain = events.put("keyed", key=key, topic="a")
    odd = events.put("keyed", key={"id": SECRET, "day": "2026-01-02"}, topic="b")
    events.work()
    assert events.sql("SELECT event_id, data FROM sink") == [(fits, "[2026, 2025]"), (plain, "[2026]")]
    ((number, attempts, error),) = events.waiting("id, attempts, last_error")
    assert (number, attempts) == (odd, 1)
    assert error.startswith("the key does not fit Key, the model of 'keyed'. It was not called: ")
    assert SECRET in error


def test_a_function_that_fails_comes_again_and_leaves_nothing_of_its_work(
    events: EventPlace, caplog: pytest.LogCaptureFixture
) -> None:
    events.define("fails", f"{WRITES}\nprint('{SECRET} printed')\nraise ValueError('{SECRET}')")
    number, other = events.put("fails", topic="a"), events.put("writes", topic="b")
    result = events.work()
    assert events.sink == [other]
    ((attempts, error, waits),) = events.waiting(
        "attempts, last_error, extract(epoch FROM available_at - clock_timestamp())::float"
    )
    assert attempts == 1
    assert error.splitlines() == [f"ValueError: {SECRET}", "  fails.py, line 12, in fails"]
    assert 0 < waits < 3.1
    assert str(result).startswith("events: 1 done, 1 failed; ")
    assert "function fails failed, attempt 1 of 10: ValueError in fails.py, line 12." in caplog.text
    assert events.log("event_id, succeeded, output")[0] == (number, False, f"{SECRET} printed\n")
    assert SECRET not in caplog.text


@pytest.mark.parametrize("attempts", [0, 1, 4, 9])
def test_each_failure_puts_it_off_for_longer(events: EventPlace, attempts: int) -> None:
    events.define("fails", "raise ValueError")
    events.put("fails", attempts=attempts, max_attempts=20)
    events.work()
    ((now, waits),) = events.waiting(
        "attempts, extract(epoch FROM available_at - (SELECT max(started_at) FROM archiver.event_log))::float"
    )
    assert now == attempts + 1
    # A third of a second is what the run may have taken.
    assert 0.86 * 2.71828 ** (attempts + 1) < waits < 1.14 * 2.71829 ** (attempts + 1) + 0.3


def test_after_its_last_attempt_an_event_is_dead_and_its_topic_goes_on(
    events: EventPlace, caplog: pytest.LogCaptureFixture
) -> None:
    events.define("fails", "raise ValueError('why')")
    number = events.put("fails", topic="one", attempts=9)
    others = [events.put("writes", topic="one") for _ in range(3)]
    result = events.work()
    ((dead, reason, error),) = events.dead("id, reason, last_error")
    assert (dead, reason) == (number, "failed 10 times")
    assert error.startswith("ValueError: why")
    assert events.sink == others
    assert str(result).startswith("events: 3 done, 1 failed (1 dead); ")
    assert "attempt 10 of 10, so the event is dead: ValueError in fails.py, line 8" in caplog.text


def test_a_topic_waits_for_its_event_that_failed_and_others_do_not(events: EventPlace) -> None:
    events.define("once", f"if event.attempt == 1:\n    raise ValueError\n{WRITES}")
    first = events.put("once", topic="held")
    held = [events.put("writes", topic="held") for _ in range(3)]
    free = [events.put("writes", topic="free") for _ in range(3)]
    loose = [events.put("writes", topic="held", ordered=False) for _ in range(3)]
    events.work()
    assert sorted(events.sink) == sorted([*free, *loose])
    events.make_due()
    events.work()
    assert events.sink[-4:] == [first, *held]


def test_a_snooze_waits_and_uses_no_attempt_up(events: EventPlace) -> None:
    events.define("later", f"{WRITES}\nraise Snooze(3600)")
    events.put("later", topic="one", attempts=9)
    events.put("writes", topic="one")
    result = events.work()
    assert events.sink == []
    assert events.waiting("attempts, available_at > clock_timestamp() + interval '59 minutes'")[0] == (9, True)
    assert str(result).startswith("events: 1 snoozed; ")
    assert events.dead() == []


def test_a_discard_ends_an_event_without_its_work_and_says_why(events: EventPlace) -> None:
    events.define("never", f"{WRITES}\nraise Discard('not ours')")
    events.put("never", topic="one")
    following = events.put("writes", topic="one")
    result = events.work()
    assert events.sink == [following]
    assert (events.waiting(), events.dead()) == ([], [])
    assert events.log("succeeded, err_message")[0] == (False, "discarded: not ours")
    assert str(result).startswith("events: 1 done, 1 discarded; ")


def test_events_of_functions_that_are_not_there_wait(events: EventPlace) -> None:
    (events.folder / "broken.py").write_text("raise RuntimeError\n")
    waiting = [events.put(name) for name in ("unknown", "broken", "os.system", "'; DROP TABLE sink; --")]
    done = events.put("writes", topic="other")
    events.work()
    assert events.sink == [done]
    assert events.waiting("id, attempts") == [(number, 0) for number in waiting]


def test_lanes_divide_topics_and_an_empty_one_helps(events: EventPlace) -> None:
    numbers = [events.put(topic=f"{number}") for number in range(20)]
    result = events.work(lane=1, lanes=3)
    assert sorted(events.sink) == numbers
    assert result.tally.all == 20
    lanes = {
        number: (hash_ & 0x7FFFFFFFFFFFFFFF) % 3
        for number, hash_ in events.sql("SELECT event_id, hashtextextended(topic, 0) FROM sink")
    }
    order = [lanes[number] for number in events.sink]
    assert order == sorted(order, key=[1, 2, 0].index)


def test_priorities_come_first_and_what_is_not_due_waits(events: EventPlace) -> None:
    late = [events.put(topic=f"{number}", priority=5) for number in range(200)]
    later = events.put(topic="b", available_at="infinity")
    early = events.put(topic="c", priority=-5)
    events.work()
    assert early in events.sink[:130]
    assert sorted(events.sink) == [*late, early]
    assert events.waiting() == [(later,)]


def test_one_function_that_fails_a_thousand_times_is_told_once(
    events: EventPlace, caplog: pytest.LogCaptureFixture
) -> None:
    events.define("fails", "raise ValueError")
    for number in range(300):
        events.put("fails", topic=f"{number}")
    assert events.work().tally.all >= 300
    assert caplog.text.count("failed, attempt 1 of 10") == 1


def test_what_python_cannot_read_fails_its_event_alone(events: EventPlace) -> None:
    bad = events.put(topic="a")
    events.sql("UPDATE archiver.events SET payload = (SELECT to_jsonb(repeat('9', 5000)::numeric))")
    good = events.put(topic="b")
    events.work()
    assert events.sink == [good]
    assert events.waiting("id, attempts") == [(bad, 1)]
