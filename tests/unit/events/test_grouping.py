"""How a batch is divided: lists for functions that take them, and never one of a topic before an earlier one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.events.grouping import Group, group_events
from pg_archiver.ledger.event_queue import ClaimedEvent
from tests.support.claimed_events import claimed

LISTS = {"list", "other list"}


def queued(number: int, function: str = "one", topic: str | None = "a") -> ClaimedEvent:
    """An event of a topic of one letter, or of none."""
    return claimed(id=number, function_name=function, topic_hash=None if topic is None else ord(topic))


def grouped(*events: tuple[str, str]) -> list[tuple[str, list[int]]]:
    """The calls for events of these functions and topics, numbered from 0."""
    found = group_events(
        [queued(number, function, topic) for number, (function, topic) in enumerate(events)], LISTS.__contains__
    )
    return [(group.function, [event.id for event in group.events]) for group in found]


def test_a_function_of_single_events_is_called_for_each_in_their_order() -> None:
    assert grouped(("one", "a"), ("one", "a"), ("two", "b")) == [("one", [0]), ("one", [1]), ("two", [2])]


def test_a_function_of_lists_gets_what_is_at_hand() -> None:
    assert grouped(("list", "a"), ("list", "b"), ("list", "a")) == [("list", [0, 1, 2])]


def test_functions_that_take_turns_over_topics_of_their_own_get_lists_too() -> None:
    events = [("list" if number % 2 else "other list", chr(65 + number)) for number in range(6)]
    assert grouped(*events) == [("other list", [0, 2, 4]), ("list", [1, 3, 5])]


def test_an_event_passes_none_of_its_topic() -> None:
    assert grouped(("list", "a"), ("one", "b"), ("list", "b")) == [("list", [0]), ("one", [1]), ("list", [2])]
    assert grouped(("list", "a"), ("one", "b"), ("list", "b"), ("list", "c")) == [
        ("list", [0]),
        ("one", [1]),
        ("list", [2, 3]),
    ]


def test_without_an_order_a_topic_divides_no_list() -> None:
    events = [queued(number, "list" if number % 2 else "other list", None) for number in range(4)]
    groups = group_events(events, LISTS.__contains__)
    assert [[event.id for event in group.events] for group in groups] == [[0, 2], [1, 3]]


EVENTS = st.lists(st.tuples(st.sampled_from(["one", "two", *LISTS]), st.sampled_from("abc")), max_size=30)


@given(EVENTS)
def test_every_event_is_called_once_and_topics_keep_their_order(events: list[tuple[str, str]]) -> None:
    calls = grouped(*events)
    flat = [number for _, numbers in calls for number in numbers]
    assert sorted(flat) == list(range(len(events)))
    for topic in "abc":
        own = [number for number in flat if events[number][1] == topic]
        assert own == sorted(own)
    for function, numbers in calls:
        assert {events[number][0] for number in numbers} == {function}
        assert len(numbers) == 1 or function in LISTS


def test_a_list_can_be_divided_and_topics_taken_out() -> None:
    first, second, loose = queued(1), queued(2, topic="b"), queued(3, topic=None)
    group = Group("list", (first, second, loose))
    assert [one.events for one in group.split()] == [(first,), (second,), (loose,)]
    assert group.topics == {ord("a"), ord("b")}
    assert group.without({ord("a")}).events == (second, loose)
