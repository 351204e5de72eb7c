"""A queue of a few plain tables, for tests of the loop above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pg_archiver.events.queue import ClaimOrder, EventRun, QueuedEvent
from pg_archiver.postgres.functions_session import FunctionsSession, Statement

TABLES = """
    CREATE SCHEMA q;
    CREATE TABLE q.events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        function text NOT NULL, topic text NOT NULL DEFAULT '', operation text NOT NULL DEFAULT 'INSERT',
        "table" text, channel text, key jsonb NOT NULL DEFAULT '{}', old_key jsonb,
        payload jsonb, truncated boolean NOT NULL DEFAULT false, config jsonb NOT NULL DEFAULT '{}',
        is_ordered boolean NOT NULL DEFAULT true, is_own boolean NOT NULL DEFAULT false,
        max_attempts int NOT NULL DEFAULT 10, max_runtime interval NOT NULL DEFAULT '0', merged int NOT NULL DEFAULT 0,
        priority smallint NOT NULL DEFAULT 1, available_at timestamptz NOT NULL DEFAULT now(),
        attempts int NOT NULL DEFAULT 0, crashes int NOT NULL DEFAULT 0,
        queued_at timestamptz NOT NULL DEFAULT clock_timestamp(), last_error text
    );
    CREATE TABLE q.dead (LIKE q.events, reason text);
    CREATE TABLE q.blocked (topic text PRIMARY KEY, until timestamptz NOT NULL, event_id bigint NOT NULL);
    CREATE TABLE q.workers (process int, backend_start timestamptz, in_hand bigint[] NOT NULL DEFAULT '{}');
    CREATE TABLE q.log (
        event_id bigint, attempt int, succeeded boolean, message text, output text, seconds real,
        at timestamptz DEFAULT clock_timestamp()
    )
"""
_JSON = ("key", "old_key", "payload", "config")
_COLUMNS = """
    id, function, topic, operation, "table", channel, key, old_key, payload, truncated, config, is_ordered, is_own,
    max_attempts, max_runtime, merged, attempts, crashes, queued_at, priority, available_at
"""
_CLAIM = f"""
    WITH front AS MATERIALIZED (
        SELECT * FROM q.events AS event
        WHERE available_at <= clock_timestamp() AND function = ANY(%(functions)s)
            AND mod(abs(hashtext(topic)), %(lanes)s) = %(lane)s
            AND (priority, available_at, id) > (%(priority)s::int, %(available_at)s, %(id)s)
            AND NOT EXISTS (
                SELECT FROM q.blocked WHERE blocked.topic = event.topic AND is_ordered AND event_id <> event.id
                    AND EXISTS (SELECT FROM q.events AS blocker WHERE blocker.id = event_id)
            )
        ORDER BY priority, available_at, id LIMIT %(most)s FOR UPDATE SKIP LOCKED
    )
    SELECT {_COLUMNS} FROM front
    WHERE NOT is_ordered OR NOT EXISTS (
        SELECT FROM q.events AS earlier WHERE earlier.topic = front.topic AND earlier.is_ordered
            AND earlier.id < front.id AND earlier.id NOT IN (SELECT id FROM front)
    )
    ORDER BY priority, available_at, id
"""
_COMPLETE = """
    WITH gone AS (DELETE FROM q.events WHERE id = ANY(%(ids)s)),
        free AS (DELETE FROM q.blocked WHERE event_id = ANY(%(ids)s))
    INSERT INTO q.log
    SELECT * FROM unnest(%(ids)s::bigint[], %(attempts)s::int[], %(succeeded)s::boolean[], %(messages)s::text[],
        %(outputs)s::text[], %(seconds)s::real[])
"""
_PUT_OFF = """
    WITH later AS (
        UPDATE q.events SET available_at = clock_timestamp() + %(wait)s WHERE id = %(id)s
        RETURNING id, topic, is_ordered, available_at
    )
    INSERT INTO q.blocked SELECT topic, available_at, id FROM later WHERE is_ordered
    ON CONFLICT (topic) DO UPDATE SET until = excluded.until, event_id = excluded.event_id
"""
_FAIL = """
    WITH later AS (
        UPDATE q.events SET attempts = attempts + 1, last_error = %(message)s,
            available_at = clock_timestamp() + exp(least(attempts + 1, 10)) * interval '1 second'
        WHERE id = %(id)s RETURNING *
    ), block AS (
        INSERT INTO q.blocked SELECT topic, available_at, id FROM later WHERE is_ordered
        ON CONFLICT (topic) DO UPDATE SET until = excluded.until, event_id = excluded.event_id
    )
    INSERT INTO q.log VALUES (%(id)s, %(attempt)s, false, %(message)s, %(output)s, %(seconds)s);
    WITH gone AS (DELETE FROM q.events WHERE id = %(id)s AND attempts >= max_attempts RETURNING *),
        free AS (DELETE FROM q.blocked WHERE event_id IN (SELECT id FROM gone))
    INSERT INTO q.dead SELECT gone.*, %(message)s FROM gone
