"""Events in a place: their tables, a job, watched tables, and what was noted of them."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pg_archiver.ledger.event_queue import ClaimedEvent, EventQueue, LaneScan, Run
from pg_archiver.ledger.event_upkeep import EventUpkeep
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.postgres.functions_session import FunctionsSession
from pg_archiver.postgres.notices_session import NoticesSession
from pg_archiver.postgres.session import Session
from tests.support.jobs import run_as
from tests.support.place import Place

ORDERS = """
    CREATE SCHEMA IF NOT EXISTS app;
    CREATE TABLE app.orders (id int PRIMARY KEY, customer int, state text, note text)
"""
PARTITIONED = """
    CREATE SCHEMA IF NOT EXISTS app;
    CREATE TABLE app.orders (id int, customer int, state text, note text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE app.few PARTITION OF app.orders FOR VALUES FROM (0) TO (100);
    CREATE TABLE app.many PARTITION OF app.orders FOR VALUES FROM (100) TO (1000000)
"""
NOTED = "operation::text, key, old_key, topic, payload, truncated"
CHANNEL = "/q"


@dataclass
class Lane:
    """One worker's two sessions, and the queue by each of them."""

    functions: FunctionsSession
    own: NoticesSession
    name: str

    @property
    def queue(self) -> EventQueue:
        return EventQueue(self.functions)

    @property
    def notes(self) -> EventQueue:
        return EventQueue(self.own)

    def claim(self, most: int = 60, scan: LaneScan | None = None, **order: Any) -> list[ClaimedEvent]:
        """A claim of the one lane, or another, in the transaction that is open, to the first events or the end."""
        scan = scan or LaneScan(**{"lane": 0, "lanes": 1, "functions": ["copy"], **order})
        claim = self.queue.claim(scan, most)
        while not claim.events and not claim.is_end:
            claim = self.queue.claim(scan, most)
        return list(claim.events)

    def complete(self, *events: ClaimedEvent, message: str | None = None) -> None:
        self.queue.complete([make_run(event, message) for event in events], self.name)

    def fail(self, event: ClaimedEvent, message: str = "it failed") -> str:
        return self.queue.fail(make_run(event, message), self.name)

    def put_off(self, event: ClaimedEvent, seconds: float) -> None:
        self.queue.put_off(event, seconds)

    def look(self, most: int = 60, **order: Any) -> list[ClaimedEvent]:
        """What a claim would get."""
        with self.functions.batch():
            return self.claim(most, **order)

    def work_off(self, most: int = 60) -> list[ClaimedEvent]:
        """Claims and completes once."""
        with self.functions.batch():
            found = self.claim(most)
            if found:
                self.complete(*found)
        return found


@dataclass(frozen=True)
class Events:
    """The events of a place."""

    place: Place
    session: Session
    upkeep: EventUpkeep
    lane: Lane

    @classmethod
    @contextmanager
    def of(cls, place: Place) -> Generator[Events]:
        with place.session() as session:
            EventTables(session).migrate()
            with open_lane(place) as lane:
                events = cls(place, session, EventUpkeep(session), lane)
                events.add_job("copy")
                yield events

    def add_job(self, name: str = "copy", **columns: Any) -> int:
        """A job of action function, of the table."""
        values = {"job_name": name, "action": "function", "function_name": "copy", **columns}
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        ((job_id,),) = self.place.sql(
            f"INSERT INTO archiver.jobs ({names}) VALUES ({places}) RETURNING job_id", *values.values()
        )
        return int(job_id)

    def watch(self, table: str = "app.orders", job: str | int = "copy", **settings: Any) -> int:
        """Watches a table as the place's superuser."""
        return watch(self.place, table, job, **settings)

    def open_channel(self, topic: str = ".t", channel: str = CHANNEL, job: str = "copy", **settings: Any) -> int:
        """Binds a channel, and returns the binding's number."""
        given = "".join(f", {name} => %s" for name in settings)
        ((binding,),) = self.place.sql(
            f"SELECT archiver.watch_channel(%s, %s, %s{given})", channel, job, topic, *settings.values()
        )
        return int(binding)

    def send(self, *numbers: int, topic: object = "t", channel: str = CHANNEL) -> None:
        """Sends messages of these numbers and one topic, and takes them in."""
        for number in numbers:
            self.place.sql(
                "SELECT archiver.send(%s, jsonb_build_object('n', %s::int, 't', %s::text))", channel, number, topic
            )
        self.take_in()

    def noted(self, columns: str = NOTED) -> list[tuple[Any, ...]]:
        """What the triggers have noted and nobody has taken in, in order."""
        return self.place.sql(f"SELECT {columns} FROM archiver.incoming_events ORDER BY id")

    def forget(self) -> None:
        """What was noted so far does not count."""
        self.place.sql("DELETE FROM archiver.incoming_events")

    def operations(self) -> list[str]:
        return [operation for (operation,) in self.noted("operation::text")]

    def keys(self) -> list[Any]:
        return [key for (key,) in self.noted("key")]

    def take_in(self) -> int:
        """Takes all in; what has waited long enough may run."""
        taken = 0
        while batch := self.lane.notes.take_in():
            taken += batch
        return taken

    def ripen(self) -> None:
        """The time of all that waits for its time has come."""
        self.place.sql("UPDATE archiver.events SET available_at = now() WHERE available_at IS NOT NULL")
        self.place.sql("UPDATE archiver.blocked_topics SET until = now()")
        self.take_in()

    def queued(self, columns: str = "id") -> list[tuple[Any, ...]]:
        return self.place.sql(f"SELECT {columns} FROM archiver.events ORDER BY turn")

    def dead(self, columns: str = "id, reason") -> list[tuple[Any, ...]]:
        return self.place.sql(f"SELECT {columns} FROM archiver.dead_events ORDER BY id")

    def status(self, columns: str = "state, position", event_id: int | None = None) -> list[tuple[Any, ...]]:
        """How events stand, those that come first at the beginning; or how one does."""
        if event_id is not None:
            return self.place.sql(f"SELECT {columns} FROM archiver.info(%s)", event_id)
        return self.place.sql(f"SELECT {columns} FROM archiver.queue_status ORDER BY position, event_id")

    def log(self, columns: str = "event_id, succeeded") -> list[tuple[Any, ...]]:
        return self.place.sql(f"SELECT {columns} FROM archiver.event_log ORDER BY started_at, event_id")


@contextmanager
def open_lane(place: Place, name: str = "the test") -> Generator[Lane]:
    """The sessions of a worker of the place's role."""
    connected = FunctionsSession.connect(place.connect, place.database, "archiver events")
    with connected as functions, NoticesSession.connect(place.connect, place.database, "archiver notes") as own:
        yield Lane(functions, own, name)


def watch(place: Place, table: str, job: str | int = "copy", **settings: Any) -> int:
    """Watches a table as the place's role, and returns the binding's number."""
    given = "".join(f", {name} => %s" for name in settings)
    ((binding,),) = run_as(place, f"SELECT archiver.watch(%s::regclass, %s{given})", table, job, *settings.values())
    return int(binding)


def make_run(event: ClaimedEvent, message: str | None = None) -> Run:
    return Run(event, datetime.now(UTC), 1.5, message, "it printed")


def numbers(events: Sequence[ClaimedEvent]) -> list[int]:
    """The numbers of messages that were sent."""
    return [json.loads(event.payload or "{}")["n"] for event in events]
