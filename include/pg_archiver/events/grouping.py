"""Which events of a batch a function gets at once, and in which order: never one of a topic before an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.ledger.event_queue import ClaimedEvent


@dataclass(frozen=True)
class Group:
    """Events for one call of one function; more than one only if it takes lists."""

    function: str
    events: tuple[ClaimedEvent, ...]

    @classmethod
    def of(cls, event: ClaimedEvent) -> Group:
        """Return a group of one."""
        return cls(event.function_name, (event,))

    def split(self) -> list[Group]:
        """Return a group for each of them."""
        return [Group.of(event) for event in self.events]

    @property
    def topics(self) -> Set[int]:
        """The topics in which these events have an order."""
        return {event.topic_hash for event in self.events if event.topic_hash is not None}

    def bound(self, longest: timedelta) -> timedelta:
        """Return how long the call may take: so long, or as the jobs of its events let it if that is less."""
        return min(longest, *(event.max_runtime or longest for event in self.events))

    def without(self, topics: Set[int]) -> Group:
        """Return the group without the events that have an order in one of these topics."""
        return Group(self.function, tuple(event for event in self.events if event.topic_hash not in topics))


def group_events(events: Sequence[ClaimedEvent], takes_lists: Callable[[str], bool]) -> list[Group]:
    """Divide a batch into calls, in the order in which they are to be made.

    An event joins an earlier call of its function only if none of its topic stands between, where that has an order.
    """
    groups: list[list[ClaimedEvent]] = []
    last_of_function: dict[str, int] = {}
    last_of_topic: dict[int, int] = {}
    for event in events:
        name, topic = event.function_name, event.topic_hash
        at = last_of_function.get(name, -1) if takes_lists(name) else -1
        last = -1 if topic is None else last_of_topic.get(topic, -1)
        if at < 0 or last > at:
            at = len(groups)
            groups.append([])
            last_of_function[name] = at
        groups[at].append(event)
        if topic is not None:
            last_of_topic[topic] = max(at, last)
    return [Group(group[0].function_name, tuple(group)) for group in groups]
