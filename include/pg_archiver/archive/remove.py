"""remove: a batch's archived rows leave, window by window, or all at once with the partition that they are."""

from __future__ import annotations

from collections.abc import Callable

from pg_archiver.archive.delete import Deleted, delete_all
from pg_archiver.archive.drop_partition import bring_back, drop
from pg_archiver.domain.work import Batch, WorkOrder
from pg_archiver.ledger.partition_drops import Dropped
from pg_archiver.ledger.window_ledger import CountDeleted
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket


def remove(
    session: Session,
    bucket: Bucket,
    order: WorkOrder,
    batch: Batch,
    stopping: Callable[[], bool],
    confirm: Callable[[], None],
    count_deleted: CountDeleted | None = None,
) -> tuple[Deleted, Dropped | None]:
    """Delete the rows of the batch, or drop its partition; return what became of them, and the partition that is gone.

    Args:
        session: a session on the client database.
        bucket: where the objects are.
        order: the client and table to work on.
        batch: windows, or a whole partition with its windows.
        stopping: asked between delete batches; true ends the step there.
        confirm: called before a partition is dropped; what it raises keeps it.
        count_deleted: called in each transaction in which rows leave, with their number.

    Raises:
        Stopped: `stopping` said so.
        ArchiverError: of each window that failed, when all have had their turn, or of the partition.
    """
    partition = batch.partition
    if partition and (partition.back or order.versions):
        # Of a table that keeps versions since, no partition goes with all that it holds.
        bring_back(session, order, partition)
    elif partition and (dropped := drop(session, bucket, order, partition, confirm, count_deleted)):
        return Deleted(dropped.rows, 0), dropped
    results = delete_all(session, bucket, order, batch.windows, stopping, count_deleted)
    return Deleted(sum(one.rows for one in results), sum(one.changed for one in results)), None
