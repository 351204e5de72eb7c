"""One batch: functions run one after the other in one transaction, each in a savepoint, until it is time to commit."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

from pg_archiver.events.calling import CallResult, Ending, call_function
from pg_archiver.events.failures import Failure
from pg_archiver.events.functions import EventFunction
from pg_archiver.events.grouping import Group, group_events
from pg_archiver.events.making import make_event
from pg_archiver.events.settling import Settler, describe_runs
from pg_archiver.events.watchdog import Watchdog
from pg_archiver.ledger.event_queue import ClaimedEvent, Run
from pg_archiver.postgres.functions_session import (
    FunctionsSession,
    TransactionEndedError,
    TransactionFailedError,
)
from pg_archiver.runtime.stopping import Stop

SWALLOWED = Failure.said(
    "the function went on after an error of the database, so nothing of its work can be kept. Fix: let the error out, "
    "or put what may fail into `with db.transaction():`"
)
ENDED = Failure.said(
    "the function ended the transaction that it runs in. What it committed stays. Fix: take COMMIT and ROLLBACK out of "
    "it, or let the binding say transaction => 'own'"
)


class BatchEndedError(Exception):
    """A function ended the transaction of its batch, or the connection.

    Attributes:
        group: its events.
        result: what came of the call.
        gone: those that were done before in that transaction; they are if it was committed.
        transaction: its name; None if there was none.
    """

    def __init__(
        self, group: Group, result: CallResult, gone: Sequence[Run] = (), transaction: str | None = None
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
        longest: timedelta,
        seconds: float,
    ) -> None:
        """Prepare.

        Args:
            session: the session, in that transaction.
            settler: writes what becomes of an event.
            find: finds a function by its name.
            stop: whether no further event is to begin.
            watchdog: ends functions that take too long.
            longest: how long a function may take, where its job does not say less.
            seconds: after how long no further event is begun.
        """
        self._session = session
        self._settler = settler
        self._find = find
        self._stop = stop
        self._watchdog = watchdog
        self._longest = longest
        self._deadline = time.monotonic() + seconds
        self._blocked: set[int] = set()
        self._groups: deque[Group] = deque()
        self._gone: list[Run] = []
        self._later: list[ClaimedEvent] = []
        self._transaction: str | None = None

    def run(self, events: Sequence[ClaimedEvent]) -> None:
        """Run as many of these as there is time for, and one at least; the others are left as they are.

        Raises:
            BatchEndedError: nothing can be committed, since a function did that, or rolled back.
            DatabaseInterrupted: the connection was lost.
        """
        self._groups.extend(group_events(events, lambda name: self._find(name).batch))
        self._transaction = self._session.name_transaction()
        first = self._groups.popleft()
        self._session.begin_event(first.bound(self._longest))
        group: Group | None = first
        while group is not None:
            group = self._end(group, self._call(group))
        # By one statement, in the transaction of their work, so that neither is there without the other.
        self._settler.write_gone(self._gone)

    @property
    def gone(self) -> list[ClaimedEvent]:
        """The events that are done or discarded, once the batch is committed."""
        return [run.event for run in self._gone]

    @property
    def settled(self) -> list[ClaimedEvent]:
        """The events of which anything has become, once the batch is committed."""
        return [*self.gone, *self._later]

    def _call(self, group: Group) -> CallResult:
        function = self._find(group.function)
        return call_function(
            function,
            lambda: [make_event(event) for event in group.events],
            self._session.connection,
            self._watchdog.limit(group.bound(self._longest)),
        )

    def _end(self, group: Group, result: CallResult) -> Group | None:
        """Keep or undo what a function did; return the group that has begun after it, if there is time for one."""
        before = tuple(self._gone)
        try:
            if result.ending is Ending.DONE:
                try:
                    self._session.check_event()
                except TransactionFailedError:
                    result = result.failed(SWALLOWED)
            if result.ending is Ending.DONE:
                self._gone += describe_runs(group.events, result)
                following = self._take_next()
                self._session.keep_event(following.bound(self._longest) if following else None)
                return following
            self._session.undo_event()
        except TransactionEndedError:
            failed = result if result.error else result.failed(ENDED)
            raise BatchEndedError(group, failed, before, self._transaction) from None
        self._settle_undone(group, result)
        if following := self._take_next():
            self._session.begin_event(following.bound(self._longest))
        return following

    def _settle_undone(self, group: Group, result: CallResult) -> None:
        """Write what becomes of events whose function was undone; of a list that failed each is called alone first."""
        if result.ending is Ending.FAILED and self._stop.over:
            # It was broken off. It comes again as if it had not begun.
            return
        if result.ending is Ending.DISCARDED:
            self._gone += describe_runs(group.events, result)
            return
        if result.ending is Ending.FAILED and len(group.events) > 1:
            self._groups.extendleft(reversed(group.split()))
            # However long that takes: else the whole list would come again.
            self._deadline = math.inf
            return
        self._blocked |= group.topics
        self._later += group.events
        self._settler.write_later(group.events, result)

    def _take_next(self) -> Group | None:
        while self._groups and not self._stop() and time.monotonic() < self._deadline:
            group = self._groups.popleft().without(self._blocked)
            if group.events:
                return group
        return None
