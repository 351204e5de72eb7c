"""A table's windows from the table to the archive in one process, without Airflow: the steps side by side.

While one window is exported, the one before is read back and the rows of the one before that go, each step on a
connection of its own. Windows leave in the order in which they came, and a step begins with one only when the step
before it has ended with it: the ledger knows no difference to the tasks of a DAG. A partition that is due as a whole
is dropped when all of its windows have come so far.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.archive.export import export
from pg_archiver.archive.remove import remove
from pg_archiver.archive.store import store
from pg_archiver.domain.tables import Partition
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import Batch, WorkOrder
from pg_archiver.errors import NotEnabled, Stopped
from pg_archiver.ledger.ownership import Ownership
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
        pipeline.archive(Batch((window,)) for window in windows)
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


@dataclass(frozen=True)
class _Turn:
    """A window that goes from step to step; without one, the end of the windows of a partition."""

    window: DueWindow | None
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

    def claim(self, adopt: str | None = None) -> None:
        """Let this database act for the archive (`Ownership.claim`)."""
        self._ownership.claim(adopt)

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
                for window in batch:
                    if self.stopping():
                        raise Stopped(f"window {window}: stopped before its export. Run it again to continue")
                    if self._export(window):
                        checks.submit(_Turn(window, batch.partition))
                if batch.partition:
                    checks.submit(_Turn(None, batch.partition))
            checks.join()
            removals.join()

    def settle(self) -> None:
        """Fail if any window did.

        Raises:
            ArchiverError: of the windows that failed.
        """
        self._not_exported.settle(self._not_checked, self._not_removed)

    def _export(self, window: DueWindow) -> bool:
        with self._not_exported.collect(window) as turn:
            done = export(self.exporting, self.bucket, self.order, window)
            self.totals.windows += done.rows > 0
            self.totals.object_bytes += done.object_bytes
        return turn.passed

    def _make_check(self, removals: BackgroundWorker[_Turn]) -> Callable[[_Turn], None]:
        def check(turn: _Turn) -> None:
            if turn.window:
                with self._not_checked.collect(turn.window) as checked:
                    store(self.checking, self.bucket, self.order, turn.window)
                if not checked.passed:
                    return
            removals.submit(turn)

        return check

    def _remove(self, turn: _Turn) -> None:
        if turn.window and turn.partition:
            self._ready.append(turn.window)
        elif turn.window:
            with self._not_removed.collect(turn.window):
                self._add(delete(self.removing, self.bucket, self.order, turn.window, self._stops, self.count_deleted))
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
