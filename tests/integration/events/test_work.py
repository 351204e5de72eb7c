"""What a worker does with events: each once, in the order of its topic, and again where its function failed."""

from __future__ import annotations

from tests.support.event_place import EventPlace


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
