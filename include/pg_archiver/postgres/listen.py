"""Waits in a database for jobs that are due, and for events: woken by its notices, and by the next one's time.

A wake is a hint alone, since whatever is due is a committed row: one that is lost costs a delay and no work. So nothing
here ever ends or raises; what goes wrong is said once, and tried again, later each time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from pg_archiver.domain.ledger_version import LEDGER_VERSION
from pg_archiver.errors import ArchiverError
from pg_archiver.postgres.base_session import ALIVE
from pg_archiver.postgres.error_translation import translate
from pg_archiver.postgres.statements import compose

_log = logging.getLogger(__name__)

# What there is to be woken for.
JOBS, EVENTS = "jobs", "events"
# The lock that workers share; `ledger/locks.py` knows it too.
EVENTS_AT_WORK = "archiver events at work"
# What a notice says of which nobody has to be woken, unless something is due.
LOOK = "look"
_LIMITS = {"statement_timeout": "20s", "lock_timeout": "10s", "idle_timeout": "60s"}
# For a server that says nothing, not even that it is gone.
_LONGEST_ANSWER_SECONDS = 30.0
_SHORTEST_WAIT_SECONDS = 0.05
# Sooner after a wake than a run of a DAG can begin.
_PROMPT_SECONDS = 1.0
# While somebody works on events.
_SECONDS_AT_WORK = 5.0


@dataclass(frozen=True)
class Pace:
    """How often to look and to wake somebody, in seconds."""

    between_wakes: float = 6.0
    """At least so long, since each may be a run of a DAG, and jobs may change each second."""
    between_looks: float = 60.0
    """At most so long, should a notice be lost."""
    first_reminder: float = 60.0
    """After a wake, if what was due is due still; twice as long after each further one."""
    last_reminder: float = 300.0
    first_retry: float = 1.0
    """After an error; twice as long after each further one."""
    last_retry: float = 60.0


# Events are many, and somebody may be at work within seconds.
PACE_OF_EVENTS = Pace(between_wakes=3.0, first_reminder=12.0)


@dataclass(frozen=True)
class Look:
    """What is due by the database's clock: at all, and since the last wake; how long it is until the next job is."""

    now: datetime
    due: bool = False
    newly_due: bool = False
    seconds_to_next: float | None = None


class Wakes:
    """Decides when somebody is woken; its times are seconds of one clock that never goes back."""

    def __init__(self, pace: Pace, now: float) -> None:
        """Begin: somebody was woken just now."""
        self._pace = pace
        self._last = now
        self._changed = False
        self._reminder = pace.first_reminder
        self._look: Look | None = None
        self._told: datetime | None = None

    @property
    def told(self) -> datetime | None:
        """The instant of the database's clock up to which somebody knows what is due; None before the first look."""
        return self._told

    @property
    def is_pending(self) -> bool:
        """Whether somebody will be woken, whatever is heard meanwhile."""
        return self._changed or (self._look is not None and self._look.newly_due)

    def note_change(self) -> None:
        """Note that jobs have changed, or may have."""
        self._changed = True

    def note_look(self, look: Look, now: float) -> None:
        """Note what is due. What the first look finds, whoever was woken at the beginning finds too, if it is in time.

        Args:
            look: what is due.
            now: the time.
        """
        if self._told is None:
            self._told = look.now
            self._changed = self._changed or now - self._last > _PROMPT_SECONDS
        if not look.due:
            self._reminder = self._pace.first_reminder
        self._look = look

    def next_wake(self) -> float | None:
        """Return when to wake somebody, None if there is no reason to."""
        if self.is_pending:
            return self._last + self._pace.between_wakes
        return self._last + self._reminder if self._look is not None and self._look.due else None

    def is_time(self, now: float) -> bool:
        """Return whether to wake somebody now."""
        wake = self.next_wake()
        return wake is not None and wake <= now

    def note_wake(self, now: float) -> None:
        """Note that somebody was woken."""
        first, last = self._pace.first_reminder, self._pace.last_reminder
        self._reminder = first if self.is_pending else min(2 * self._reminder, last)
        self._last, self._changed = now, False
        self._told = self._look.now if self._look is not None else self._told

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait for a notice until the next look."""
        waits = [self._pace.between_looks]
        if self._look is not None and self._look.seconds_to_next is not None:
            waits.append(self._look.seconds_to_next)
        if (wake := self.next_wake()) is not None:
            waits.append(wake - now)
        return max(_SHORTEST_WAIT_SECONDS, min(waits))


class _Trouble:
    """What went wrong since the last look that went well; each thing is said once."""

    def __init__(self, database: str, pace: Pace) -> None:
        self._database = database
        self._pace = pace
        self._said = ""
        self.retry = pace.first_retry

    def note(self, error: Exception) -> None:
        """Say what went wrong, unless it is what went wrong before."""
        text = self._describe(error)
        if text != self._said:
            _log.warning("What is due in database %s is not waited for: %s. It is tried again", self._database, text)
            self._said = text

    def note_retry(self) -> None:
        """Note that it is tried again."""
        self.retry = min(2 * self.retry, self._pace.last_retry)

    def end(self) -> bool:
        """Note that all is well; return whether it was not."""
        ended, self._said, self.retry = bool(self._said), "", self._pace.first_retry
        if ended:
            _log.info("What is due in database %s is waited for again", self._database)
        return ended

    def _describe(self, error: Exception) -> str:
        if isinstance(error, psycopg.Error):
            return str(translate(error, self._database))
        if isinstance(error, TimeoutError):
            return f"the server did not answer within {_LONGEST_ANSWER_SECONDS:g} seconds"
        return str(error) if isinstance(error, ArchiverError) else f"an error of type {type(error).__name__}"


async def wait_for_due(
    read_arguments: Callable[[], Awaitable[Mapping[str, Any]]],
    database: str,
    pace: Pace | None = None,
    pace_of_events: Pace = PACE_OF_EVENTS,
) -> AsyncGenerator[str]:
    """Yield JOBS or EVENTS each time that somebody should look at those of a database again; never ends, never raises.

    Whoever begins to wait looks by himself at the beginning. Nobody is woken for events while somebody works on them.

    Args:
        read_arguments: returns what psycopg connects with; it is asked for each connection.
        database: its name, for messages.
        pace: how often for jobs.
        pace_of_events: how often for events.
    """
    pace = pace or Pace()
    jobs, events = Wakes(pace, time.monotonic()), Wakes(pace_of_events, time.monotonic())
    trouble, sent_for = _Trouble(database, pace), False
    while True:
        try:
            async with _connect(read_arguments, database) as connection:
                queue = _Queue(connection)
                while True:
                    look_at_events = await queue.look(sent_for=sent_for)
                    look = await _look(connection, jobs.told)
                    now = time.monotonic()
                    if trouble.end():
                        jobs.note_change()
                        sent_for = True
                    jobs.note_look(look, now)
                    if look_at_events is not None:
                        events.note_look(look_at_events, now)
                    due = [what for what, wakes in ((JOBS, jobs), (EVENTS, events)) if wakes.is_time(now)]
                    for what in due:
                        (jobs if what == JOBS else events).note_wake(now)
                        sent_for = sent_for and what != EVENTS
                        yield what
                    if not due:
                        seconds = min(jobs.wait_seconds(now), events.wait_seconds(now))
                        heard = await _hear(connection, seconds, jobs.is_pending, sent_for)
                        sent_for = sent_for or EVENTS in heard
                        if JOBS in heard:
                            jobs.note_change()
        except Exception as error:  # noqa: BLE001 (Airflow would start it again every two seconds)
            trouble.note(error)
        await asyncio.sleep(trouble.retry)
        trouble.note_retry()


class _Queue:
    """The queue of events of the database, which may come to be later."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._is_there = False

    async def look(self, *, sent_for: bool) -> Look | None:
        """Return what waits that nobody works on, None where there is no queue.

        Args:
            sent_for: whether the triggers have sent for a worker since somebody was woken.
        """
        if not self._is_there:
            (found,) = await _run(self._connection, "postgres/listen/find_events")
            if not found.found:
                return None
            await _run(self._connection, "postgres/listen/listen_events")
            self._is_there = True
        (row,) = await _run(self._connection, "postgres/listen/look_at_events", at_work=EVENTS_AT_WORK)
        if row.at_work:
            # Whoever is at work may end at any time, and leave what waits for its time.
            return Look(row.now, seconds_to_next=_SECONDS_AT_WORK)
        return Look(row.now, row.waits, row.waits and sent_for, row.seconds_to_next)


