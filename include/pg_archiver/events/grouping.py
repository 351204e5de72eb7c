"""Which events of a batch a function gets at once, and in which order: never one of a topic before an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pg_archiver.events.queue import QueuedEvent


@dataclass(frozen=True)
class Group:
    """Events for one call of one function; more than one only if it takes lists."""

    function: str
    events: tuple[QueuedEvent, ...]

    def split(self) -> list[Group]:
        """Return a group for each of them."""
        return [Group(self.function, (event,)) for event in self.events]

    def without(self, topics: set[str]) -> Group:
        """Return the group without the events that run in order in one of these topics."""
        return Group(self.function, tuple(event for event in self.events if not _is_in(event, topics)))


def cut_batch(events: Sequence[QueuedEvent]) -> Sequence[QueuedEvent]:
    """Return those of a claim that may be worked on together, its first ones.

    An event whose function commits by itself is one of its own, and so is one that a worker died of.
    """
    for number, event in enumerate(events):
        if event.is_own or event.crashes:
            return events[: number or 1]
    return events


def group_events(events: Sequence[QueuedEvent], takes_lists: Callable[[str], bool]) -> list[Group]:
    """Divide a batch into calls, in the order in which they are to be made.

    An event joins an earlier call of its function only if none of its topic stands between, where that has an order.
    """
    groups: list[list[QueuedEvent]] = []
    last_of_function: dict[str, int] = {}
    last_of_topic: dict[str, int] = {}
    for event in events:
        at = last_of_function.get(event.function, -1) if takes_lists(event.function) else -1
        last = last_of_topic.get(event.topic, -1) if event.is_ordered else -1
        if at < 0 or last > at:
            at = len(groups)
            groups.append([])
            last_of_function[event.function] = at
        groups[at].append(event)
        if event.is_ordered:
            last_of_topic[event.topic] = max(at, last)
    return [Group(group[0].function, tuple(group)) for group in groups]


def _is_in(event: QueuedEvent, topics: set[str]) -> bool:
    return event.is_ordered and event.topic in topics
