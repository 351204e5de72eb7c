"""`archiver.keep_versions`, for events: of the keys that have just changed, what newer versions supersede goes at once.

It is the job of action `delete` of that table that acts, under all that guards it: allowed by the policy file,
rehearsed and approved as it is defined, not stopped by a person, its table one from which rows go safely. What may not
be now waits, and nothing is lost: an event is a row, which goes in the transaction in which its versions do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from pg_archiver.errors import ArchiverError, Busy, DatabaseInterrupted, DatabaseRefused, JobRefused, Stopped
from pg_archiver.jobs.planning import refuse_by_rules
from pg_archiver.jobs.source import Claim, JobConnections, JobsSource
from pg_archiver.jobs.table_work import ASKED_EVERY_SECONDS, TableSession
from pg_archiver.jobs.timing import find_earliest, is_unrehearsed, keep_to_hours
from pg_archiver.jobs.work import NotRunError
from pg_archiver.ledger.jobs import JobKey, JobRow, JobsTable, JobState, JobStateRow
from pg_archiver.ledger.locks import rewrite_lock
from pg_archiver.ledger.version_events import Bound, KeyEvents, VersionEvents, WaitingKeys
from pg_archiver.policies.jobs import Job
from pg_archiver.postgres.session import Session
from pg_archiver.purge.pace import Pace
from pg_archiver.purge.purge_keys import ChangedError, KeysInHand, KeysPurged

log = logging.getLogger(__name__)

# A batch begins when so many keys wait, or the first of them has for so long.
MOST_KEYS = 100
COLLECTED_SECONDS = 0.05
_TICK_SECONDS = 0.01
# Nobody who writes is waited for long, nor are the functions of users that this worker runs.
LONGEST_LOCK_WAIT, LONGEST_STATEMENT = timedelta(seconds=1), timedelta(seconds=60)
# What somebody had locked is looked at again so often, and for so long.
_AGAIN_SECONDS, _TRIED_SECONDS = 1.0, 60.0
_HELD_SECONDS, _SHORTLY_SECONDS = 10.0, 1.0
_ACTING = {JobState.IDLE, JobState.QUEUED, JobState.RUNNING}


class _HeldError(Exception):
    """The events of a job wait; the message says why."""


@dataclass
class _Hand:
    """A job as it was looked at."""

    row: JobRow
    state: JobStateRow
    table: KeysInHand
    looked: float


@dataclass
class EventVersions:
    """The work of one worker on the events of a database's jobs that keep versions.

    Attributes:
        session: of the archiver's own login, on the database of the jobs; it does nothing else.
        source: the database, and what the policy file lets its jobs do.
        connections: by which it is asked what people have set.
        lane: which part of the keys comes first, of so many `lanes`.
        run_id: what stands for the worker's run.
    """

    session: Session
    source: JobsSource
    connections: JobConnections
    lane: int = 0
    lanes: int = 1
    run_id: str = "events"
    _hands: dict[int, _Hand] = field(default_factory=dict)
    _held: dict[int, tuple[float, str]] = field(default_factory=dict)
    _singly: dict[int, int] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def opened(
        cls, source: JobsSource, connections: JobConnections, lane: int = 0, lanes: int = 1, run_id: str = "events"
    ) -> Generator[EventVersions]:
        """Open its session."""
        with (
            connections.open_archiver(source.database) as session,
            session.timeouts(lock=LONGEST_LOCK_WAIT, statement=LONGEST_STATEMENT),
        ):
            session.fetch_all("events/versions/commit_later")
            yield cls(session, source, connections, lane, lanes, run_id)

    def run_batch(self, *, is_idle: bool = True) -> bool:
        """Work off one batch of keys of each job that may; return whether there was any, or is about to be.

        What is about to be is waited for where the worker `is_idle`.

        Raises:
            DatabaseInterrupted: the connection was lost.
            Stopped: the process has to end; nothing of the batch is done.
        """
        worked = False
        for bound in VersionEvents(self.session).list_bound():
            until, _ = self._held.get(bound.job_id, (0.0, ""))
            if time.monotonic() < until:
                continue
            try:
                worked = self._run(bound, is_idle=is_idle and not worked) or worked
            except (_HeldError, Busy) as held:
                self._hold(bound.job_id, str(held), _HELD_SECONDS)
        return worked

    def _run(self, bound: Bound, *, is_idle: bool) -> bool:
        for step in range(self.lanes):
            lane = (self.lane + step) % self.lanes
            waiting = VersionEvents(self.session).look(bound.bindings, lane, self.lanes, MOST_KEYS)
            if not waiting.keys:
                continue
            if waiting.keys < MOST_KEYS and waiting.seconds < COLLECTED_SECONDS:
                # More of these keys may come.
                if is_idle:
                    time.sleep(_find_pause(waiting))
                return True
            if self._try_batch(bound, lane):
                return True
        return False

    def _try_batch(self, bound: Bound, lane: int) -> bool:
        """Run a batch; what keeps one from being done is told of a single key, or has the job's events wait."""
        job_id = bound.job_id
        most = 1 if self._singly.get(job_id) else MOST_KEYS
        self._singly[job_id] = max(0, self._singly.get(job_id, 0) - 1)
        try:
            return self._run_batch(bound, lane, most)
        except ChangedError:
            self._hands.pop(job_id, None)
            return True
        except Stopped:
            raise
        except DatabaseInterrupted as error:
            if self.session.closed:
                raise
            self._hold(job_id, str(error), _SHORTLY_SECONDS)
        except DatabaseRefused as error:
            self._hands.pop(job_id, None)
            if most == 1:
                self._fail(bound, lane, error)
            else:
                # One bad key keeps none of the others.
                self._singly[job_id] = MOST_KEYS
            return True
        return False

    def _run_batch(self, bound: Bound, lane: int, most: int) -> bool:
        hand = self._take(bound.job_id)
        order = hand.table.order
        with self.session.try_advisory_lock(rewrite_lock(order), shared=True) as free:
            if not free:
                raise _HeldError(f"{order.table} is being rewritten")
            with self.session.transaction():
                events = VersionEvents(self.session).claim(
                    bound.bindings, lane, self.lanes, min(most, hand.table.most_keys)
                )
                if not events:
                    return False
                self._refuse_change(hand)
                purged = hand.table.purge([one.key for one in events])
                # Triggers have run, under the path of the users, along which anything may lie.
                self.session.use_builtin_search_path()
                self._settle(hand, events, purged)
                # Deferred triggers run at the commit, and count on theirs.
                self.session.use_database_search_path(builtins_first=False)
        if (seconds := hand.table.pace.count(purged.gone.rows)) > 0:
            self._held[bound.job_id] = (time.monotonic() + seconds, "")
        else:
            self._held.pop(bound.job_id, None)
        return True

    def _settle(self, hand: _Hand, events: list[KeyEvents], purged: KeysPurged) -> None:
        """Let the events go, or wait, and count what went, all in the transaction of the delete."""
        queue = VersionEvents(self.session)
        done = events
        gone = purged.gone
        if not purged.is_whole and gone.rows:
            done = []
        elif purged.stayed:
            # Others had some locked: until they commit, and then it is seen, or give up, and then nothing tells it.
            again = [one for one in events if one.seconds < _TRIED_SECONDS]
            done = [one for one in events if one.seconds >= _TRIED_SECONDS]
            for one in again:
                queue.put_off(one, _AGAIN_SECONDS)
        if done:
            queue.complete(done)
        if not queue.count(
            JobKey(hand.row.job_id, self.source.database), len(done), gone.rows, gone.bytes, gone.highest
        ):
            raise _HeldError("its row is gone")

    def _fail(self, bound: Bound, lane: int, error: DatabaseRefused) -> None:
        """Count a failure of the key that comes first, which a batch of its own could not work off."""
        queue = VersionEvents(self.session)
        with self.session.transaction():
            for event in queue.claim(bound.bindings, lane, self.lanes, 1):
                dead = queue.fail(event, str(error))
                log.warning("versions of a key stay%s: %s", ", and its event is dead" if dead else "", error)

    def _hold(self, job_id: int, reason: str, seconds: float) -> None:
        self._hands.pop(job_id, None)
        _, told = self._held.get(job_id, (0.0, ""))
        if reason != told:
            log.warning("the events of job %d wait: %s", job_id, reason)
        self._held[job_id] = (time.monotonic() + seconds, reason)

    def _take(self, job_id: int) -> _Hand:
        """Return the job as it was looked at a moment ago, or look at it.

        Raises:
            _HeldError: its events wait.
        """
        hand = self._hands.get(job_id)
        if hand is None or time.monotonic() - hand.looked > ASKED_EVERY_SECONDS:
            pace = hand.table.pace if hand else None
            hand = self._hands[job_id] = self._look(job_id, pace)
        return hand

    def _look(self, job_id: int, pace: Pace | None) -> _Hand:
        row, state, job = self._read(job_id)
        claim = Claim(
            self.source.database,
            self.source.database,
            job_id,
            row.job_name,
            "event",
            state.definition,
            self.run_id,
            row.action,
        )
        try:
            if reason := refuse_by_rules(self.source, row, job):
                raise _HeldError(reason)
            work = TableSession(self.session, claim, self.source, self.connections).find(row, job)
            if work.nothing is not None:
                raise _HeldError(work.nothing)
            if work.table.versions is None or work.table.keep.everything:
                raise _HeldError("it keeps no versions, or everything")
            table = KeysInHand.look(self.session, work.purge_order, work.table.versions, MOST_KEYS, pace)
        except (Stopped, DatabaseInterrupted):
            raise
        except (JobRefused, NotRunError, ArchiverError) as refusal:
            raise _HeldError(str(refusal)) from None
        return _Hand(row, state, table, time.monotonic())

    def _read(self, job_id: int) -> tuple[JobRow, JobStateRow, Job]:
        """Return a job that may act now, by what was planned, rehearsed and approved.

        Raises:
            _HeldError: it may not.
        """
        jobs = JobsTable(self.session)
        row, state = jobs.find_job(job_id), jobs.find_state(JobKey(job_id, self.source.database))
        if row is None or state is None:
            raise _HeldError("its row is gone, or was not checked yet")
        job = Job.read_as_planned(row.as_mapping(), state.definition)
        if job is None:
            raise _HeldError("its row has changed, and was not checked again yet")
        settings, now = self.source.instance.settings, jobs.now()
        if is_unrehearsed(job, state.definition, state):
            raise _HeldError("it is rehearsed before it acts")
        if job.action in settings.approve and state.approved_definition != state.definition:
            raise _HeldError("it waits for a person")
        if not row.scheduled or state.state not in _ACTING:
            raise _HeldError(f"it is {'paused' if not row.scheduled else state.state}")
        earliest = find_earliest(job, state, timedelta(minutes=settings.grace_minutes), now)
        opening = keep_to_hours(job, earliest)
        if opening is not None and opening > now:
            raise _HeldError(f"it acts from {opening:%Y-%m-%d %H:%M} UTC on")
        return row, state, job

    def _refuse_change(self, hand: _Hand) -> None:
        """Refuse a job that is not what it was when it was looked at; it is looked at again."""
        jobs, job_id = JobsTable(self.session), hand.row.job_id
        row, state = jobs.find_job(job_id), jobs.find_state(JobKey(job_id, self.source.database))
        if (
            row is None
            or state is None
            or replace(row, next_start=None) != replace(hand.row, next_start=None)
            or state.definition != hand.state.definition
            or state.rehearsed_definition != hand.state.rehearsed_definition
            or state.approved_definition != hand.state.approved_definition
            or state.state not in _ACTING
        ):
            raise ChangedError


def _find_pause(waiting: WaitingKeys) -> float:
    """Return for how long nothing has to be looked at: until it is time, or a batch is full if keys go on like this."""
    filling = (MOST_KEYS - waiting.keys) * waiting.seconds / waiting.keys
    return max(_TICK_SECONDS, min(COLLECTED_SECONDS - waiting.seconds, filling))
