"""The queue of events in one database: what changes of tables have left, taken in order, each ended once.

Strict order holds within a topic; what has none runs side by side. What a worker has claimed is its own by the locks of
its session, until it commits or dies. The database's functions decide all of it (`sql/events/migrations`) and run with
their owner's rights, so a worker needs none on the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pg_archiver.postgres.base_session import PinnedSession, Row

# A savepoint that writes takes a subtransaction, and with more than 64 in one transaction the snapshots of all sessions
# of the server become slow.
MOST_CLAIMED = 60
_FRONT = (-32_769, 0)
_MOST_TOPICS_REMEMBERED = 2_000
TAKEN_IN_AT_ONCE = 5_000


@dataclass(frozen=True)
class ClaimedEvent:
    """An event as its row, its binding and its job say; it may stand for later ones of its key, which were merged.

    Attributes:
        id: its own number.
        merged_ids: the numbers of those that it stands for beside itself, in order; what it says is what the last says.
        topic_hash: in which topic it has an order; None where it has none.
        turn: its place in the queue, among those of its priority.
        own_transaction: whether its function commits by itself.
        config, key, old_key, payload: JSON, as text.
        attempts: how often it has failed.
        crashes: how often its worker died while it had this in hand.
        max_runtime: how long its job lets a call take; None if that does not say.
    """

    id: int
    merged_ids: tuple[int, ...]
    topic: str
    topic_hash: int | None
    turn: int
    own_transaction: bool
    function_name: str
    config: str
    source: str | None
    channel: str | None
    operation: str
    key: str
    old_key: str | None
    payload: str | None
    truncated: bool
    attempts: int
    crashes: int
    max_attempts: int
    queued_at: datetime
    max_runtime: timedelta | None = None

    @property
    def last_id(self) -> int:
        """The number of the last event that is in it: whatever came later is another one's."""
        return self.merged_ids[-1] if self.merged_ids else self.id

    @property
    def merged(self) -> int:
        """How many events it is."""
        return 1 + len(self.merged_ids)


@dataclass(frozen=True)
class Run:
    """How the function ran for one event; without a message it has succeeded, and so has one that was discarded."""

    event: ClaimedEvent
    started_at: datetime
    took_ms: float
    message: str | None
    output: str | None


class Failure(StrEnum):
    """What became of an event that failed."""

    LATER = "later"
    DEAD = "dead"
    GONE = "gone"


@dataclass(frozen=True)
class Claim:
    """What one look at the queue has got; `is_end` is whether nothing stands behind it."""

    events: tuple[ClaimedEvent, ...]
    is_end: bool


@dataclass(frozen=True)
class Recovered:
    """How many workers had died, and how many of the events that they had in hand are dead now."""

    workers: int
    dead_events: int


@dataclass
class LaneScan:
    """One lane, and how far a worker has come in it.

    It goes on behind what it has looked at. What comes back to the front, a retry or a higher priority, is found when
    it begins there again.
    """

    lane: int
    lanes: int
    functions: Sequence[str]
    place: tuple[int, int] = _FRONT
    passed: set[int] = field(default_factory=set)
    done: dict[int, int] = field(default_factory=dict)

    def begin_at_front(self) -> None:
        """Look at all of the lane again."""
        self.place = _FRONT
        self.passed.clear()
        self.done.clear()

    def note_done(self, events: Iterable[ClaimedEvent]) -> None:
        """Note events that have ended, which is committed: in their topics nothing is left before them."""
        for event in events:
            if event.topic_hash is not None and len(self.done) < _MOST_TOPICS_REMEMBERED:
                self.done[event.topic_hash] = max(event.turn, self.done.get(event.topic_hash, 0))

    def note_looked(self, rows: Sequence[Row]) -> None:
        """Go on behind these; topics of which one may not run are passed over."""
        self.place = max((row.priority, row.turn) for row in rows)
        self.passed |= {row.topic_hash for row in rows if not row.claimed and row.topic_hash is not None}


