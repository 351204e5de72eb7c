"""One batch: functions run one after the other in one transaction, each in a savepoint, until it is time to commit."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

from pg_archiver.events.calling import CallResult, Ending, call_function
from pg_archiver.events.event import Event, Operation
from pg_archiver.events.failures import Failure
from pg_archiver.events.functions import EventFunction
from pg_archiver.events.grouping import Group, group_events
from pg_archiver.events.queue import EventRun, QueuedEvent
from pg_archiver.events.settling import Settler
from pg_archiver.events.watchdog import Watchdog
from pg_archiver.postgres.functions_session import (
    FunctionsSession,
    Statement,
    TransactionEndedError,
    TransactionFailedError,
)
from pg_archiver.runtime.stopping import Stop

# Each savepoint that writes takes a subtransaction, and beyond 64 of them everybody's snapshots are slower.
MOST_EVENTS = 60
COMMIT_SECONDS = 0.05
# The most that a function may take whose work commits with its event.
LONGEST_IN_BATCH = timedelta(seconds=60)
SWALLOWED = Failure.said(
    "the function went on after an error of the database, so nothing of its work can be kept. Fix: let the error out, "
    "or put what may fail into `with db.transaction():`"
)
ENDED = Failure.said(
    "the function ended the transaction that it runs in. What it committed stays. Fix: take COMMIT and ROLLBACK out of "
    "it, or let the binding say transaction => 'own'"
)


class BatchEndedError(Exception):
    """A function ended the transaction of its batch, or the connection; its events have failed.

    Attributes:
        group: these events.
        result: what came of the call.
        gone: those that were done before in that transaction; they are done if it was committed.
        transaction: its name.
    """

    def __init__(
        self, group: Group, result: CallResult, gone: Sequence[EventRun] = (), transaction: str | None = None
    ) -> None:
        """Take all of them."""
        super().__init__()
        self.group = group
        self.result = result
        self.gone = gone
        self.transaction = transaction


class BatchRun:
    """The run of one batch, in the transaction in which its events were claimed."""

    def __init__(
        self,
        session: FunctionsSession,
        settler: Settler,
        find: Callable[[str], EventFunction],
        stop: Stop,
        watchdog: Watchdog,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        """Prepare.

        Args:
            session: the session, in that transaction.
            settler: says what becomes of an event.
            find: finds a function by its name.
            stop: whether no further event is to begin.
            watchdog: ends functions that take too long.
            commit_seconds: after so long no further event begins either.
        """
        self._session = session
        self._settler = settler
        self._find = find
        self._stop = stop
        self._watchdog = watchdog
        self._deadline = time.monotonic() + commit_seconds
        self._blocked: set[str] = set()
        self._groups: deque[Group] = deque()
        self._settled: list[QueuedEvent] = []
        self._gone: list[EventRun] = []
        self._transaction: str | None = None

    def run(self, events: Sequence[QueuedEvent]) -> None:
        """Run as many of these as there is time for, and one at least; the others are left as they are.

        Raises:
            BatchEndedError: nothing can be committed, since a function did that, or rolled back.
            DatabaseInterrupted: the connection was lost.
        """
        self._groups.extend(group_events(events, lambda name: self._find(name).batch))
        self._transaction = self._session.name_transaction()
        first = self._groups.popleft()
        self._session.begin_event(_longest(first))
        group: Group | None = first
        while group is not None:
            function, given = self._find(group.function), [make_event(event) for event in group.events]
            limit = self._watchdog.limit(_longest(group))
            result = call_function(function, given, self._session.connection, limit)
            group = self._end(group, result)

    @property
    def settled(self) -> Sequence[QueuedEvent]:
        """The events of which something has become, once the batch is committed."""
        return self._settled

    def _end(self, group: Group, result: CallResult) -> Group | None:
        """Keep or undo what a function did; return the group that has begun after it, if there is time for one."""
        self._session.refuse_lost()
        before = tuple(self._gone)
        try:
            if result.ending is Ending.DONE:
                try:
                    self._session.check_event()
                except TransactionFailedError:
                    result = result.failed(SWALLOWED)
            statements = self._settle(group, result)
            following = self._take_next()
            if following is None:
                # What is done goes by one statement; in the same transaction, so neither is there without the other.
                statements += self._settler.write_gone(self._gone)
            end = self._session.keep_event if result.ending is Ending.DONE else self._session.undo_event
            end(statements, _longest(following) if following else None)
        except TransactionEndedError:
            failed = result if result.error else result.failed(ENDED)
            raise BatchEndedError(group, failed, before, self._transaction) from None
        return following

    def _settle(self, group: Group, result: CallResult) -> list[Statement]:
        """Return what is to be written of these events at once; of a list that failed each is called alone first."""
        if result.ending is Ending.FAILED and self._stop.over:
            # It was broken off. It comes again as if it had not begun.
            return []
        if result.ending is Ending.FAILED and len(group.events) > 1:
            self._groups.extendleft(reversed(group.split()))
            # However long that takes: else the whole list would come again.
            self._deadline = math.inf
            return []
        self._settled.extend(group.events)
        if result.ending in (Ending.DONE, Ending.DISCARDED):
            self._gone += self._settler.note_gone(group.events, result)
            return []
        self._blocked.update(event.topic for event in group.events if event.is_ordered)
        return self._settler.write_later(group.events, result)

    def _take_next(self) -> Group | None:
        while self._groups and not self._stop() and time.monotonic() < self._deadline:
            group = self._groups.popleft().without(self._blocked)
            if group.events:
                return group
        return None


def make_event(event: QueuedEvent) -> Event[Any]:
    """Return what a function gets of an event in the queue."""
    return Event(
        operation=cast(Operation, event.operation),
        table=event.table,
        key=event.key,
        old_key=event.old_key,
        payload=event.payload,
        truncated=event.truncated,
        topic=event.topic,
        config=event.config,
        channel=event.channel,
        attempt=event.attempts + 1,
        merged=event.merged,
        queued_at=event.queued_at,
        id=event.id,
    )


def _longest(group: Group) -> timedelta:
    """Return how long a call may take: what the job says, and a minute at most."""
    return min(max(event.max_runtime for event in group.events) or LONGEST_IN_BATCH, LONGEST_IN_BATCH)
