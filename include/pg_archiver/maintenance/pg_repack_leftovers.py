"""What a pg_repack that was killed leaves behind: a log that takes in every change, until somebody removes it."""

from __future__ import annotations

import logging
from datetime import timedelta

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import Busy
from pg_archiver.maintenance.inspection import TablePart
from pg_archiver.postgres.session import Session
from pg_archiver.runtime.lock_retry import LockRetry

log = logging.getLogger(__name__)


def remove_leftovers(session: Session, part: TablePart, patience: LockRetry) -> str:
    """Remove what a pg_repack that was killed left of its work on this table; return what that was, human-readable.

    Raises:
        Busy: a pg_repack is at work on it.
        LockWait: no try got the table's lock.
        DatabaseRefused: this role may not.
    """
    left = _leftovers(session, part)
    if not left:
        return ""
    if not session.fetch_one("maintenance/pg_repack/lock", oid=part.oid).taken:
        raise Busy(f"a pg_repack is running on {part.table}. This run stops here and may be run again")
    try:
        patience.run(lambda: _remove(session, part, patience), f"removing what pg_repack left of {part.table}")
    finally:
        if not session.closed:
            session.fetch_all("maintenance/pg_repack/unlock", oid=part.oid)
    told = f"removed what a pg_repack that broke off had left: {', '.join(left)}"
    log.info("%s: %s", part.table, told)
    return told


def _leftovers(session: Session, part: TablePart) -> list[str]:
    return [f"{row.kind} {row.name}" for row in session.fetch_all("maintenance/pg_repack/leftovers", oid=part.oid)]


def _remove(session: Session, part: TablePart, patience: LockRetry) -> None:
    with session.timeouts(lock=patience.lock, statement=timedelta(minutes=10)), session.transaction():
        session.execute("maintenance/pg_repack/lock_table", {"table": part.table})
        session.execute("maintenance/pg_repack/drop_trigger", {"table": part.table})
        # The log has a column of the type.
        for statement, name in (("drop_table", "log"), ("drop_table", "table"), ("drop_type", "pk")):
            session.execute(
                f"maintenance/pg_repack/{statement}", {"leftover": TableName("repack", f"{name}_{part.oid}")}
            )
