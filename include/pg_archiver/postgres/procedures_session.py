"""The session in which procedures of users run: with the database's own settings, by a login of its own."""

from __future__ import annotations

from pg_archiver.postgres.session import Session


class ProceduresSession(Session):
    """One connection to a client database in which code of its users runs, and nothing of this program."""
