"""compact: gives the disk space of deleted rows back while everybody continues to work.

It never changes what a row holds, never takes a lock that others wait for longer than a blink, and needs next to no
extra disk. It keeps no state: each start looks at the table as it is, so it may be stopped or killed at any moment.

1. VACUUM, so that the free space map names the pages at the front first.
2. Move rows from the last pages to the front, a few pages in each short transaction.
3. VACUUM again: it removes what the moves left behind and cuts the empty end off. Then on with 2.
4. Rebuild the indexes that are bloated, CONCURRENTLY.

Row versions that an old snapshot may still see cannot be removed, so moving them would make the table larger: it looks
for such snapshots first, and never has more than one stretch of moved rows waiting to be cut off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from pg_archiver.domain.sizes import Sizes, format_bytes
from pg_archiver.domain.tables import TableName
from pg_archiver.domain.wording import say_count
from pg_archiver.errors import DatabaseRefused, Stopped
from pg_archiver.maintenance.bloat import measure_heap
from pg_archiver.maintenance.compact.preconditions import Heap, find_heaps
from pg_archiver.maintenance.compact.reindex import Bloat, drop_leftovers, rebuild_bloated
from pg_archiver.maintenance.compact.row_mover import MovePace, Mover
from pg_archiver.maintenance.disk_room import IndexRoom
from pg_archiver.postgres.session import Row, Session
from pg_archiver.postgres.snapshot_holders import wait_until_free
from pg_archiver.runtime.log_interval import LogInterval

log = logging.getLogger(__name__)

# VACUUM cuts off an end of 1000 pages, or of a sixteenth of the table, and nothing smaller.
_CUT_PAGES = 1000
_CUT_SHARE = 16
# The table is cut about this many times on the way, so that space comes back early.
_STRETCHES = 10
_LEAST_STRETCH_PAGES = 1024
_FRUITLESS_CUTS = 3
_STATEMENT_TIMEOUT = timedelta(hours=12)
_LOCK_TIMEOUT = timedelta(seconds=10)
_MARGIN_PERCENT = 10
_NOT_CUT = (
    "VACUUM could not cut the end off: rows there are locked or came anew, or the table is never without a lock. Run "
    "it again at a quieter time"
)


@dataclass(frozen=True)
class Compacted:
    """What it came to.

    `longest_ms` is the longest transaction that moved rows, in milliseconds: no writer waited longer for it. `ended`
    says why it ended, `held` whether that was somebody else's old snapshot or lock, so that a later run will do more.
    """

    before: Sizes
    after: Sizes
    rows: int
    batches: int
    longest_ms: float
    ended: str
    held: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CompactOptions:
    """How hard to work and when to rebuild an index.

    `vacuum_cost_delay_ms` slows VACUUM down, 0 not at all. `free_bytes` says what is free on the disk; where nobody
    knows it, a new index gets no more than what was given back before.
    """

    tempo: MovePace = field(default_factory=MovePace)
    bloat: Bloat = field(default_factory=Bloat)
    vacuum_cost_delay_ms: float = 0
    free_bytes: Callable[[], int | None] = lambda: None


def compact(
    session: Session, table: TableName, stopping: Callable[[], bool], effort: CompactOptions | None = None
) -> Compacted:
    """Compact a table, or each partition of it, as far as others let it.

    The caller makes sure that no archive run is working on windows of this table: a moved row has a new version, so a
    list of exported versions no longer matches it. Its rows would stay, and be exported again.

    Args:
        session: a session of its own on the client database.
        table: which table.
        stopping: asked between batches; true ends the step there.
        effort: how hard to work.

    Raises:
        TableRefused: a privilege is missing, or moving rows would trigger more than a move.
        Stopped: `stopping` said so; what was done stays done.
        DatabaseInterrupted: a connection was lost, or somebody held a lock on the table for too long.
    """
    effort = effort or CompactOptions()
    session.fetch_all("maintenance/compact/vacuum_cost", cost_delay=f"{effort.vacuum_cost_delay_ms:g}ms")
    # VACUUM and REINDEX take as long as the table is large.
    with session.timeouts(lock=_LOCK_TIMEOUT, statement=_STATEMENT_TIMEOUT):
        parts = find_heaps(session, table)
        return _sum_up([_compact_heap(_Compaction(session, part, effort, stopping)) for part in parts])


class _GoneError(Exception):
    """The part no longer exists."""


def _compact_heap(work: _Compaction) -> Compacted:
    """Compact one part; if somebody drops it meanwhile, as the archive does when it is due, the others continue."""
    try:
        return work.run()
    except _GoneError:
        return work.gone()
    except DatabaseRefused:
        if work.is_there():
            raise
        return work.gone()


class _Compaction:
    """The work on one heap."""

    def __init__(self, session: Session, part: Heap, effort: CompactOptions, stopping: Callable[[], bool]) -> None:
        self._session = session
        self._part = part
        self._effort = effort
        self._stopping = stopping
        self._mover = Mover(session, part, effort.tempo)
        self._pace = LogInterval()
        self._held = False
        self._notes = list(part.notes)

    def run(self) -> Compacted:
        before = self._sizes()
        self._notes += drop_leftovers(self._session, self._part.oid)
        ended = self._compact_until_done()
        if not self._held:
            self._rebuild(before)
        after = self._sizes()
        if after.toast > after.heap:
            self._notes.append(
                f"TOAST takes {format_bytes(after.toast)} and is not compacted; if most of it is empty, vacuum_full or "
                f"pg_repack gives it back"
            )
        tally = self._mover.tally
        log.info(
            "%s: heap %s to %s, indexes %s to %s, %s moved in %s; %s",
            self._part.name,
            *map(format_bytes, (before.heap, after.heap, before.indexes, after.indexes)),
            *(say_count(tally.rows, "row"), say_count(tally.batches, "batch", "batches"), ended),
        )
        return Compacted(
            before, after, tally.rows, tally.batches, tally.longest_ms, ended, self._held, tuple(self._notes)
        )

    def is_there(self) -> bool:
        """Return whether the part still exists."""
        return bool(self._session.fetch_all("maintenance/compact/sizes", oid=self._part.oid))

    def gone(self) -> Compacted:
        """Return what it came to where the part was dropped in the middle of the work."""
        tally = self._mover.tally
        ended = f"{self._part.name} was dropped meanwhile"
        log.info("%s", ended)
        return Compacted(Sizes(), Sizes(), tally.rows, tally.batches, tally.longest_ms, ended, held=False, notes=())

    def _compact_until_done(self) -> str:
        """Do the work if there is any to do and nobody is in the way, and say why it ended."""
        if held := self._find_holder():
            return f"nothing was moved: {held}"
        self._vacuum()
        self._session.execute("maintenance/compact/analyze", {"table": self._part.name})
        blocks, needed = self._blocks(), self._needed_blocks()
        if blocks <= 1:
            return "nothing to move: the rows are on one page"
        if needed is not None and blocks - needed < _least_cut(blocks):
            return f"nothing to move: the rows need {needed} of {blocks} pages, and VACUUM cuts off no less than 1/16"
        return self._empty_end(blocks, self._teller(blocks, needed or 0))

    def _empty_end(self, blocks: int, tell: Callable[[int], None]) -> str:
        """Move a stretch of rows and cut the end off, in turns, until there is no more to gain; say why it ended."""
        stretch, fruitless = max(_LEAST_STRETCH_PAGES, blocks // _STRETCHES), 0
        while True:
            walk = self._mover.walk(blocks, stretch, self._stopping, tell)
            held = self._find_holder() if walk.rows else ""
            self._vacuum()  # also after a walk that moved nothing: the row that found no room may have made a new page
            if held:
                return f"the moved rows' old versions cannot be removed yet: {held}"
            was, blocks = blocks, self._blocks()
            if was - blocks >= _least_cut(was):
                fruitless = 0
            elif walk.pages < _least_cut(was):
                return "no room is left nearer to the front"
            else:
                fruitless += 1
                if fruitless == _FRUITLESS_CUTS:
                    self._held = True
                    return _NOT_CUT
                self._pause(fruitless)

    def _find_holder(self) -> str:
        """Return who holds on to old row versions for longer than our patience."""
        holders = wait_until_free(self._session, self._effort.tempo.patience_seconds, self._stopping)
        held = "; ".join(map(str, holders))
        if held and self._stopping():
            raise Stopped(f"{self._part.name}: stopped while waiting for {held}. Run it again to continue")
        self._held = bool(held)
        return f"an old snapshot is held by {held}" if held else ""

    def _pause(self, times: int) -> None:
        if self._stopping():
            raise Stopped(f"{self._part.name}: stopped before a further cut. Run it again to continue")
        time.sleep(min(2.0**times, self._effort.tempo.patience_seconds / _FRUITLESS_CUTS))

    def _rebuild(self, before: Sizes) -> None:
        self._session.execute("maintenance/compact/analyze", {"table": self._part.name})
        shrunk = self._sizes().heap / max(1, before.heap)
        no_room = partial(self._no_room, before)
        self._notes += rebuild_bloated(
            self._session, self._part.oid, self._effort.bloat, shrunk, no_room, self._stopping
        )

    def _no_room(self, before: Sizes, index: int) -> str | None:
        """Return why a new index of so many bytes has no room; if the room is unknown, it gets what was given back."""
        given = max(0, before.total - self._sizes().total)
        room = IndexRoom(index, _MARGIN_PERCENT, self._effort.free_bytes(), "by the policy's disk")
        if room.free is None and index > given:
            return (
                f"may take {format_bytes(index)} beside it, and only the {format_bytes(given)} given back "
                f"are known to be free"
            )
        return f"{room}" if room.free is not None and room.free < room.needed else None

    def _vacuum(self) -> None:
        """VACUUM in two steps: while the end is cut off others wait, so nothing may be left to do by then."""
        self._session.execute("maintenance/compact/vacuum", {"table": self._part.name})
        self._session.fetch_one("postgres/snapshots/current_snapshot")  # its commit waits for the disk, up to here
        self._session.execute("maintenance/compact/truncate_end", {"table": self._part.name})

    def _sizes(self) -> Sizes:
        row = self._row("maintenance/compact/sizes")
        return Sizes(row.heap, row.indexes, row.toast)

    def _blocks(self) -> int:
        row = self._row("maintenance/compact/sizes")
        return int(row.main // row.block_size)

    def _needed_blocks(self) -> int | None:
        """Return how many pages the rows need, by the measure of `inspect`; None where nobody knows."""
        part = measure_heap(self._session, self._part.oid, with_indexes=False)
        if part is None:
            raise _GoneError
        if not part.is_known:
            return None
        row = self._row("maintenance/compact/sizes")
        return int(-(-(row.main - part.free.heap) // row.block_size))

    def _row(self, statement: str) -> Row:
        rows = self._session.fetch_all(statement, oid=self._part.oid)
        if not rows:
            raise _GoneError
        return rows[0]

    def _teller(self, blocks: int, needed: int) -> Callable[[int], None]:
        def tell(beyond: int) -> None:
            if self._pace.due():
                done = (blocks - beyond) / max(1, blocks - needed)
                log.info(
                    "%s: %s moved, %s of %s pages emptied, about %d%%",
                    *(self._part.name, say_count(self._mover.tally.rows, "row"), f"{blocks - beyond:,}"),
                    *(f"{blocks:,}", min(99, 100 * done)),
                )

        return tell


def _least_cut(blocks: int) -> int:
    return max(1, min(_CUT_PAGES, blocks // _CUT_SHARE))


def _sum_up(parts: list[Compacted]) -> Compacted:
    return Compacted(
        before=sum((part.before for part in parts), Sizes()),
        after=sum((part.after for part in parts), Sizes()),
        rows=sum(part.rows for part in parts),
        batches=sum(part.batches for part in parts),
        longest_ms=max((part.longest_ms for part in parts), default=0.0),
        ended="; ".join(dict.fromkeys(part.ended for part in parts)) or "the table has no parts that hold rows",
        held=any(part.held for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
