"""How the queue of events of one database stands for whoever is to work on it, and what of it needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class Ready:
    """What could run now: how many events, how many of them side by side, and how long the first has waited."""

    events: int
    topics: int
    oldest_seconds: float | None


@dataclass(frozen=True)
class Trouble:
    """A binding that needs a person.

    Attributes:
        binding_id: its number.
        job_name: its job.
        watched: the table, the channel, or that it is a schedule.
        max_waiting: how many of its events may wait.
        is_suspended: whether it notes nothing more, since more waited.
        is_without_job: whether its job is gone, so that nobody runs its events.
        dead: how many of its events are dead.
    """

    binding_id: int
    job_name: str
    watched: str
    max_waiting: int | None
    is_suspended: bool
    is_without_job: bool
    dead: int


@dataclass(frozen=True)
class HeldIntake:
    """How long the oldest event has waited to be taken into the queue, and a session that keeps others from doing it.

    None stands for none.
    """

    waited_seconds: float | None
    pid: int | None


class EventSurvey:
    """A look at the queue of one database."""

    def __init__(self, session: Session) -> None:
        """Read through this connection."""
        self._session = session

    def count_ready(self, functions: Sequence[str], most: int) -> Ready:
        """Return what could run now by these functions, counted up to `most`."""
        row = self._session.fetch_one("events/queue/ready", functions=list(functions), most=most)
        return Ready(row.events, row.topics, row.oldest_seconds)

    def list_lanes_at_work(self) -> list[int]:
        """Return the lane of each worker that is alive."""
        return [row.lane for row in self._session.fetch_all("events/queue/workers_at_work")]

    def list_refused(self) -> list[tuple[str, int]]:
        """Return the jobs that are refused, with how many of their events have waited for ten minutes or longer."""
        return [(row.job_name, row.events) for row in self._session.fetch_all("events/queue/list_refused")]

    def list_troubles(self) -> list[Trouble]:
        """Return the bindings that need a person."""
        rows = self._session.fetch_all("events/queue/list_troubles")
        return [
            Trouble(
                row.binding_id,
                row.job_name,
                row.watched,
                row.max_waiting,
                row.is_suspended,
                row.is_without_job,
                row.dead,
            )
            for row in rows
        ]

    def look_at_intake(self) -> HeldIntake:
        """Return how what is yet to be taken into the queue stands."""
        row = self._session.fetch_one("events/queue/intake_held")
        return HeldIntake(row.waited_seconds, row.pid)
