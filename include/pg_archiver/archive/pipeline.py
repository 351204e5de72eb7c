"""A table's windows from the table to the archive in one process, without Airflow: the steps side by side.

While one window is exported, the one before is read back and the rows of the one before that go, each step on a
connection of its own. Windows of few rows go together. They leave in the order in which they came, and a step begins
with one only when the step before it has ended with it: the ledger knows no difference to the tasks of a DAG. A
partition that is due as a whole is dropped when all of its windows have come so far.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from pg_archiver.archive.delete import Deleted, delete_each
from pg_archiver.archive.export import Exported, export
from pg_archiver.archive.export_all import export_turn, plan_turns
from pg_archiver.archive.grouping import MOST_TOGETHER, Turn
from pg_archiver.archive.remove import remove
from pg_archiver.archive.store import store_each
from pg_archiver.domain.tables import Partition
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import Batch, WorkOrder
from pg_archiver.errors import NotEnabled, Stopped
from pg_archiver.ledger.lazy_notes import flush
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.ledger.second_writes import SecondWriteNotes
from pg_archiver.ledger.window_ledger import CountDeleted
from pg_archiver.postgres.session import Session
from pg_archiver.runtime.background import BackgroundWorker
from pg_archiver.runtime.failures import Failures
from pg_archiver.s3.bucket import Bucket

# How many exported windows may wait to be read back, and how many of these for their rows to go: the steps take
# turns at being the slowest, and a window that waits costs no memory.
_MOST_WAITING = 8


def archive(
    session: Callable[[str], AbstractContextManager[Session]],
    bucket: Bucket,
    order: WorkOrder,
    windows: Iterable[DueWindow],
    stopping: Callable[[], bool],
    adopt: str | None = None,
) -> Deleted:
    """Export, check and delete the windows; return what became of all their rows. One bad window keeps no other.

    Whether rows may leave is for the caller to know: nothing here asks whether the client is enabled.

    Args:
        session: opens a connection to the client database for the step of this name; it is called three times.
        bucket: where the objects go.
        order: the client and table to work on; the ledger must be there (`WindowLedger.migrate`).
        windows: what `plan` found, in its order.
        stopping: asked between windows, and between delete batches; true ends the work there.
        adopt: why this database acts for the archive from now on, if another one did (`Ownership`).

    Raises:
        OwnedElsewhere: another database acts for this archive; nothing was archived.
        ArchiverError: of the windows that failed, when all have had their turn, or of what concerns them all; then the
            steps end with the windows that they are working on. What was done so far counts. Run it again to continue.
        Stopped: `stopping` said so.
    """
    with open_pipeline(session, bucket, order, stopping) as pipeline:
        pipeline.claim(adopt)
        pipeline.archive(_cut_into_batches(windows))
        pipeline.settle()
        return Deleted(pipeline.totals.rows, pipeline.totals.changed)


@contextmanager
def open_pipeline(
    session: Callable[[str], AbstractContextManager[Session]],
    bucket: Bucket,
    order: WorkOrder,
    stopping: Callable[[], bool],
    count_deleted: CountDeleted | None = None,
) -> Generator[Pipeline]:
    """Open the three connections of the steps; the rest as in `archive`.

    `stopping` is asked by several threads. `count_deleted` is called in each transaction in which rows leave.
    """
    with ExitStack() as exits:
        exporting, checking, removing = (exits.enter_context(session(step)) for step in ("export", "store", "delete"))
        yield Pipeline(exporting, checking, removing, bucket, order, stopping, count_deleted)


@dataclass
class Totals:
    """What came of all batches: rows that left, and that had changed and stayed; bytes of objects, partitions."""

    windows: int = 0
    rows: int = 0
    changed: int = 0
    object_bytes: int = 0
    partitions: int = 0


def _cut_into_batches(windows: Iterable[DueWindow]) -> Iterator[Batch]:
    """Yield the windows in batches of as many as may go together."""
    left = iter(windows)
    while some := tuple(islice(left, MOST_TOGETHER)):
        yield Batch(some)


@dataclass(frozen=True)
class _Turn:
    """Windows that go from step to step together; without any, the end of the windows of a partition."""

    windows: tuple[DueWindow, ...]
    partition: Partition | None


@dataclass
class Pipeline:
    """The steps of one table, each with its connection, through which batches go."""

    exporting: Session
    checking: Session
    removing: Session
    bucket: Bucket
    order: WorkOrder
    stopping: Callable[[], bool]
    count_deleted: CountDeleted | None = None
    totals: Totals = field(default_factory=Totals)

    def __post_init__(self) -> None:
        """Start without failures, and without an answer whether this database acts for the archive."""
        sessions = (self.exporting, self.checking, self.removing)
        self._not_exported, self._not_checked, self._not_removed = map(Failures, sessions)
        self._ownership = Ownership(self.removing, self.bucket, self.order)
        # The checked windows of the partition that is to be dropped.
        self._ready: list[DueWindow] = []
        self._begun = False

    def claim(self, adopt: str | None = None) -> None:
        """Let this database act for the archive (`Ownership.claim`)."""
        self._ownership.claim(adopt)
        SecondWriteNotes(self.removing, self.bucket, self.order).find_out()

    def archive(self, batches: Iterable[Batch]) -> None:
        """Take the batches through all steps. A window that fails keeps no other one; `settle` tells.

        Raises:
            ArchiverError: something that concerns all windows; the steps end with those that they are working on.
            Stopped: `stopping` said so.
        """
        with (
            BackgroundWorker(self._remove, _MOST_WAITING, "delete") as removals,
            BackgroundWorker(self._make_check(removals), _MOST_WAITING, "store") as checks,
        ):
            for batch in batches:
                self._begun = True
                for windows in self._cut(batch):
                    if self.stopping():
                        raise Stopped(f"window {windows[0]}: stopped before its export. Run it again to continue")
                    if passed := self._export(windows):
                        checks.submit(_Turn(passed, batch.partition))
                if batch.partition:
                    checks.submit(_Turn((), batch.partition))
            checks.join()
            removals.join()

    def settle(self) -> None:
        """Wait until what was done is kept, and fail if any window did.

        Raises:
            ArchiverError: of the windows that failed, or because of what is not certain to be kept.
        """
        if self._begun:
            self._not_removed.end_with(partial(flush, self.removing))
        self._not_exported.settle(self._not_checked, self._not_removed)

    def _cut(self, batch: Batch) -> Iterator[tuple[DueWindow, ...]]:
        """Yield windows of few rows together, and each other one by itself, so that the steps go side by side."""
        for turn in plan_turns(self.exporting, self.order, batch.windows):
            yield from [turn.windows] if turn.together else [(window,) for window in turn.windows]

    def _export(self, windows: tuple[DueWindow, ...]) -> tuple[DueWindow, ...]:
        """Export the windows; return those that did not fail."""
        done: dict[DueWindow, Exported] = {}
        if len(windows) > 1:
            turn = Turn(windows, together=True)
            done = export_turn(self.exporting, self.bucket, self.order, turn, self._not_exported)
        else:
            with self._not_exported.collect(windows[0]):
                done[windows[0]] = export(self.exporting, self.bucket, self.order, windows[0])
        self.totals.windows += sum(one.rows > 0 for one in done.values())
        self.totals.object_bytes += sum(one.object_bytes for one in done.values())
        return tuple(window for window in windows if window in done)

    def _check(self, windows: tuple[DueWindow, ...]) -> tuple[DueWindow, ...]:
        """Check the windows; return those that did not fail."""
        checked = store_each(self.checking, self.bucket, self.order, windows, self._not_checked)
        return tuple(window for window in windows if window in checked)

    def _make_check(self, removals: BackgroundWorker[_Turn]) -> Callable[[_Turn], None]:
        def check(turn: _Turn) -> None:
            if not turn.windows:
                removals.submit(turn)
            elif passed := self._check(turn.windows):
                removals.submit(_Turn(passed, turn.partition))

        return check

    def _remove(self, turn: _Turn) -> None:
        if turn.windows and turn.partition:
            self._ready += turn.windows
        elif turn.windows:
            results = delete_each(
                *(self.removing, self.bucket, self.order, turn.windows),
                *(self._stops, self._not_removed, self.count_deleted),
            )
            for deleted in results.values():
                self._add(deleted)
        elif turn.partition:
            batch, self._ready = Batch(tuple(self._ready), turn.partition), []
            with self._not_removed.collect(turn.partition):
                self._remove_partition(batch)

    def _remove_partition(self, batch: Batch) -> None:
        if self.stopping():
            raise Stopped(f"{batch.partition}: stopped before it was dropped. Run it again to continue")
        try:
            deleted, dropped = remove(
                self.removing, self.bucket, self.order, batch, self._stops, self._confirm, self.count_deleted
            )
        except NotEnabled as reason:
            # By then the partition is in its table again: whoever has no use for the run may have none for a next one.
            raise Stopped(str(reason)) from None
        self._add(deleted)
        self.totals.partitions += dropped is not None

    def _add(self, deleted: Deleted) -> None:
        self.totals.rows += deleted.rows
        self.totals.changed += deleted.changed

    def _stops(self) -> bool:
        if self.stopping():
            return True
        self._ownership.reconfirm()
        return False

    def _confirm(self) -> None:
        """Confirm once more: loading a partition's lists, and waiting for its detach, may have taken a while."""
        if self.stopping():
            raise NotEnabled("a partition was not dropped, because the work was told to end. It is whole")
        self._ownership.confirm()