"""
_CRASHES = """
    WITH gone AS (
        DELETE FROM q.workers AS worker WHERE NOT EXISTS (
            SELECT FROM pg_stat_activity WHERE pid = worker.process AND backend_start = worker.backend_start
        ) RETURNING in_hand
    ), crashed AS (
        UPDATE q.events SET crashes = crashes + 1 WHERE id IN (SELECT unnest(in_hand) FROM gone) RETURNING *
    )
    SELECT count(*)::int FROM gone
"""
_POISON = """
    WITH gone AS (DELETE FROM q.events WHERE crashes >= 3 RETURNING *)
    INSERT INTO q.dead SELECT gone.*, 'its worker died 3 times with it' FROM gone
"""


@dataclass(frozen=True)
class Queued:
    """One event, as its row says."""

    id: int
    function: str
    topic: str
    operation: str
    table: str | None
    channel: str | None
    key: Mapping[str, Any]
    old_key: Mapping[str, Any] | None
    payload: Any
    truncated: bool
    config: Mapping[str, Any]
    is_ordered: bool
    is_own: bool
    max_attempts: int
    max_runtime: timedelta
    merged: int
    attempts: int
    crashes: int
    queued_at: datetime
    priority: int
    available_at: datetime


class PlainQueue:
    """The tables as a queue."""

    def __init__(self, session: FunctionsSession) -> None:
        self._connection = session.connection

    def claim(self, order: ClaimOrder) -> Sequence[QueuedEvent]:
        after = cast(Queued | None, order.after)
        values = {
            "most": order.most,
            "lane": order.lane,
            "lanes": order.lanes,
            "functions": list(order.functions),
            "priority": after.priority if after else -32769,
            "available_at": after.available_at if after else "-infinity",
            "id": after.id if after else 0,
        }
        with self._connection.cursor(row_factory=class_row(Queued)) as cursor:
            found = cursor.execute(_CLAIM.encode(), values).fetchall()
        # One that another session holds is passed over, with what is behind it.
        return [] if found and found[0].is_own and not self._holds(found[0]) else found

    def _holds(self, event: QueuedEvent) -> bool:
        (row,) = self._connection.execute("SELECT pg_try_advisory_lock(4711, %s)", [event.id])
        return bool(row[0])

    def release(self, event: QueuedEvent) -> None:
        self._connection.execute("SELECT pg_advisory_unlock(4711, %s)", [event.id])

    def complete(self, runs: Sequence[EventRun]) -> Statement:
        values = {
            "ids": [run.event.id for run in runs],
            "attempts": [run.event.attempts + 1 for run in runs],
            "succeeded": [run.message is None for run in runs],
            "messages": [run.message for run in runs],
            "outputs": [run.output for run in runs],
            "seconds": [run.seconds for run in runs],
        }
        return Statement(sql.SQL(_COMPLETE), values)

    def fail(self, run: EventRun) -> Statement:
        values = {
            "id": run.event.id,
            "attempt": run.event.attempts + 1,
            "message": run.message,
            "output": run.output,
            "seconds": run.seconds,
        }
        return Statement(sql.SQL(_FAIL), values)

    def put_off(self, event: QueuedEvent, wait: timedelta) -> Statement:
        return Statement(sql.SQL(_PUT_OFF), {"id": event.id, "wait": wait})


class PlainNotes:
    """The tables' notes of workers."""

    def __init__(self, connection: psycopg.Connection[Any], process: int) -> None:
        self._connection = connection
        self._process = process
        connection.execute("SET synchronous_commit = off")
        connection.execute("LISTEN q")

    def register(self) -> None:
        self._connection.execute(
            "INSERT INTO q.workers SELECT pid, backend_start FROM pg_stat_activity WHERE pid = %s", [self._process]
        )

    def note(self, events: Sequence[QueuedEvent]) -> None:
        self._connection.execute(
            "UPDATE q.workers SET in_hand = %s WHERE process = %s", [[event.id for event in events], self._process]
        )

    def leave(self) -> None:
        self._connection.execute("DELETE FROM q.workers WHERE process = %s", [self._process])

    def count_crashes(self) -> int:
        ((crashed,),) = self._connection.execute(_CRASHES.encode()).fetchall()
        self._connection.execute(_POISON.encode())
        return int(crashed)

    def take_in(self) -> None:
        """Everything is in it."""

    def begin_work(self) -> None:
        """Everybody is sent for."""

    def end_work(self) -> None:
        """Everybody is."""

    def wait(self, seconds: float) -> bool:
        return bool(list(self._connection.notifies(timeout=seconds, stop_after=1)))

    def seconds_to_next(self) -> float | None:
        ((seconds,),) = self._connection.execute(
            "SELECT extract(epoch FROM min(available_at) - clock_timestamp())::float FROM q.events"
        )
        return None if seconds is None else max(0.0, float(seconds))


def put(connection: psycopg.Connection[Any], function: str, **columns: Any) -> int:
    """Puts an event into the queue and returns its number."""
    row = {"function": function, **columns}
    values = [Jsonb(value) if name in _JSON else value for name, value in row.items()]
    statement = sql.SQL("INSERT INTO q.events ({}) VALUES ({}) RETURNING id").format(
        sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() * len(row))
    )
    ((number,),) = connection.execute(statement, values)
    connection.execute("NOTIFY q")
    return int(number)
