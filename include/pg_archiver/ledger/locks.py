"""The names of the advisory locks that keep work on one table, or on one job, apart."""

from __future__ import annotations

import json

from pg_archiver.domain.tables import TableName
from pg_archiver.domain.windows import Window
from pg_archiver.domain.work import TableOrder


def window_lock(table: TableName, cell: Window) -> str:
    """The name of the lock under which one window is worked on: exported, checked, deleted or restored."""
    return json.dumps(["archiver", table.schema, table.name, str(cell.start), str(cell.end)])


def partition_lock(table: TableName, oid: int) -> str:
    """The name of the lock under which the partition of this table with this oid is dropped or brought back."""
    return json.dumps(["archiver", table.schema, table.name, "partition", oid])


def detach_lock(parent: TableName) -> str:
    """The name of the lock under which partitions of this parent are detached, one after the other."""
    return json.dumps(["archiver", parent.schema, parent.name, "detach"])


def rewrite_lock(order: TableOrder) -> str:
    """Return the name of the lock that whoever deletes rows of this table, or reads them before that, shares.

    Whoever rewrites the table holds it alone: what was exported before a rewrite has to be exported again after it.
    """
    return f"archiver rewrite {order.client}/{order.table}"


def maintenance_lock(order: TableOrder) -> str:
    """Return the name of the lock that whoever maintains this table holds."""
    return f"archiver maintenance {order.client}/{order.table}"


def control_lock(source_database: str, job_id: int) -> str:
    """Return the name of the lock, in the database where a job acts, of the session that controls its run.

    A procedure may give up all locks of its own session, so the run of a job is known by two, in two sessions.
    `ledger/jobs/at_work.sql` knows the names of both.
    """
    return f"archiver job control {source_database} {job_id}"


def execute_lock(source_database: str, job_id: int) -> str:
    """Return the name of the lock, in the database where a job acts, of the session that executes its procedure."""
    return f"archiver job execute {source_database} {job_id}"


def events_at_work_lock() -> str:
    """Return the name of the lock that workers of events share while they look by themselves, so that nobody is told.

    `sql/events/migrations/0004_capture.sql` knows it too.
    """
    return "archiver events at work"


def channel_lock(channel: str) -> str:
    """Return the name of the lock that whoever reads messages from outside for this channel holds."""
    return f"archiver events channel {channel}"