class EventQueue:
    """The queue of one database, by one session."""

    def __init__(self, session: PinnedSession) -> None:
        """Read and write through this session, in the transaction that it is in."""
        self._session = session

    def claim(self, scan: LaneScan, most: int) -> Claim:
        """Lock events that may run now, until the transaction ends, and return them in the order of their runs.

        Of a topic whose events run in order there is none while an earlier one is not among them. One whose worker
        died comes alone, and so does one whose function commits by itself, which is held until `release`. There may be
        none although the end is not reached: then another claim looks further.
        """
        rows = self._session.fetch_all(
            "events/queue/claim",
            lane=scan.lane,
            lanes=scan.lanes,
            most=most,
            functions=list(scan.functions),
            after_priority=scan.place[0],
            after_turn=scan.place[1],
            passed_topics=list(scan.passed),
            done_topics=list(scan.done),
            done_turns=list(scan.done.values()),
        )
        if rows:
            scan.note_looked(rows)
        return Claim(_sort_topics([_read_event(row) for row in rows if row.claimed]), not rows)

    def release(self, event: ClaimedEvent) -> None:
        """Give up an event that is held beyond the transaction, ended or not."""
        self._session.fetch_all("events/queue/release", id=event.id)

    def complete(self, runs: Sequence[Run], worker: str) -> None:
        """Remove events which succeeded, or were discarded, and log them."""
        self._session.fetch_one(
            "events/queue/complete",
            ids=[run.event.id for run in runs],
            merged_ids=[merged for run in runs for merged in run.event.merged_ids],
            starts=[run.started_at for run in runs],
            took_ms=[run.took_ms for run in runs],
            messages=[run.message for run in runs],
            outputs=[run.output for run in runs],
            worker=worker,
        )

    def fail(self, run: Run, worker: str) -> Failure:
        """Put an event off, or among the dead after its last attempt, and log it."""
        outcome = self._session.fetch_one(
            "events/queue/fail",
            id=run.event.id,
            err_message=run.message,
            output=run.output,
            started_at=run.started_at,
            took_ms=run.took_ms,
            worker=worker,
        ).outcome
        return Failure.GONE if outcome is None else Failure(outcome)

    def put_off(self, event: ClaimedEvent, seconds: float) -> None:
        """Let an event wait, and its topic with it, without an attempt being used up."""
        self._session.fetch_all("events/queue/put_off", id=event.id, seconds=seconds)

    def begin_worker(self, host: str, airflow_run_id: str | None, lane: int) -> int:
        """Note that a worker is there, alive as long as a session that has begun or joined it; return its number."""
        known_as = {"host": host, "run_id": airflow_run_id, "lane": lane}
        return int(self._session.fetch_one("events/queue/begin_worker", **known_as).worker_id)

    def join_worker(self, worker: int) -> None:
        """Let this session be one of the worker's too."""
        self._session.fetch_all("events/queue/join_worker", worker_id=worker)

    def note_in_hand(self, worker: int, events: Sequence[ClaimedEvent]) -> None:
        """Note what a worker has in hand from now on, for others to see, outside of the transaction of its work."""
        ids = [number for event in events for number in (event.id, *event.merged_ids)]
        self._session.fetch_all("events/queue/note_in_hand", worker_id=worker, ids=ids)

    def end_worker(self, worker: int) -> None:
        """Note that a worker ends, with nothing in hand."""
        self._session.fetch_all("events/queue/end_worker", worker_id=worker)

    def recover_workers(self) -> Recovered:
        """Mark what workers had in hand that have died."""
        row = self._session.fetch_one("events/queue/recover_workers")
        return Recovered(row.died, row.dead)

    def take_in(self, most: int = TAKEN_IN_AT_ONCE) -> int | None:
        """Take what triggers have noted into the queue, and what has waited long enough among what may run.

        It has a transaction of its own.

        Returns:
            How many were taken in, at most `most`; None if somebody else is at it.
        """
        taken = self._session.fetch_one("events/queue/take_in", most=most).taken
        return None if taken is None else int(taken)


def _read_event(row: Row) -> ClaimedEvent:
    # A worker may be newer than the tables, which do not say this then.
    max_runtime = getattr(row, "max_runtime_seconds", None)
    return ClaimedEvent(
        id=row.id,
        merged_ids=tuple(row.merged_ids),
        topic=row.topic,
        topic_hash=row.topic_hash,
        turn=row.turn,
        own_transaction=row.is_own,
        function_name=row.function_name,
        config=row.config,
        source=row.source,
        channel=row.channel,
        operation=row.operation,
        key=row.key,
        old_key=row.old_key,
        payload=row.payload,
        truncated=row.truncated,
        attempts=row.attempts,
        crashes=row.crashes,
        max_attempts=row.max_attempts,
        queued_at=row.queued_at,
        max_runtime=timedelta(seconds=max_runtime) if max_runtime else None,
    )


def _sort_topics(events: Sequence[ClaimedEvent]) -> tuple[ClaimedEvent, ...]:
    """Return the events as they are, but those of each topic by their turns among the places that they have."""
    by_topic: dict[int, list[ClaimedEvent]] = {}
    for event in events:
        if event.topic_hash is not None:
            by_topic.setdefault(event.topic_hash, []).append(event)
    ordered = {topic: iter(sorted(group, key=lambda event: event.turn)) for topic, group in by_topic.items()}
    return tuple(event if event.topic_hash is None else next(ordered[event.topic_hash]) for event in events)
