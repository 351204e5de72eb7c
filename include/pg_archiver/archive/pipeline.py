"""A table's windows from the table to the archive in one process, without Airflow: the steps side by side.

While one window is exported, the one before is read back and the rows of the one before that go, each step on a
connection of its own. Windows leave in the order in which they came, and a step begins with one only when the step
before it has ended with it: the ledger knows no difference to the tasks of a DAG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack

from pg_archiver.archive.delete import Deleted, delete
from pg_archiver.archive.export import export
from pg_archiver.archive.store import store
from pg_archiver.archive.window_failures import Failures
from pg_archiver.domain.windows import DueWindow
from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import Stopped
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.postgres.session import Session
from pg_archiver.runtime.background import BackgroundWorker
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
    deleted: list[Deleted] = []
    with ExitStack() as exits:
        exporting, checking, removing = (exits.enter_context(session(step)) for step in ("export", "store", "delete"))
        failures = [Failures(one) for one in (exporting, checking, removing)]
        not_exported, not_checked, not_removed = failures
        ownership = Ownership(removing, bucket, order)
        ownership.claim(adopt)

        stops = _make_stop(stopping, ownership)
        remove = _make_removal(removing, bucket, order, not_removed, stops, deleted)
        removals = exits.enter_context(BackgroundWorker(remove, _MOST_WAITING, "delete"))
        check = _make_check(checking, bucket, order, not_checked, removals)
        checks = exits.enter_context(BackgroundWorker(check, _MOST_WAITING, "store"))
        for window in windows:
            if stopping():
                raise Stopped(f"window {window}: stopped before its export. Run it again to continue")
            with not_exported.collect(window) as turn:
                export(exporting, bucket, order, window)
            if turn.passed:
                checks.submit(window)
        checks.join()
        removals.join()
        for one in failures:
            one.settle()
    return Deleted(sum(one.rows for one in deleted), sum(one.changed for one in deleted))


def _make_stop(stopping: Callable[[], bool], ownership: Ownership) -> Callable[[], bool]:
    def stops() -> bool:
        if stopping():
            return True
        ownership.reconfirm()
        return False

    return stops


def _make_removal(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    failures: Failures,
    stops: Callable[[], bool],
    deleted: list[Deleted],
) -> Callable[[DueWindow], None]:
    def remove(window: DueWindow) -> None:
        with failures.collect(window):
            deleted.append(delete(session, bucket, order, window, stops))

    return remove


def _make_check(
    session: Session, bucket: Bucket, order: WorkOrder, failures: Failures, removals: BackgroundWorker[DueWindow]
) -> Callable[[DueWindow], None]:
    def check(window: DueWindow) -> None:
        with failures.collect(window) as turn:
            store(session, bucket, order, window)
        if turn.passed:
            removals.submit(window)

    return check
