"""The ledger under two roles: the archive's makes and owns it, and lets that of maintenance keep its own lines there.

A table of the ledger that the role of maintenance made would be its own, and shut the archive out of its ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from pg_archiver.domain.work import WorkOrder
from pg_archiver.errors import RightMissing
from pg_archiver.ledger.dag_runs import warn_of_lost_statistics
from pg_archiver.ledger.migrations import LEDGER, SCHEMA, list_migrations
from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres.session import Session


def ensure_maintenance_log(
    session: Session, order: WorkOrder, open_archive: Callable[[], AbstractContextManager[Session]]
) -> None:
    """See to it that this session may note in the ledger what it maintains, and never make the ledger itself.

    Args:
        session: the session of maintenance; not in a transaction.
        order: the client and table to work on.
        open_archive: opens a session of the archive's own role in the same database; only if something is missing.

    Raises:
        RightMissing: the archive's role could not give the rights, since the ledger is not its own.
    """
    if _may_keep(session):
        _ensure_statistics(session, open_archive)
        return
    rights = session.fetch_one("ledger/maintenance/rights")
    with open_archive() as archive:
        WindowLedger(archive, order).migrate()
        if not rights.in_schema:
            archive.execute("ledger/maintenance/let_in", {"role": rights.role})
        archive.execute("ledger/maintenance/let_read", {"role": rights.role})
        archive.execute("ledger/maintenance/let_write", {"role": rights.role})
        archive.execute("ledger/maintenance/let_write_runs", {"role": rights.role})
    if not _may_keep(session):
        raise RightMissing(
            f"role {rights.role!r}, of the policy file's maintenance_conn_id, may not keep the ledger of database "
            f"{session.name}, and the archive's role could not let it, since schema {SCHEMA} or its tables belong to "
            "another. Nothing was done. Fix: run include/sql/roles/maintenance.sql there as the schema's owner, and "
            "make the archive's role the tables' owner with ALTER TABLE ... OWNER TO"
        )


def _ensure_statistics(session: Session, open_archive: Callable[[], AbstractContextManager[Session]]) -> None:
    """See to it that statistics may be written too; what cannot be given is told when they are."""
    rights = session.fetch_one("ledger/maintenance/rights")
    if not rights.in_statistics:
        with warn_of_lost_statistics(session.name), open_archive() as archive:
            archive.execute("ledger/maintenance/let_write_runs", {"role": rights.role})


def _may_keep(session: Session) -> bool:
    """Return whether the ledger is there, of this version, and open to this session."""
    rights = session.fetch_one("ledger/maintenance/rights")
    if not (rights.in_schema and rights.in_tables):
        return False
    done = {row.number for row in session.fetch_all("ledger/schema/migrations_done", stream=LEDGER)}
    return all(number in done for number, _ in list_migrations() if number > 1)
