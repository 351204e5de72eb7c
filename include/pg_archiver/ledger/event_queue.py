"""The queue of events in one database: what changes of tables have left, taken in order, each ended once.

Strict order holds within a topic; what has none runs side by side. What a worker has claimed is its own by the locks of
its session, until it commits or dies. The database's functions decide all of it (`sql/events/migrations`) and run with
their owner's rights, so a worker needs none on the tables. `pg_archiver.events.queue` says what a worker asks for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, Protocol

from pg_archiver.postgres.functions_session import FunctionsSession, Statement
from pg_archiver.postgres.session import Row, Session

log = logging.getLogger(__name__)

_FRONT = (-32_769, 0)
# More digits than Python reads as an integer.
_MANY_DIGITS = 4_000
_MOST_TOPICS_REMEMBERED = 2_000
_TAKEN_IN_AT_ONCE = 5_000
_PRUNED_AT_ONCE = 5_000


@dataclass(frozen=True)
class StoredEvent:
    """An event as its row, its binding and its job say; it may stand for later ones of its key, which were merged."""

    id: int
    merged_ids: tuple[int, ...]
    priority: int
    turn: int
    topic_hash: int | None
    binding_id: int
    function: str
    config: Mapping[str, Any]
    max_runtime: timedelta
    operation: str
    table: str | None
    channel: str | None
    topic: str
    key: Mapping[str, Any]
    old_key: Mapping[str, Any] | None
    payload: Any
    truncated: bool
    queued_at: datetime
    attempts: int
    crashes: int
    max_attempts: int
    is_own: bool

    @property
    def is_ordered(self) -> bool:
        """Whether the events of its topic run one after the other."""
        return self.topic_hash is not None

    @property
    def merged(self) -> int:
        """How many events of the same key it stands for beside itself."""
        return len(self.merged_ids)


class LaneOrder(Protocol):
    """Which events to claim."""

    @property
    def most(self) -> int:
        """So many at most."""

    @property
    def lane(self) -> int:
        """The lane, from 0."""

    @property
    def lanes(self) -> int:
        """How many lanes there are."""

    @property
    def functions(self) -> Sequence[str]:
        """The functions; events of others wait."""

    @property
    def after(self) -> object:
        """An event of an earlier claim of this lane, whose transaction was committed; None for the front."""


class EndedEvent(Protocol):
    """How the function ran for one event; without a message it has succeeded."""

    @property
    def event(self) -> object:
        """The event."""

    @property
    def started_at(self) -> datetime:
        """When it began."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def output(self) -> str:
        """What it printed."""

    @property
    def message(self) -> str | None:
        """Why it failed, or was discarded."""


@dataclass
class _Lane:
    """What is known of a lane since its front was looked at: topics passed over, and how far others were worked off."""

    passed: set[int] = field(default_factory=set)
    claimed: set[int] = field(default_factory=set)
    done: dict[int, int] = field(default_factory=dict)

    def note_done(self, events: Iterable[StoredEvent]) -> None:
        """Note events that have ended, and were committed: in their topics nothing is left before them."""
        for event in events:
            if event.topic_hash is not None and len(self.done) < _MOST_TOPICS_REMEMBERED:
                self.done[event.topic_hash] = max(event.turn, self.done.get(event.topic_hash, 0))


class EventQueue:
    """The queue of one database, by the session in which functions run, and in its transactions."""

    def __init__(self, session: FunctionsSession, worker: str = "") -> None:
        """Claim and end events by this session; `worker` says in the log who did."""
        self._session = session
        self._worker = worker
        self._lanes: dict[int, _Lane] = {}
        self._completed: list[StoredEvent] = []

    def claim(self, order: LaneOrder) -> Sequence[StoredEvent]:
        """Lock events that may run now, until the transaction ends, and return them in the order of their runs.

        Of a topic whose events run in order there is none while an earlier one is not among them. One whose worker
        died comes alone, and so does one whose function commits by itself, which is held until `release`.
        """
        after = order.after
        if isinstance(after, StoredEvent):
            lane, place = self._lanes.setdefault(order.lane, _Lane()), (after.priority, after.turn)
            lane.note_done(event for event in self._completed if event.id in lane.claimed)
        else:
            lane, place = _Lane(), _FRONT
            self._lanes[order.lane] = lane
        self._completed.clear()
        while rows := self._look(order, lane, place):
            place = max((row.priority, row.turn) for row in rows)
            lane.passed |= {row.topic_hash for row in rows if not row.claimed and row.topic_hash is not None}
            if events := _sort_topics([event for row in rows if row.claimed for event in _read_event(row)]):
                lane.claimed = {event.id for event in events}
                return events
        return ()

    def _look(self, order: LaneOrder, lane: _Lane, place: tuple[int, int]) -> list[Row]:
        return self._session.fetch_all(
            "events/queue/claim",
            lane=order.lane,
            lanes=order.lanes,
            most=order.most,
            functions=list(order.functions),
            after_priority=place[0],
            after_turn=place[1],
            passed_topics=list(lane.passed),
            done_topics=list(lane.done),
            done_turns=list(lane.done.values()),
        )

    def release(self, event: object) -> None:
        """Give up an event that is held beyond the transaction, ended or not."""
        self._session.fetch_all("events/queue/release", id=_stored(event).id)

    def complete(self, runs: Sequence[EndedEvent]) -> Statement:
        """Return the statement that removes events which succeeded, or were discarded, and logs them."""
        events = [_stored(run.event) for run in runs]
        self._completed += events
        return Statement.of(
            "events/queue/complete",
            ids=[event.id for event in events],
            merged_ids=[merged for event in events for merged in event.merged_ids],
            starts=[run.started_at for run in runs],
            took_ms=[run.seconds * 1000 for run in runs],
            messages=[run.message for run in runs],
            outputs=[run.output or None for run in runs],
            worker=self._worker,
        )

    def fail(self, run: EndedEvent) -> Statement:
        """Return the statement that puts an event off, or among the dead after its last attempt, and logs it."""
        return Statement.of(
            "events/queue/fail",
            id=_stored(run.event).id,
            err_message=run.message,
            output=run.output or None,
            started_at=run.started_at,
            took_ms=run.seconds * 1000,
            worker=self._worker,
        )

    def put_off(self, event: object, wait: timedelta) -> Statement:
        """Return the statement that lets an event wait, and its topic with it, without an attempt being used up."""
        return Statement.of("events/queue/put_off", id=_stored(event).id, seconds=wait.total_seconds())


