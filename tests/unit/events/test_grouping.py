"""How a batch is divided: lists for functions that take them, and never one of a topic before an earlier one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.events.grouping import Group, cut_batch, group_events

LISTS = {"list", "other list"}


@dataclass(frozen=True)
class Queued:
    """An event of the queue, as these tests need it."""

    id: int
    function: str = "one"
    topic: str = ""
    is_ordered: bool = True
    is_own: bool = False
    crashes: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    operation: str = "INSERT"
    table: str | None = None
    channel: str | None = None
    key: dict[str, Any] = field(default_factory=dict)
    old_key: dict[str, Any] | None = None
    payload: Any = None
    truncated: bool = False
    queued_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    attempts: int = 0
    merged: int = 0
    max_attempts: int = 10
    max_runtime: timedelta = timedelta()


def grouped(*events: tuple[str, str]) -> list[tuple[str, list[int]]]:
    """The calls for events of these functions and topics, numbered from 0."""
    queued = [Queued(number, function, topic) for number, (function, topic) in enumerate(events)]
    return [
        (group.function, [event.id for event in group.events]) for group in group_events(queued, LISTS.__contains__)
    ]


def test_a_function_of_single_events_is_called_for_each_in_their_order() -> None:
    assert grouped(("one", "a"), ("one", "a"), ("two", "b")) == [("one", [0]), ("one", [1]), ("two", [2])]


def test_a_function_of_lists_gets_what_is_at_hand() -> None:
    assert grouped(("list", "a"), ("list", "b"), ("list", "a")) == [("list", [0, 1, 2])]


def test_functions_that_take_turns_over_topics_of_their_own_get_lists_too() -> None:
    events = [("list" if number % 2 else "other list", f"{number}") for number in range(6)]
    assert grouped(*events) == [("other list", [0, 2, 4]), ("list", [1, 3, 5])]


def test_an_event_passes_none_of_its_topic() -> None:
    assert grouped(("list", "a"), ("one", "b"), ("list", "b")) == [("list", [0]), ("one", [1]), ("list", [2])]
    assert grouped(("list", "a"), ("one", "b"), ("list", "b"), ("list", "c")) == [
        ("list", [0]),
        ("one", [1]),
        ("list", [2, 3]),
    ]


def test_without_an_order_a_topic_divides_no_list() -> None:
    events = [Queued(number, "list" if number % 2 else "other list", is_ordered=False) for number in range(4)]
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


def test_an_event_that_commits_by_itself_or_that_a_worker_died_of_is_alone() -> None:
    plain = [Queued(number) for number in range(3)]
    for alone in (Queued(7, is_own=True), Queued(7, crashes=1)):
        assert cut_batch([*plain, alone, *plain]) == plain
        assert cut_batch([alone, *plain]) == [alone]
        assert cut_batch([alone, alone]) == [alone]
    assert cut_batch([]) == []
    assert cut_batch(plain) == plain


def test_a_list_can_be_divided_and_topics_taken_out() -> None:
    first, second = Queued(1, topic="a"), Queued(2, topic="b")
    unordered = Queued(3, topic="a", is_ordered=False)
    group = Group("list", (first, second, unordered))
    assert [one.events for one in group.split()] == [(first,), (second,), (unordered,)]
    assert group.without({"a"}).events == (second, unordered)