@asynccontextmanager
async def _connect(
    read_arguments: Callable[[], Awaitable[Mapping[str, Any]]], database: str
) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
    """Connect, pin the settings of the session, and listen."""
    arguments = await read_arguments()
    # `wait_for` of Python 3.11 drops a cancellation that comes as the connection is made: nobody could end this then.
    async with asyncio.timeout(_LONGEST_ANSWER_SECONDS):
        connection = await psycopg.AsyncConnection.connect(**arguments, autocommit=True, row_factory=namedtuple_row)
    try:
        connection.prepare_threshold = None
        await _run(connection, "postgres/session/read_settings", application=f"archiver due {database}")
        alive = await _run(connection, "postgres/session/keepalive", names=list(ALIVE), settings=list(ALIVE.values()))
        check_interval = {row.name: row.setting for row in alive}["client_connection_check_interval"]
        await _run(
            connection,
            "postgres/session/pin_settings",
            **_LIMITS,
            check_interval=check_interval,
            read_only="on",
            ledger_version=str(LEDGER_VERSION),
        )
        await _run(connection, "postgres/listen/listen")
        yield connection
    finally:
        await connection.close()


async def _run(connection: psycopg.AsyncConnection[Any], statement: str, **values: object) -> list[Any]:
    """Run a statement and return its rows."""
    async with asyncio.timeout(_LONGEST_ANSWER_SECONDS):
        cursor = await connection.execute(compose(statement, {}), values)
        return await cursor.fetchall() if cursor.description else []


async def _look(connection: psycopg.AsyncConnection[Any], told: datetime | None) -> Look:
    (row,) = await _run(connection, "postgres/listen/look", told=told)
    return Look(row.now, row.due, row.newly_due, row.seconds_to_next)


async def _hear(
    connection: psycopg.AsyncConnection[Any], seconds: float, jobs_are_known: bool, events_are_known: bool
) -> set[str]:
    """Wait so long for notices, or until the first that is news; return what they were of.

    Whoever plans or counts says only that there may be another time to wait for.
    """
    heard: set[str] = set()
    async for notice in connection.notifies(timeout=seconds):
        of_events = notice.channel == "archiver_events"
        if of_events:
            heard.add(EVENTS)
        elif notice.payload != LOOK:
            heard.add(JOBS)
        if not (events_are_known if of_events else jobs_are_known):
            break
    return heard
