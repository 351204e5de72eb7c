"""The events of tables of which the last versions of each key stay: requests, a row each, to look at a key again.

What is claimed is locked until the transaction ends, and is free again if that does not commit. So a request is there
until its versions are gone and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pg_archiver.ledger.jobs import JobKey
from pg_archiver.postgres.session import Session

_MOST_EVENTS = 10_000
# The function that comes with this program; `runnable_bindings` names it as that of jobs which delete.
KEEP_VERSIONS = "archiver.keep_versions"


@dataclass(frozen=True)
class Bound:
    """A job whose events may run now, and its bindings."""

    job_id: int
    bindings: tuple[int, ...]


@dataclass(frozen=True)
class WaitingKeys:
    """How many keys wait, counted up to what was asked for, and for how many seconds the first has; 0 for none."""

    keys: int
    seconds: float


@dataclass(frozen=True)
class KeyEvents:
    """All events at hand of one key, the first of them first.

    `key` is a JSON object of the key's columns, as text; `seconds` is how long the first has waited.
    """

    key: str
    ids: tuple[int, ...]
    seconds: float


class VersionEvents:
    """These events in the queue of one database, by the session of the archiver's own login."""

    def __init__(self, session: Session) -> None:
        """Read and write through this session."""
        self._session = session

    def list_bound(self) -> list[Bound]:
        """Return the jobs whose events may run now: neither paused nor refused, and rehearsed as they are defined."""
        return [
            Bound(row.job_id, tuple(row.bindings)) for row in self._session.fetch_all("events/versions/list_bindings")
        ]

    def look(self, bindings: Sequence[int], lane: int, lanes: int, most: int) -> WaitingKeys:
        """Return what waits in a lane, counted up to so many keys."""
        row = self._session.fetch_one(
            "events/versions/look", bindings=list(bindings), lane=lane, lanes=lanes, most=most
        )
        return WaitingKeys(row.keys, row.oldest_seconds or 0.0)

    def claim(self, bindings: Sequence[int], lane: int, lanes: int, most: int) -> list[KeyEvents]:
        """Lock what waits of the keys that have waited longest, so many at most, until the transaction ends."""
        rows = self._session.fetch_all(
            "events/versions/claim",
            bindings=list(bindings),
            lane=lane,
            lanes=lanes,
            most_keys=most,
            most_events=_MOST_EVENTS,
        )
        ids: dict[str, list[int]] = {}
        seconds: dict[str, float] = {}
        for row in rows:
            ids.setdefault(row.key, []).append(row.id)
            seconds[row.key] = max(row.seconds, seconds.get(row.key, 0.0))
        return [KeyEvents(key, tuple(of_key), seconds[key]) for key, of_key in ids.items()]

    def complete(self, events: Sequence[KeyEvents]) -> None:
        """Remove what was worked off, in the transaction of the work."""
        now = datetime.now(UTC)
        self._session.fetch_one(
            "events/queue/complete",
            ids=[one.ids[0] for one in events],
            merged_ids=[number for one in events for number in one.ids[1:]],
            starts=[now] * len(events),
            took_ms=[0.0] * len(events),
            messages=[None] * len(events),
            outputs=[None] * len(events),
            worker=KEEP_VERSIONS,
        )

    def put_off(self, event: KeyEvents, seconds: float) -> None:
        """Let a key wait for so long; what waits of it is one from now on."""
        self._session.fetch_all("events/queue/put_off", id=event.ids[0], seconds=seconds)
        self._merge(event)

    def fail(self, event: KeyEvents, message: str) -> bool:
        """Count a failure of a key, which comes again later; return whether it was the last, and it is dead."""
        outcome = self._session.fetch_one(
            "events/queue/fail",
            id=event.ids[0],
            err_message=message,
            output=None,
            started_at=datetime.now(UTC),
            took_ms=0.0,
            worker=KEEP_VERSIONS,
        ).outcome
        self._merge(event)
        return bool(outcome == "dead")

    def count(self, key: JobKey, keys: int, rows: int, size: int, highest: str | None) -> bool:
        """Count what goes in this transaction for events; return False if the job is gone.

        Args:
            key: the job.
            keys: how many keys were worked off.
            rows: how many versions go, of `size` bytes.
            highest: the highest of them; None if none goes.
        """
        counted = self._session.execute(
            "ledger/jobs/count_versions",
            job_id=key.job_id,
            database=key.database,
            keys=keys,
            rows=rows,
            bytes=size,
            highest_version=highest,
        )
        return counted == 1

    def _merge(self, event: KeyEvents) -> None:
        """Leave the first of a key's events alone."""
        if len(event.ids) > 1:
            self.complete([KeyEvents(event.key, event.ids[1:], event.seconds)])
