"""Who works on the events of a database, and what each has in hand: notes of workers for each other.

They go by a session of their own, so that others see them while functions run. Both sessions of a worker hold the lock
of its number; when both have ended, whoever looks finds what it died with. No clock and no heartbeat has a say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pg_archiver.ledger.event_queue import EventUpkeep
from pg_archiver.ledger.locks import events_at_work_lock
from pg_archiver.postgres.functions_session import FunctionsSession
from pg_archiver.postgres.notices_session import NoticesSession


class _Numbered(Protocol):
    @property
    def id(self) -> int:
        """Its number."""


class WorkerNotes:
    """The notes of one worker."""

    def __init__(
        self,
        functions: FunctionsSession,
        own: NoticesSession,
        host: str,
        airflow_run_id: str | None = None,
        lane: int | None = None,
    ) -> None:
        """Take the session in which its functions run, its own, and how people know the worker."""
        self._functions = functions
        self._own = own
        self._upkeep = EventUpkeep(own)
        self._known_as = {"host": host, "run_id": airflow_run_id, "lane": lane}
        self._worker: int | None = None
        self._is_at_work = False

    def register(self) -> None:
        """Note that a worker is there, and hear when one is sent for."""
        self._own.listen_for_events()
        self._worker = int(self._functions.fetch_one("events/queue/begin_worker", **self._known_as).worker_id)
        self._own.fetch_all("events/queue/join_worker", worker_id=self._worker)

    def note(self, events: Sequence[_Numbered]) -> None:
        """Note what it has in hand from now on."""
        ids = [event.id for event in events]
        self._own.fetch_all("events/queue/note_in_hand", worker_id=self._worker, ids=ids)

    def leave(self) -> None:
        """Note that it ends, with nothing in hand."""
        self._own.fetch_all("events/queue/end_worker", worker_id=self._worker)

    def count_crashes(self) -> int:
        """Mark what workers had in hand that have died, and return how many workers that were."""
        return self._upkeep.recover_workers()

    def take_in(self) -> None:
        """Take what triggers have noted into the queue, and what has waited long enough among what may run."""
        self._upkeep.take_in()

    def begin_work(self) -> None:
        """Let nobody be sent for: this worker looks by itself every moment.

        A transaction that asks at this moment whether anybody is at work is not waited for; then it sends for one.
        """
        if not self._is_at_work:
            self._is_at_work = bool(
                self._own.fetch_one("postgres/session/lock_shared", name=events_at_work_lock()).taken
            )

    def end_work(self) -> None:
        """Let workers be sent for again."""
        if self._is_at_work:
            self._own.fetch_all("postgres/session/unlock_shared", name=events_at_work_lock())
            self._is_at_work = False

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a worker is sent for; return whether one was."""
        return self._own.wait(seconds)

    def seconds_to_next(self) -> float | None:
        """Return in how many seconds the next event may run that waits for its time, None if none does."""
        seconds = self._own.fetch_one("events/queue/seconds_to_next").seconds
        return None if seconds is None else float(seconds)
