"""Which past of which database a session is in: asked once, and of some servers in vain."""

from __future__ import annotations

from contextlib import nullcontext

from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused
from pg_archiver.ledger.notes_of_stayed_rows import Past
from pg_archiver.postgres.session import Row, Session


def read_past(session: Session) -> Past:
    """Return which past of the database this is, if the server tells; it stays the same for a session."""
    if not isinstance(session.past, Past):
        session.past = _ask_past(session)
    return session.past


def _ask_past(session: Session) -> Past:
    """Ask for both at once; where one of them is kept back, for each by itself."""
    if both := _ask(session, "ledger/windows/past"):
        return Past(both.identifier, int(both.timeline))
    allowed = _ask(session, "ledger/windows/may_identify")
    identity = _ask(session, "archive/export/system_identifier") if allowed and allowed.may_identify else None
    timeline = _ask(session, "archive/export/timeline")
    return Past(identity.identifier if identity else None, int(timeline.timeline) if timeline else None)


def _ask(session: Session, statement: str) -> Row | None:
    """Return what a server may keep to itself, as a standby or a service that hides its log does; then None."""
    try:
        # A savepoint where a transaction is open, so that its error ends nothing else.
        with session.transaction() if session.in_transaction else nullcontext():
            return session.fetch_one(statement)
    except (DatabaseRefused, DatabaseInterrupted):
        if session.closed:
            raise
        return None
