"""Functions of users that run for events: what they import, `from pg_archiver.events import Event, event_function`."""

from pg_archiver.events.event import Discard, Event, Operation, Snooze
from pg_archiver.events.functions import event_function

__all__ = ["Discard", "Event", "Operation", "Snooze", "event_function"]
