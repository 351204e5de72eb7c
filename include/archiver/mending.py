"""What a pg_repack that was killed leaves behind: a log that takes in every change, until somebody removes it."""

from __future__ import annotations

import logging
from datetime import timedelta

from include.archiver.condition import Part
from include.archiver.database import Database
from include.archiver.errors import Busy
from include.archiver.models import TableName
from include.archiver.patience import Patience

log = logging.getLogger(__name__)


def mend(database: Database, part: Part, patience: Patience) -> str:
    """Removes what a pg_repack that was killed left of its work on this table; returns what that was, in words.

    Raises:
        Busy: a pg_repack is at work on it.
        LockWait: no try got the table's lock.
        DatabaseRefused: this role may not.
    """
    left = _leftovers(database, part)
    if not left:
        return ""
    if not database.one("repack/lock", oid=part.oid).taken:
        raise Busy(f"a pg_repack is at work on {part.table}; this run stops here and may be run again")
    try:
        patience.tried(lambda: _remove(database, part, patience), f"removing what pg_repack left of {part.table}")
    finally:
        if not database.closed:
            database.all("repack/unlock", oid=part.oid)
    told = f"removed what a pg_repack that broke off had left: {', '.join(left)}"
    log.info("%s: %s", part.table, told)
    return told


def _leftovers(database: Database, part: Part) -> list[str]:
    return [f"{row.kind} {row.name}" for row in database.all("repack/leftovers", oid=part.oid)]


def _remove(database: Database, part: Part, patience: Patience) -> None:
    with database.limits(lock=patience.lock, statement=timedelta(minutes=10)), database.transaction():
        database.change("repack/hold", {"table": part.table})
        database.change("repack/drop_trigger", {"table": part.table})
        # The log has a column of the type.
        for statement, name in (("drop_table", "log"), ("drop_table", "table"), ("drop_type", "pk")):
            database.change(f"repack/{statement}", {"leftover": TableName("repack", f"{name}_{part.oid}")})
