"""The work of one worker by one pair of sessions: batch after batch, until nothing is left or its time is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pg_archiver.errors import Stopped
from pg_archiver.events.alone_run import run_alone
from pg_archiver.events.batch_run import BatchEndedError, BatchRun
from pg_archiver.events.calling import CallResult, Ending
from pg_archiver.events.failures import Failure
from pg_archiver.events.grouping import Group
from pg_archiver.events.loading import Functions
from pg_archiver.events.own_work import OwnWork
from pg_archiver.events.settling import Settler, Tally, describe_runs
from pg_archiver.events.waiting import Waiting, WorkLimits
from pg_archiver.events.watchdog import Watchdog
from pg_archiver.ledger.event_queue import MOST_CLAIMED, TAKEN_IN_AT_ONCE, ClaimedEvent, EventQueue, LaneScan
from pg_archiver.postgres.functions_session import CommitRefusedError, FunctionsSession
from pg_archiver.postgres.notices_session import NoticesSession
from pg_archiver.runtime.log_interval import LogInterval
from pg_archiver.runtime.stopping import Stop

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_CRASHES = 10.0
# New events come in so often while there are others; each time nothing is left besides.
_SECONDS_BETWEEN_INTAKES = 0.1
# What comes back to the front of a queue in which there is always more is found after so long.
_SECONDS_BETWEEN_FRONTS = 1.0
# How much the last batch counts in the time that an event takes.
_WEIGHT = 0.3


@dataclass(frozen=True)
class ShiftSessions:
    """By which a worker works.

    Attributes:
        functions: in which functions of users run.
        notes: for what is to be seen by others while they run.
        own: works on events whose function comes with this program; None leaves them to others.
    """

    functions: FunctionsSession
    notes: NoticesSession
    own: OwnWork | None = None


class Shift:
    """One worker at work by two sessions that are open."""

    def __init__(
        self,
        sessions: ShiftSessions,
        worker: tuple[int, str],
        functions: Functions,
        limits: WorkLimits,
        stop: Stop,
        watchdog: Watchdog,
        deadline: float,
    ) -> None:
        """Prepare.

        Args:
            sessions: those by which it works.
            worker: its number, and its name for the log of events.
            functions: what the folder of functions has.
            limits: when it ends.
            stop: whether it is to end.
            watchdog: ends functions that take too long.
            deadline: when it ends, by the monotonic clock.
        """
        self._session = sessions.functions
        self._queue, self._notes = EventQueue(sessions.functions), EventQueue(sessions.notes)
        self._worker = worker[0]
        self._functions = functions
        self._limits = limits
        self._stop = stop
        self._watchdog = watchdog
        self._deadline = deadline
        self._own = sessions.own
        self._waiting = Waiting(sessions.notes, limits, stop, deadline)
        self._settler = Settler(self._queue, worker[1])
        # Its own lane, and those that it helps where that is empty.
        names = sorted(functions.by_name)
        self._scans = [
            LaneScan((limits.lane + step) % limits.lanes, limits.lanes, names) for step in range(limits.lanes)
        ]
        self._is_at_front = True
        self._more_come_in = False
        self._began_at_front = time.monotonic()
        self._looked = self._taken_in = float("-inf")
        self._singly = 0
        self._seconds_of_one = limits.commit_seconds / MOST_CLAIMED
        self._in_hand = False
        self.tally = Tally()
        self.crashes = 0

    def run(self, unsettled: BatchEndedError | None = None) -> str:
        """Work until nothing is left, and return why it ended.

        Args:
            unsettled: events that have failed by ending their session.

        Raises:
            BatchEndedError: a function has closed the session; its events have failed, which is yet to be written.
            DatabaseInterrupted: a connection was lost.
        """
        if unsettled is not None:
            self._write(unsettled)
        interval = LogInterval()
        with self._waiting.at_work():
            while True:
                if self._stop():
                    return "it was told to end"
                if time.monotonic() >= self._deadline:
                    return "its time is over"
                self._count_crashes()
                self._take_in()
                worked = self._run_batch()
                if self._work_on_own(is_idle=not worked) or worked:
                    self._waiting.note_work()
                elif not self._wait():
                    return "nothing is left"
                if interval.due():
                    log.info("events so far: %s", self.tally)

    def _work_on_own(self, *, is_idle: bool) -> bool:
        """Work off a batch of events whose function comes with this program; return whether there was any."""
        if self._own is None or self._stop():
            return False
        try:
            return self._own.run_batch(is_idle=is_idle)
        except Stopped:
            # It was broken off, and its events come again; the worker sees by itself that it is to end.
            return True

    def _wait(self) -> bool:
        self._note_in_hand([])
        self._taken_in = float("-inf")
        if self._more_come_in:
            self._waiting.wait_for_intake()
            return True
        return self._waiting.wait()

    def _count_crashes(self) -> None:
        """Look whether workers have died, now and then."""
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_CRASHES:
            return
        recovered = self._notes.recover_workers()
        if recovered.workers:
            self.crashes += recovered.workers
            log.warning(
                "%d workers have died. What they had in hand is run alone now, but for %d events that are dead",
                recovered.workers,
                recovered.dead_events,
            )
        self._looked = time.monotonic()

    def _take_in(self) -> None:
        """Let new events into the queue, now and then while there are others."""
        if time.monotonic() - self._taken_in >= _SECONDS_BETWEEN_INTAKES:
            taken = self._notes.take_in()
            # What another worker takes in is not to be seen yet, so a queue that looks empty may not be.
            self._more_come_in = taken is None or taken == TAKEN_IN_AT_ONCE
            self._taken_in = time.monotonic()

    def _run_batch(self) -> bool:
        """Claim events and run them; return whether there were any."""
        started, own = time.monotonic(), None
        self._singly = max(0, self._singly - 1)
        run = BatchRun(
            self._session,
            self._settler,
            self._functions.find,
            self._stop,
            self._watchdog,
            self._limits.longest_in_batch,
            self._limits.commit_seconds,
        )
        try:
            with self._session.batch():
                scan, events = self._claim()
                if not events:
                    return False
                self._note_in_hand(events)
                if events[0].own_transaction:
                    own = events[0]
                else:
                    run.run(events)
        except CommitRefusedError as refused:
            self._settler.take_tally()
            self._take_apart(run.settled, refused)
        except BatchEndedError as ended:
            self._settler.take_tally()
            self._write(ended)
        else:
            if own is not None:
                self._run_own(own)
            else:
                self._note_pace(len(run.settled), time.monotonic() - started)
                scan.note_done(run.gone)
        self.tally.add(self._settler.take_tally())
        return True

    def _claim(self) -> tuple[LaneScan, Sequence[ClaimedEvent]]:
        """Lock the next events of this lane, or of the next one that has any; None from the front on is the end."""
        fitting = round(self._limits.commit_seconds / self._seconds_of_one)
        most = 1 if self._singly else min(MOST_CLAIMED, max(1, fitting))
        if time.monotonic() - self._began_at_front > _SECONDS_BETWEEN_FRONTS:
            self._begin_at_front()
        while True:
            for scan in self._scans:
                claim = self._queue.claim(scan, most)
                while not claim.events and not claim.is_end:
                    claim = self._queue.claim(scan, most)
                if claim.events:
                    self._is_at_front = False
                    return scan, claim.events
            if self._is_at_front:
                return self._scans[0], ()
            self._begin_at_front()

    def _begin_at_front(self) -> None:
        for scan in self._scans:
            scan.begin_at_front()
        self._is_at_front = True
        self._began_at_front = time.monotonic()

    def _note_pace(self, events: int, seconds: float) -> None:
        """Note how many events the next claim should ask for."""
        if events:
            self._seconds_of_one += _WEIGHT * (seconds / events - self._seconds_of_one)

    def _run_own(self, event: ClaimedEvent) -> None:
        """Run an event whose function commits by itself."""
        function = self._functions.find(event.function_name)
        longest = Group.of(event).bound(self._limits.longest_alone)
        result = run_alone(self._session, function, event, self._watchdog, longest)
        # One that was broken off comes again, and no attempt is counted.
        if result.ending is not Ending.FAILED or not self._stop.over:
            self._write(BatchEndedError(Group.of(event), result))
        if not self._session.closed:
            self._queue.release(event)

    def _take_apart(self, events: Sequence[ClaimedEvent], refused: CommitRefusedError) -> None:
        """Let each event of a batch whose commit is refused be a batch of its own; one that is has failed."""
        self._begin_at_front()
        if len(events) > 1:
            self._singly = len(events) + 1
            log.info("a batch of %d events could not be committed (%s); each is tried alone", len(events), refused.told)
            return
        result = CallResult(Ending.FAILED, datetime.now(UTC), 0.0, "", Failure(str(refused), refused.told))
        for event in events:
            self._write(BatchEndedError(Group.of(event), result))

    def _write(self, ended: BatchEndedError) -> None:
        """Write what becomes of events whose functions are not in a transaction, or no longer.

        Raises:
            BatchEndedError: it is yet to be written, by another session.
        """
        if self._session.closed:
            raise ended
        events, result = ended.group.events, ended.result
        gone = list(ended.gone) if ended.transaction and self._session.was_committed(ended.transaction) else []
        is_gone = result.ending in (Ending.DONE, Ending.DISCARDED)
        with self._session.batch():
            self._settler.write_gone([*gone, *(describe_runs(events, result) if is_gone else ())])
            if not is_gone:
                self._settler.write_later(events, result)
        self.tally.add(self._settler.take_tally())

    def _note_in_hand(self, events: Sequence[ClaimedEvent]) -> None:
        if events or self._in_hand:
            self._notes.note_in_hand(self._worker, events)
            self._in_hand = bool(events)
