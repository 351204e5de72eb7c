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
    """Exports, checks and deletes the windows; returns what became of all their rows. One bad window keeps no other.

    Whether rows may leave is for the caller to know: nothing here asks whether the client is enabled.

    Args:
        session: opens a connection to the client database for the step of this name; it is called three times.
        bucket: where the objects go.
        order: which table of whom; the ledger must be there (`Ledger.migrate`).
        windows: what `plan` found, in its order.
        stopping: asked between windows, and between delete batches; true ends the work there.
        adopt: why this database acts for the archive from now on, if another one did (`Ownership`).

    Raises:
        OwnedElsewhere: another database acts for this archive; nothing was archived.
        ArchiverError: of the windows that failed, when all have had their turn, or of what concerns them all; then the
            steps end with the windows that they have in hand. Everything done so far counts. Run it again to go on.
        Stopped: `stopping` said so.
    """
    deleted: list[Deleted] = []
    with ExitStack() as exits:
        exporting, checking, removing = (exits.enter_context(session(step)) for step in ("export", "store", "delete"))
        failures = [Failures(one) for one in (exporting, checking, removing)]
        not_exported, not_checked, not_removed = failures
        ownership = Ownership(removing, bucket, order)
        ownership.claim(adopt)

        def stops() -> bool:
            if stopping():
                return True
            ownership.reconfirm()
            return False

        def remove(window: DueWindow) -> None:
            with not_removed.collect(window):
                deleted.append(delete(removing, bucket, order, window, stops))

        removals = exits.enter_context(BackgroundWorker(remove, _MOST_WAITING, "delete"))

        def check(window: DueWindow) -> None:
            with not_checked.collect(window) as turn:
                store(checking, bucket, order, window)
            if turn.passed:
                removals.submit(window)

        checks = exits.enter_context(BackgroundWorker(check, _MOST_WAITING, "store"))
        for window in windows:
            if stopping():
                raise Stopped(f"window {window}: stopped before its export; run it again to go on")
            with not_exported.collect(window) as turn:
                export(exporting, bucket, order, window)
            if turn.passed:
                checks.submit(window)
        checks.join()
        removals.join()
        for one in failures:
            one.settle()
    return Deleted(sum(one.rows for one in deleted), sum(one.changed for one in deleted))
