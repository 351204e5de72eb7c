"""Logging in, and what can be seen of a proxy in front of the server that is said to give each client its own process.

Whether a pooler lends one server process to many clients in turn cannot be asked. But it shows as soon as there is a
second client: that one is then served by the very process which the first one believes to be its own.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, cast

import psycopg
from psycopg.rows import namedtuple_row

from pg_archiver.errors import DatabaseRefused
from pg_archiver.postgres.base_session import PinnedSession, Row
from pg_archiver.postgres.error_translation import translate
from pg_archiver.postgres.statements import compose

# A proxy that has no process left makes the second client wait, which shows as well that it lends out none.
SECOND_CLIENT_SECONDS = 5.0


@contextmanager
def login(name: str) -> Generator[None]:
    """Wrap the opening of a connection to this database: translate its errors."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, name) from None


def refuse_shared(session: PinnedSession, another: Callable[[], psycopg.Connection[Any]]) -> None:
    """Look whether this session's server process stays its own, as far as that can be seen.

    Args:
        session: the session; nothing was set in it so far, since a pooler might hand that on to others.
        another: opens a second connection in the same way.

    Raises:
        DatabaseRefused: it does not.
        DatabaseInterrupted: the second connection was not to be had.
    """
    process = session.fetch_one("postgres/session/server").process
    with login(session.name):
        second = another()
    try:
        # Its transaction stays open, so that what serves it is free for nobody else.
        if _process_of(second) == process:
            # This session would wait for it now.
            raise _refuse_lent(session)
        kept = [session.fetch_one("postgres/session/server").process for _ in range(2)]
        with session.transaction():
            kept += [session.fetch_one("postgres/session/server").process for _ in range(2)]
        if set(kept) != {process}:
            raise _refuse_lent(session)
        _refuse_forgetful(session, process)
    finally:
        second.close()


def _process_of(connection: psycopg.Connection[Any]) -> int | None:
    """Return which server process serves this client's transaction; None where it has to wait for one."""
    found: list[int] = []

    def ask() -> None:
        with suppress(psycopg.Error):
            cursor = connection.cursor(row_factory=namedtuple_row)
            found.append(cast(Row, cursor.execute(compose("postgres/session/server", {})).fetchone()).process)

    asking = threading.Thread(target=ask, name="second client", daemon=True)
    asking.start()
    asking.join(SECOND_CLIENT_SECONDS)
    if asking.is_alive():
        with socket.socket(fileno=os.dup(connection.fileno())) as line, suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        asking.join()
    return found[0] if found else None


def _refuse_forgetful(session: PinnedSession, process: int) -> None:
    """Refuse a pooler that does not keep a setting and a lock of the session between two statements."""
    token = secrets.token_hex(8)
    session.fetch_one("postgres/session/leave_mark", token=token)
    found = session.fetch_one("postgres/session/find_mark", token=token)
    session.fetch_one("postgres/session/remove_mark", token=token)
    if (found.process, found.token, found.locked) != (process, token, True):
        raise _refuse_lent(session)


def _refuse_lent(session: PinnedSession) -> DatabaseRefused:
    return DatabaseRefused(
        f"database {session.name} is reached through a connection pooler that lends its server processes to other "
        "clients between two transactions, so locks and settings of a session do not hold. The instance's "
        "one_session_proxy: true says that it does not. Nothing was written. Fix: point the Airflow connection at the "
        "Postgres server itself, or at a pool in session mode"
    )
