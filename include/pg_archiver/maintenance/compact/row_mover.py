"""Moves rows from the end of a heap into free space nearer its front, a few pages in each short transaction.

A row moves by an UPDATE that sets a column to itself. Nobody can lose a row by that, nor a change to it: a concurrent
UPDATE or DELETE waits those few milliseconds and follows the row to its new place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from pg_archiver.errors import LockWait, Stopped
from pg_archiver.maintenance.compact.preconditions import Heap
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names, QualifiedColumn

log = logging.getLogger(__name__)

# A page takes 291 rows of the smallest kind, so a row that is alone on its page leaves it after that many versions.
_MOST_ROUNDS = 300
_MOST_PAGES = 256
# Below this a batch is not faster for being smaller: what it costs are the rounds, and they are the same.
_LEAST_PAGES = 4
MOST_ROWS = _LEAST_PAGES * 300
_LOCK_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class MovePace:
    """How hard to work: seconds that a batch should take, and rest after it as a multiple of what it took.

    A writer that wants a row of the batch waits as long as the batch takes, and no longer than `lock_seconds` more.
    For `patience_seconds` locks and old snapshots of others are waited for.
    """

    batch_seconds: float = 0.025
    rest: float = 1.0
    lock_seconds: float = 0.1
    patience_seconds: float = 60.0


class NoRoom(Exception):
    """A row found no place nearer to the front; the batch was rolled back."""


class _TooMuch(Exception):
    """These pages hold more rows than a batch should move; it was rolled back."""


@dataclass
class MoveStatistics:
    """What was done so far; the longest transaction in milliseconds."""

    rows: int = 0
    batches: int = 0
    longest_ms: float = 0.0


@dataclass(frozen=True)
class Walk:
    """One way from the end towards the front: rows that moved, and pages that were left behind."""

    rows: int
    pages: int


class Mover:
    """A mover of one heap's rows; it knows how many pages make a batch of the right length."""

    def __init__(self, session: Session, part: Heap, tempo: MovePace) -> None:
        """Start with the smallest batches."""
        self._session = session
        self._part = part
        self._tempo = tempo
        self._pages = 1
        self._locked_since: float | None = None
        self.tally = MoveStatistics()

    def walk(self, blocks: int, most: int, stopping: Callable[[], bool], tell: Callable[[int], None]) -> Walk:
        """Empty pages from the end of a heap of `blocks` pages, `most` of them or until there is no room below.

        The free space map has to be fresh from a VACUUM: only then it names the pages at the front first.

        Args:
            blocks: pages that the heap has.
            most: pages to empty at most.
            stopping: asked between batches.
            tell: called between batches with the number of the last page that is still to be done.

        Raises:
            Stopped: `stopping` said so; whatever was moved stays moved.
            LockWait: somebody held a lock on the table for all of the patience.
        """
        beyond, last, filled_to = blocks, max(1, blocks - most), 0
        moved, self._pages = 0, 1
        while beyond > last:
            if stopping():
                raise Stopped(
                    f"{self._part.name}: stopped after {self.tally.rows} moved rows. Run it again to continue"
                )
            # The room ends where the pages being filled meet those being emptied: smaller steps near to it.
            pages = min(self._pages, max(1, (beyond - filled_to) // 8), beyond - last)
            try:
                landed = self._move_batch(beyond - pages, beyond)
            except NoRoom:
                break
            if landed is None:
                continue
            if landed:
                filled_to = min(landed)
            beyond -= pages
            moved += len(landed)
            tell(beyond)
        return Walk(moved, blocks - beyond)

    def _move_batch(self, first: int, beyond: int) -> list[int] | None:
        """Return where the rows of these pages landed; None if a lock was in the way, or it was too much."""
        started = time.monotonic()
        try:
            landed = self._move_rows(first, beyond)
        except LockWait as wait:
            self._wait_for_lock(started, wait)
            return None
        except _TooMuch:
            self._pages = max(_LEAST_PAGES, (beyond - first) // 4)
            return None
        finally:
            seconds = time.monotonic() - started
            self.tally.longest_ms = max(self.tally.longest_ms, seconds * 1000)
        self._locked_since = None
        self.tally.rows += len(landed)
        self.tally.batches += 1
        self._adapt(beyond - first, seconds)
        time.sleep(seconds * self._tempo.rest)
        return landed

    def _wait_for_lock(self, started: float, wait: LockWait) -> None:
        self._locked_since = self._locked_since or started
        if time.monotonic() - self._locked_since > self._tempo.patience_seconds:
            raise wait
        time.sleep(_LOCK_PAUSE_SECONDS)

    def _adapt(self, pages: int, seconds: float) -> None:
        if seconds > self._tempo.batch_seconds:
            self._pages = max(_LEAST_PAGES, pages // 2)
        elif seconds < self._tempo.batch_seconds / 2 and pages >= self._pages:
            self._pages = min(_MOST_PAGES, pages * 2)

    def _move_rows(self, first: int, beyond: int) -> list[int]:
        """Move rows in one transaction; locked rows stay, all others leave these pages, or nothing changes."""
        too_late = time.monotonic() + 2 * self._tempo.batch_seconds
        divisible = beyond - first > _LEAST_PAGES
        table, column = self._part.name, self._part.column
        names: Names = {"table": table, "column": column, "own": QualifiedColumn("moved", column)}
        with self._session.transaction():
            self._session.fetch_all(
                "maintenance/compact/move_settings", lock_timeout=f"{self._tempo.lock_seconds * 1000:.0f}ms"
            )
            # Functions in indexes and constraints are called, and look their names up as for any writer.
            self._session.use_database_search_path(builtins_first=True)
            if self._part.as_replica:
                self._session.fetch_all("maintenance/compact/fire_no_triggers")
            taken = self._session.fetch_all(
                "maintenance/compact/lock_rows",
                {"table": table},
                first=f"({first},0)",
                beyond=f"({beyond},0)",
                most=MOST_ROWS,
            )
            if len(taken) == MOST_ROWS:
                raise _TooMuch
            # Whoever was just changed by others is found at its new place, which may be elsewhere.
            places = [row.place for row in taken if first <= row.block < beyond]
            landed: list[int] = []
            for _ in range(_MOST_ROUNDS):
                if not places:
                    return landed
                if divisible and time.monotonic() > too_late:
                    raise _TooMuch
                versions = self._session.fetch_all("maintenance/compact/move_rows", names, places=places)
                if any(version.block >= beyond for version in versions):
                    raise NoRoom
                landed += [version.block for version in versions if version.block < first]
                places = [version.place for version in versions if version.block >= first]
            raise NoRoom
