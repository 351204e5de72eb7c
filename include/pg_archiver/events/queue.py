"""What the loop of a worker asks of a queue, and of the notes that workers keep of what they have in hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from pg_archiver.postgres.functions_session import Statement


class QueuedEvent(Protocol):
    """An event as the queue hands it out, with what its binding and its job say."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def function(self) -> str:
        """The name of the function that its job runs."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The config of that job."""

    @property
    def operation(self) -> str:
        """What happened."""

    @property
    def table(self) -> str | None:
        """The table, as `schema.table`; None if it is of a channel or a schedule."""

    @property
    def channel(self) -> str | None:
        """The channel; None if it is not of one."""

    @property
    def topic(self) -> str:
        """Its topic."""

    @property
    def key(self) -> Mapping[str, Any]:
        """The values of the key columns."""

    @property
    def old_key(self) -> Mapping[str, Any] | None:
        """What they were before, if an update changed them."""

    @property
    def payload(self) -> Any:
        """What else it carries."""

    @property
    def truncated(self) -> bool:
        """Whether that was too large, and is left out."""

    @property
    def queued_at(self) -> datetime:
        """When it was put into the queue."""

    @property
    def attempts(self) -> int:
        """How often it has failed."""

    @property
    def crashes(self) -> int:
        """How often a worker died that had it in hand; then it is run alone."""

    @property
    def merged(self) -> int:
        """How many events of the same key it stands for beside itself."""

    @property
    def is_ordered(self) -> bool:
        """Whether the events of its topic run one after the other."""

    @property
    def is_own(self) -> bool:
        """Whether its function commits by itself; otherwise its work commits with the event's end."""

    @property
    def max_attempts(self) -> int:
        """After so many failures it is dead."""

    @property
    def max_runtime(self) -> timedelta:
        """How long its function may take."""


@dataclass(frozen=True)
class ClaimOrder:
    """Which events to claim.

    Attributes:
        most: so many at most.
        lane: of topics whose hash modulo `lanes` is this.
        lanes: the number of lanes.
        functions: of functions of these names; the others wait.
        after: on after this event of an earlier claim, in the order of the queue; None begins at the front.
    """

    most: int
    lane: int
    lanes: int
    functions: Sequence[str]
    after: QueuedEvent | None = None


@dataclass(frozen=True)
class EventRun:
    """How the function ran for one event, for its log.

    Attributes:
        event: the event.
        started_at: when it began.
        seconds: how long it took.
        output: what it printed, or "".
        message: why it failed or was discarded; None if it succeeded.
    """

    event: QueuedEvent
    started_at: datetime
    seconds: float
    output: str = ""
    message: str | None = None


class EventQueue(Protocol):
    """The queue of one database, by the session in which its functions run, and in its transactions."""

    def claim(self, order: ClaimOrder) -> Sequence[QueuedEvent]:
        """Lock events that may run now, and return them in the order in which they are to run.

        Of a topic whose events run in order there is none while an earlier one is not among them. One whose function
        commits by itself is held beyond the transaction, until `release`.
        """

    def release(self, event: QueuedEvent) -> None:
        """Give up an event that is held."""

    def complete(self, runs: Sequence[EventRun]) -> Statement:
        """Return the statement that removes events which succeeded, or were discarded, and logs them."""

    def fail(self, run: EventRun) -> Statement:
        """Return the statement that puts an event off, or among the dead after its last attempt, and logs it."""

    def put_off(self, event: QueuedEvent, wait: timedelta) -> Statement:
        """Return the statement that lets an event wait, and its topic with it, without an attempt being used up."""


class Notes(Protocol):
    """What workers note for each other, by a session of its own, so that it is seen while functions run."""

    def register(self) -> None:
        """Note that a worker is there, which lives as long as the session in which its functions run."""

    def note(self, events: Sequence[QueuedEvent]) -> None:
        """Note what it has in hand from now on."""

    def leave(self) -> None:
        """Note that it ends, with nothing in hand."""

    def count_crashes(self) -> int:
        """Count what workers had in hand whose sessions are gone; return how many workers that were."""

    def take_in(self) -> None:
        """Take what was noted by triggers into the queue, and what has waited long enough."""

    def begin_work(self) -> None:
        """Let nobody be sent for: this worker looks by itself every moment."""

    def end_work(self) -> None:
        """Let workers be sent for again."""

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a worker is sent for; return whether one was."""

    def seconds_to_next(self) -> float | None:
        """Return in how many seconds the next event is due that waits, None if none does."""
