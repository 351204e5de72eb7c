"""The work of one worker by one pair of sessions: batch after batch, until nothing is left or its time is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pg_archiver.events.alone_run import run_alone
from pg_archiver.events.batch_run import COMMIT_SECONDS, MOST_EVENTS, BatchEndedError, BatchRun
from pg_archiver.events.calling import CallResult, Ending
from pg_archiver.events.failures import Failure
from pg_archiver.events.grouping import Group, cut_batch
from pg_archiver.events.loading import Functions
from pg_archiver.events.queue import ClaimOrder, EventQueue, Notes, QueuedEvent
from pg_archiver.events.settling import Settler, Tally
from pg_archiver.events.waiting import Waiting, WorkLimits
from pg_archiver.events.watchdog import Watchdog
from pg_archiver.postgres.functions_session import CommitRefusedError, FunctionsSession
from pg_archiver.runtime.log_interval import LogInterval
from pg_archiver.runtime.stopping import Stop

log = logging.getLogger(__name__)

# Rows that went leave dead entries in the index, which an old snapshot keeps there: a claim goes on after the last row
# that was taken, and from the front again so often.
_SECONDS_FROM_FRONT = 1.0
_SECONDS_BETWEEN_CRASHES = 10.0
_SECONDS_BETWEEN_INTAKES = 0.1
# How much the last batch counts in the time that an event takes.
_WEIGHT = 0.3


class Shift:
    """One worker at work by two sessions that are open."""

    def __init__(
        self,
        session: FunctionsSession,
        queue: EventQueue,
        notes: Notes,
        functions: Functions,
        limits: WorkLimits,
        stop: Stop,
        watchdog: Watchdog,
        deadline: float,
    ) -> None:
        """Prepare.

        Args:
            session: in which functions run.
            queue: the queue by that session.
            notes: the notes of workers, by a session of its own.
            functions: what the folder of functions has.
            limits: when it ends.
            stop: whether it is to end.
            watchdog: ends functions that take too long.
            deadline: when it ends, by the monotonic clock.
        """
        self._session = session
        self._queue = queue
        self._notes = notes
        self._functions = functions
        self._names = sorted(functions.by_name)
        self._limits = limits
        self._stop = stop
        self._watchdog = watchdog
        self._deadline = deadline
        self._settler = Settler(queue)
        self._after: dict[int, QueuedEvent] = {}
        self._front = time.monotonic()
        self._looked = self._taken_in = float("-inf")
        self._singly = 0
        self._seconds_of_one = COMMIT_SECONDS / MOST_EVENTS
        self._in_hand = False
        self._lane = limits.lane
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
        waiting = Waiting(self._notes, self._limits, self._stop, self._deadline)
        interval = LogInterval()
        while True:
            if self._stop():
                return "it was told to end"
            if time.monotonic() >= self._deadline:
                return "its time is over"
            self._count_crashes()
            self._take_in()
            if self._run_batch():
                waiting.note_work()
            else:
                self._taken_in = float("-inf")
                self._note_in_hand([])
                if not waiting.wait():
                    return "nothing is left"
            if interval.due():
                log.info("events so far: %s", self.tally)

    def _count_crashes(self) -> None:
        """Look whether workers have died, now and then."""
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_CRASHES:
            return
        if crashed := self._notes.count_crashes():
            self.crashes += crashed
            log.warning("%d workers have died. What they had in hand is run alone now", crashed)
        self._looked = time.monotonic()

    def _take_in(self) -> None:
        """Let new events into the queue, now and then while there are others."""
        if time.monotonic() - self._taken_in >= _SECONDS_BETWEEN_INTAKES:
            self._notes.take_in()
            self._taken_in = time.monotonic()

    def _run_batch(self) -> bool:
        """Claim events and run them; return whether there were any that could be run."""
        started, own = time.monotonic(), None
        self._singly = max(0, self._singly - 1)
        run = BatchRun(self._session, self._settler, self._functions.find, self._stop, self._watchdog)
        try:
            with self._session.batch():
                batch = cut_batch(self._claim())
                if not batch:
                    return False
                if batch[0].is_own:
                    own = batch[0]
                else:
                    self._note_in_hand(batch)
                    run.run(batch)
        except CommitRefusedError as refused:
            self._settler.take_tally()
            self._take_apart(run.settled, refused)
        except BatchEndedError as ended:
            self._settler.take_tally()
            self._write(ended)
        else:
            if own is not None:
                self._run_own(own)
            elif run.settled:
                self._note_pace(batch, run, time.monotonic() - started)
        self.tally.add(self._settler.take_tally())
        return True

    def _claim(self) -> Sequence[QueuedEvent]:
        """Lock the next events of this lane, or of the next one that has any."""
        if time.monotonic() - self._front >= _SECONDS_FROM_FRONT:
            self._after.clear()
            self._front = time.monotonic()
        most = 1 if self._singly else min(MOST_EVENTS, max(1, round(COMMIT_SECONDS / self._seconds_of_one)))
        for step in range(self._limits.lanes):
            self._lane = (self._limits.lane + step) % self._limits.lanes
            order = ClaimOrder(most, self._lane, self._limits.lanes, self._names, self._after.pop(self._lane, None))
            found = self._queue.claim(order)
            if not found and order.after is not None:
                found = self._queue.claim(replace(order, after=None))
            if found:
                return found
        return ()

    def _note_pace(self, batch: Sequence[QueuedEvent], run: BatchRun, seconds: float) -> None:
        """Note where the next claim goes on, and how many events it should ask for."""
        if len(run.settled) == len(batch):
            self._after[self._lane] = batch[-1]
        measured = seconds / len(run.settled)
        self._seconds_of_one += _WEIGHT * (measured - self._seconds_of_one)

    def _run_own(self, event: QueuedEvent) -> None:
        """Run an event whose function commits by itself."""
        self._note_in_hand([event])
        function = self._functions.find(event.function)
        result = run_alone(self._session, function, event, self._watchdog)
        if result.ending is Ending.FAILED and self._stop.over:
            # It was broken off. It comes again, and no attempt is counted.
            return
        self._write(BatchEndedError(Group(event.function, (event,)), result))
        self._queue.release(event)

    def _take_apart(self, events: Sequence[QueuedEvent], refused: CommitRefusedError) -> None:
        """Let each event of a batch whose commit is refused be a batch of its own; one that is has failed."""
        if len(events) > 1:
            self._singly = len(events) + 1
            log.info("a batch of %d events could not be committed (%s); each is tried alone", len(events), refused.told)
            return
        result = CallResult(Ending.FAILED, datetime.now(UTC), 0.0, "", Failure(str(refused), refused.told))
        for event in events:
            self._write(BatchEndedError(Group(event.function, (event,)), result))

    def _write(self, ended: BatchEndedError) -> None:
        """Write what becomes of events whose functions are not in a transaction, or no longer.

        Raises:
            BatchEndedError: it is yet to be written, by another session.
        """
        if self._session.closed:
            raise ended
        events, result = ended.group.events, ended.result
        gone = ended.gone if ended.transaction and self._session.was_committed(ended.transaction) else ()
        with self._session.batch():
            if result.ending in (Ending.DONE, Ending.DISCARDED):
                gone = [*gone, *self._settler.note_gone(events, result)]
                later = []
            else:
                later = self._settler.write_later(events, result)
            self._session.run_together([*self._settler.write_gone(gone), *later])
        self.tally.add(self._settler.take_tally())

    def _note_in_hand(self, events: Sequence[QueuedEvent]) -> None:
        if events or self._in_hand:
            self._notes.note(events)
            self._in_hand = bool(events)
