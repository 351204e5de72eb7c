"""Tables of which one points to the other: a parent of old events, and its children, that leave first."""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.archive.delete import Deleted
from pg_archiver.policies.settings import parse_table
from tests.support.concurrency import in_background, wait_for_blocked
from tests.support.place import EVENTS, Place, hours_ago

CLICKS = """
    CREATE TABLE analytics.clicks (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id bigint CONSTRAINT of_event REFERENCES analytics.events ON DELETE {action},
        at timestamp NOT NULL
    );
    CREATE INDEX ON analytics.clicks (event_id);
    CREATE INDEX ON analytics.clicks (at)
"""
CLICK = "INSERT INTO analytics.clicks (event_id, at) VALUES (%s, %s)"


@dataclass(frozen=True)
class Family:
    """A table of old events, and one of clicks that point to them and come first."""

    parent: Place
    child: Place

    def click(self, event: int, hours: float = 1) -> None:
        self.child.sql(CLICK, event, hours_ago(hours))

    @property
    def events(self) -> list[int]:
        return [row[0] for row in self.parent.sql("SELECT id FROM analytics.events ORDER BY id")]

    @property
    def clicks(self) -> list[int | None]:
        return [row[0] for row in self.child.sql("SELECT event_id FROM analytics.clicks ORDER BY id")]


def parent_of(place: Place, *children: str) -> Place:
    return place.ordered(children=tuple(map(parse_table, children)))


def family(place: Place, action: str = "CASCADE", events: int = 3) -> Family:
    place.sql(EVENTS)
    place.events(*(hours_ago(60 - number / (events + 1)) for number in range(1, events + 1)))
    place.sql(CLICKS.format(action=action))
    return Family(parent_of(place, "analytics.clicks"), place.on("analytics.clicks", "at"))


def waiting_delete(both: Family, statement: str, *values: object, commit: bool = True) -> Deleted:
    """Deletes the one window while a user's statement is not committed yet."""
    window = both.parent.stored_window()
    with both.parent.connect() as user:
        user.execute(statement.encode(), values)
        with in_background(lambda: both.parent.delete(window)) as deleting:
            wait_for_blocked(both.parent)
            user.commit() if commit else user.rollback()
    return deleting.result()