@dataclass(frozen=True)
class QueueSurvey:
    """How much waits, how many seconds the oldest of what may run has waited, and how much is dead."""

    waiting: int
    oldest_seconds: float | None
    dead: int


class EventUpkeep:
    """What is asked of the queue and done to it beside the work."""

    def __init__(self, session: Session) -> None:
        """Read and write through this connection, which is not in a transaction."""
        self._session = session

    def take_in(self, most: int = _TAKEN_IN_AT_ONCE) -> int | None:
        """Take what triggers have noted into the queue, and what has waited long enough among what may run.

        Returns:
            How many were taken in, at most `most`; None if somebody else is at it.
        """
        with self._session.transaction():
            taken = self._session.fetch_one("events/queue/take_in", most=most).taken
        return None if taken is None else int(taken)

    def recover_workers(self) -> int:
        """Mark what workers had in hand that have died, and return how many workers that were."""
        return int(self._session.fetch_one("events/queue/recover_workers").died)

    def survey(self) -> QueueSurvey:
        """Return how much waits and is dead."""
        row = self._session.fetch_one("events/queue/survey")
        return QueueSurvey(row.waiting, row.oldest_seconds, row.dead)

    def list_status(self, most: int) -> list[Row]:
        """Return how the first events of the queue stand, as `archiver.queue_status` has it."""
        return self._session.fetch_all("events/queue/list_status", most=most)

    def find_status(self, event_id: int) -> Row | None:
        """Return how an event stands, as `archiver.queue_status` has it; None if it has ended well, or never was."""
        rows = self._session.fetch_all("events/queue/info", id=event_id)
        return rows[0] if rows else None

    def retry_dead(self, binding_id: int, ids: Sequence[int] | None = None) -> int:
        """Put dead events of a binding back into the queue, these or all; return how many."""
        wanted = None if ids is None else list(ids)
        return int(self._session.fetch_one("events/queue/retry_dead", binding_id=binding_id, ids=wanted).put_back)

    def suspend_overfull(self) -> list[Row]:
        """Let bindings of which too much waits note nothing more; return number, source and limit of those."""
        return self._session.fetch_all("events/queue/suspend_overfull")

    def prune(self) -> int:
        """Delete what is older than its binding keeps it, and bindings that were ended; return how many rows."""
        deleted = 0
        for statement in ("events/queue/prune_log", "events/queue/prune_dead"):
            while batch := self._session.execute(statement, most=_PRUNED_AT_ONCE):
                deleted += batch
        return deleted + len(self._session.fetch_all("events/queue/prune_bindings"))


def _stored(event: object) -> StoredEvent:
    if not isinstance(event, StoredEvent):
        raise TypeError(f"{event!r} is no event of this queue")
    return event


def _read_event(row: Row) -> Iterable[StoredEvent]:
    """Yield the event of a row, or nothing where the config of its job cannot be read: then it waits."""
    config, key, old_key, payload = (_read(text) for text in (row.config, row.key, row.old_key, row.payload))
    if not isinstance(config, Mapping):
        log.warning("the config of job %s cannot be read, so its events wait", row.job_name)
        return
    unread = (row.payload is not None and payload is None and row.payload != "null") or not isinstance(key, Mapping)
    yield StoredEvent(
        id=row.id,
        merged_ids=tuple(row.merged_ids),
        priority=row.priority,
        turn=row.turn,
        topic_hash=row.topic_hash,
        binding_id=row.binding_id,
        function=row.function_name,
        config=config,
        max_runtime=timedelta(seconds=row.max_runtime_seconds),
        operation=row.operation,
        table=row.source,
        channel=row.channel,
        topic=row.topic,
        key=key if isinstance(key, Mapping) else {},
        old_key=old_key,
        payload=payload,
        truncated=row.truncated or unread,
        queued_at=row.queued_at,
        attempts=row.attempts,
        crashes=row.crashes,
        max_attempts=row.max_attempts,
        is_own=row.is_own,
    )


def _read(text: str | None) -> Any:
    """Return JSON as Python has it, None where it has too many levels; a number of very many digits stays exact."""
    try:
        return None if text is None else json.loads(text, parse_int=_read_integer)
    except RecursionError:
        return None


def _read_integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < _MANY_DIGITS else Decimal(digits)


def _sort_topics(events: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Return the events as they are, but those of each topic by their turns among the places that they have."""
    by_topic: dict[int | None, list[StoredEvent]] = {}
    for event in events:
        by_topic.setdefault(event.topic_hash, []).append(event)
    ordered = {
        topic: iter(sorted(group, key=attrgetter("turn"))) for topic, group in by_topic.items() if topic is not None
    }
    return [event if event.topic_hash is None else next(ordered[event.topic_hash]) for event in events]
