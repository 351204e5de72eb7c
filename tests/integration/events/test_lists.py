"""Functions that take lists: all at hand in one call, and each alone where a list failed."""

from __future__ import annotations

from tests.support.event_place import EventPlace

WRITES = """
print(len(events))
for event in events:
    db.execute("INSERT INTO sink (event_id, topic) VALUES (%s, %s)", [event.id, event.topic])
"""


def define(events: EventPlace, body: str) -> None:
    events.define("list", body, ", batch=True", given="events")


def test_a_function_gets_all_events_at_hand_in_their_order(events: EventPlace) -> None:
    define(events, WRITES)
    numbers = [events.put("list", topic=f"{number % 3}") for number in range(70)]
    events.work()
    assert events.sink == numbers
    assert [row[0] for row in events.log("output") if row[0]] == ["60\n", "10\n"]
    assert events.log("count(*), bool_and(succeeded)") == [(70, True)]


def test_one_bad_event_of_a_list_fails_alone(events: EventPlace) -> None:
    define(events, f"{WRITES}\nif any(event.key.get('bad') for event in events):\n    raise ValueError")
    numbers = [events.put("list", topic=f"{number}", key={"bad": number == 3}) for number in range(10)]
    events.work()
    assert events.sink == [number for number in numbers if number != numbers[3]]
    assert events.waiting("id, attempts") == [(numbers[3], 1)]


def test_a_bad_event_holds_the_rest_of_its_topic_back_in_a_list_too(events: EventPlace) -> None:
    define(events, f"{WRITES}\nif any(event.key.get('bad') for event in events):\n    raise ValueError")
    numbers = [events.put("list", topic="one", key={"bad": number == 3}) for number in range(10)]
    events.work()
    assert events.sink == numbers[:3]
    assert [row[0] for row in events.waiting()] == numbers[3:]


def test_a_list_that_always_fails_is_tried_one_by_one_to_its_end(events: EventPlace) -> None:
    """However slow it is: else the list would be claimed and fail without end."""
    define(events, "time.sleep(0.02)\nraise ValueError")
    for number in range(20):
        events.put("list", topic=f"{number}")
    result = events.work()
    assert result.tally.all == 20
    assert events.waiting("count(*), min(attempts), max(attempts)") == [(20, 1, 1)]


def test_a_list_may_be_snoozed_as_a_whole(events: EventPlace) -> None:
    define(events, f"{WRITES}\nraise Snooze(3600)")
    for number in range(5):
        events.put("list", topic=f"{number}")
    events.work()
    assert events.sink == []
    assert events.waiting("count(*), max(attempts), bool_and(available_at > clock_timestamp())") == [(5, 0, True)]


def test_functions_of_lists_and_of_single_events_share_a_batch(events: EventPlace) -> None:
    define(events, WRITES)
    numbers = [events.put("list" if number % 2 else "writes", topic=f"{number}") for number in range(10)]
    events.work()
    assert sorted(events.sink) == numbers
    assert [row[0] for row in events.log("output") if row[0]] == ["5\n"]
