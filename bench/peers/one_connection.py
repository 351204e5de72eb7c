"""Ours as the one task of a small table does it: the steps one after the other, by one connection.

`BENCH_TOGETHER=1` has each window go through them by itself, as one does that no other follows.
"""

from __future__ import annotations

import os
from typing import Any

from bench.peers.opening import open_task
from pg_archiver.archive.export_all import export_all
from pg_archiver.archive.grouping import MOST_TOGETHER
from pg_archiver.archive.remove import remove
from pg_archiver.archive.store import store_all
from pg_archiver.archive.take_over import take_over
from pg_archiver.domain.work import Batch
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.postgres.session import Session

_TOGETHER = int(os.environ.get("BENCH_TOGETHER", MOST_TOGETHER))


def work(task: dict[str, Any]) -> None:
    """Plans the policy file's one table as of now and archives all that is due."""
    opened = open_task(task)
    bucket, order = opened.bucket, opened.order
    with Session.connect(opened.connect, opened.database, "archiver bench archive") as session:
        found = opened.plan(session)
        take_over(session, bucket, order, found)
        windows = [window for batch in found.batches for window in batch]
        ownership = Ownership(session, bucket, order)
        for first in range(0, len(windows), _TOGETHER):
            batch = Batch(tuple(windows[first : first + _TOGETHER]))
            export_all(session, bucket, order, batch.windows)
            store_all(session, bucket, order, batch.windows)
            ownership.confirm()
            remove(session, bucket, order, batch, lambda: False, ownership.confirm)
