"""The names of the advisory locks that keep work on one table apart."""

from __future__ import annotations

from pg_archiver.domain.work import WorkOrder


def rewrite_lock(order: WorkOrder) -> str:
    """The name of the lock that the archive shares while it reads or deletes a window of this table.

    Whoever rewrites the table holds it alone: what was exported before a rewrite has to be exported again after it.
    """
    return f"archiver rewrite {order.client}/{order.table}"


def maintenance_lock(order: WorkOrder) -> str:
    """The name of the lock that whoever maintains this table holds."""
    return f"archiver maintenance {order.client}/{order.table}"
