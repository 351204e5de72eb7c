"""A worker: it opens its sessions, works by them, and opens them again where one was lost.

Any number of workers may be at work on one queue. What one has in hand is locked by its session, so it is free again
when that ends, however it ends; nothing here goes by a clock. A worker that loses its connection counts as dead: what
it had in hand runs alone once, since that may have been the reason.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused
from pg_archiver.events.batch_run import BatchEndedError
from pg_archiver.events.loading import Functions
from pg_archiver.events.output import capturing
from pg_archiver.events.own_work import OwnWork
from pg_archiver.events.settling import Tally
from pg_archiver.events.shift import Shift, ShiftSessions
from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.watchdog import Watchdog
from pg_archiver.ledger.event_queue import EventQueue
from pg_archiver.ledger.migrations import EventTables
from pg_archiver.postgres.functions_session import FunctionsSession
from pg_archiver.postgres.notices_session import NoticesSession
from pg_archiver.runtime.garbage import spare_collector
from pg_archiver.runtime.stopping import Stop

log = logging.getLogger(__name__)

# On which the triggers send for a worker.
_CHANNEL = "archiver_events"
# So often in a row a connection may be lost before any event was run to its end.
_MOST_LOSSES = 3
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 1.0, 60.0
_SLICE_SECONDS = 0.2


@dataclass(frozen=True)
class WorkConnections:
    """How a worker reaches its database, by the login of functions.

    Attributes:
        open_functions: opens the session in which functions run.
        open_notes: opens another one, for what is to be seen by others while they run.
        airflow_run_id: the Airflow run that works, for the queue's status.
        open_own: opens what works on events whose function comes with this program; None leaves them to other workers.
    """

    open_functions: Callable[[], AbstractContextManager[FunctionsSession]]
    open_notes: Callable[[], AbstractContextManager[NoticesSession]]
    airflow_run_id: str | None = None
    open_own: Callable[[], AbstractContextManager[OwnWork]] | None = None


@dataclass(frozen=True)
class WorkResult:
    """What a worker has done: how many events ended how, how many workers had died, and why it ended."""

    tally: Tally
    crashes: int
    seconds: float
    why: str

    def __str__(self) -> str:
        told = f"; {self.crashes} workers had died" if self.crashes else ""
        return f"events: {self.tally}{told}; {self.why} after {self.seconds:.1f} s"


class Worker:
    """One worker of one queue."""

    def __init__(
        self,
        connections: WorkConnections,
        functions: Functions,
        limits: WorkLimits,
        stop: Stop,
        watchdog: Watchdog | None = None,
    ) -> None:
        """Prepare.

        Args:
            connections: how it reaches its database.
            functions: what the folder of functions has.
            limits: which part of the queue is its own, and when it ends.
            stop: when it says so, the worker ends after its event.
            watchdog: ends functions that take too long.
        """
        self._connections = connections
        self._functions = functions
        self._limits = limits
        self._stop = stop
        self._watchdog = watchdog or Watchdog()
        self._tally = Tally()
        self._crashes = 0
        self._unsettled: BatchEndedError | None = None
        self._losses = 0

    def run(self) -> WorkResult:
        """Work until nothing is left, the time is over or the process is told to end.

        Raises:
            DatabaseInterrupted: the connection was lost again and again; where the worker is to wait for events it goes
                on trying instead.
            DatabaseRefused: the login may not work on this queue, or there is none.
        """
        started = time.monotonic()
        deadline = started + self._limits.max_seconds if self._limits.max_seconds is not None else float("inf")
        with capturing(), spare_collector(), self._watchdog.watching():
            while True:
                try:
                    why = self._work(deadline)
                except DatabaseInterrupted as error:
                    if not self._try_again(error, deadline):
                        raise
                except BatchEndedError as ended:
                    self._unsettled = ended
                else:
                    return WorkResult(self._tally, self._crashes, time.monotonic() - started, why)

    def _work(self, deadline: float) -> str:
        open_own = self._connections.open_own or nullcontext
        with (
            self._connections.open_functions() as session,
            self._connections.open_notes() as notes,
            open_own() as own,
        ):
            if not EventTables(notes).exists():
                raise DatabaseRefused(
                    f"database {notes.name} has no queue of events, so there is nothing to work on. Fix: name the "
                    "database in which archiver.watch was called"
                )
            notes.listen(_CHANNEL)
            host = socket.gethostname()
            number = EventQueue(session).begin_worker(host, self._connections.airflow_run_id, self._limits.lane)
            # A function may give up all locks of its own session.
            EventQueue(notes).join_worker(number)
            shift = Shift(
                ShiftSessions(session, notes, own),
                (number, f"{host} {number}"),
                self._functions,
                self._limits,
                self._stop,
                self._watchdog,
                deadline,
            )
            try:
                unsettled, self._unsettled = self._unsettled, None
                why = shift.run(unsettled)
            except BatchEndedError:
                # Its process lives, and knows which event did it.
                EventQueue(notes).end_worker(number)
                raise
            finally:
                self._tally.add(shift.tally)
                self._crashes += shift.crashes
                self._losses = 0 if shift.tally.all else self._losses
            EventQueue(session).end_worker(number)
        return why

    def _try_again(self, error: DatabaseInterrupted, deadline: float) -> bool:
        """Wait before the sessions are opened again; return False where they are not to be."""
        self._losses += 1
        if self._stop() or time.monotonic() >= deadline:
            return False
        if self._losses > _MOST_LOSSES and not self._limits.waits:
            return False
        log.warning("%s. The worker connects again", error)
        seconds = min(_FIRST_RETRY_SECONDS * 2 ** (self._losses - 1), _LONGEST_RETRY_SECONDS)
        end = min(time.monotonic() + seconds, deadline)
        while not self._stop() and time.monotonic() < end:
            time.sleep(_SLICE_SECONDS)
        return True
