"""The session in which functions of users run for events: many in one transaction, each in a savepoint of its own.

A function gets the connection itself, so it may set anything, swallow an error, end the transaction or close the
connection. What it has set is undone before the next one; the rest is found out when it has ended. `COMMIT` by the
driver's own methods is refused by the driver, and one in SQL takes the savepoint with it, which shows.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus
from psycopg.rows import tuple_row

from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.postgres.base_session import SessionLimits, format_milliseconds
from pg_archiver.postgres.server_words import tell_drivers_error
from pg_archiver.postgres.statements import Literal, compose, read_statement
from pg_archiver.postgres.users_session import UsersSession

# What a function gets.
Connection = psycopg.Connection[Any]
# A server cuts a transaction in which nothing comes for so much longer than a function may take.
IDLE_MORE = timedelta(seconds=10)
_AT_REST = (TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR)
# They find a client out that is gone without a word. Between two functions of a batch the limit of an idle transaction
# does, and a system call for each of them with every event was a tenth of what the server does for it.
_ONCE_A_BATCH = frozenset({"tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"})
# What the server says where a savepoint is gone, or the whole transaction.
SAVEPOINT_GONE = (errors.InvalidSavepointSpecification, errors.NoActiveSqlTransaction)


def limit_functions(longest: timedelta) -> SessionLimits:
    """Return the limits of a session in which functions may take so long."""
    return SessionLimits(statement=longest, setting="which functions of events have", idle=longest + IDLE_MORE)


class TransactionFailedError(Exception):
    """The function swallowed an error of the database, after which the server takes nothing; it can be undone."""


class TransactionEndedError(Exception):
    """The function ended the transaction that it runs in, or left the connection such that nothing can be done."""


class CommitRefusedError(Exception):
    """What the server has against the commit of a batch; nothing of the batch stays."""

    def __init__(self, error: psycopg.Error) -> None:
        """Take the server's error: its words may hold a row, what is told of it does not."""
        super().__init__(str(error))
        self.told = str(tell_drivers_error(error))


class FunctionsSession(UsersSession):
    """One connection to a client database for functions of users and for the events that they run for."""

    _again = _between = ""
    _in_batch = False
    # As text, since they are sent with every event.
    _savepoint, _release, _roll_back = (
        read_statement(f"postgres/functions/{name}") for name in ("savepoint", "release", "roll_back")
    )

    @property
    def connection(self) -> Connection:
        """The connection that a function gets."""
        return self._connection

    def _settle(self, application: str, writes: bool, another: Callable[[], Connection] | None) -> None:
        super()._settle(application, writes, another)
        self._texts: dict[tuple[str | None, timedelta | None], bytes] = {}
        # What was set in this session so far is what RESET ALL is to leave.
        own = {row.name: row.value for row in self.fetch_all("postgres/functions/own_settings")}
        self._again = self._reset_to(own)
        self._between = self._reset_to({name: value for name, value in own.items() if name not in _ONCE_A_BATCH})

    @contextmanager
    def batch(self) -> Generator[None]:
        """Run the block in a transaction, with our own settings until the first event begins; commit at its end.

        Raises:
            CommitRefusedError: the server refuses the commit, as where a constraint that is checked late is violated.
            DatabaseInterrupted: the connection was lost; whether that was before the commit is not known.
        """
        self._reset_driver()
        transaction = self._connection.transaction()
        with self._translate_errors():
            transaction.__enter__()
        self._in_batch = True
        try:
            self._pin_ours()
            yield
        except BaseException:
            self._leave(lambda: transaction.__exit__(*sys.exc_info()))
            raise
        finally:
            self._in_batch = False
        if self._connection.closed:
            raise self._lost()
        try:
            transaction.__exit__(None, None, None)
        except psycopg.Error as error:
            if self._connection.closed:
                raise self._lost() from None
            self._leave(lambda: None)
            raise CommitRefusedError(error) from None

    def begin_event(self, longest: timedelta) -> None:
        """Let a function begin, with the settings of the database and a statement of it taking no longer than this."""
        self._run(self._joined(None, longest))

    def check_event(self) -> None:
        """Look at what a function has left behind, and undo what it has set in the driver.

        Raises:
            TransactionFailedError: nothing of it can be kept; it is to be undone.
            TransactionEndedError: there is no transaction any more in which it could be kept.
            DatabaseInterrupted: the connection is gone.
        """
        self._refuse_left_over()
        status = self._connection.info.transaction_status
        self._reset_driver()
        if status is TransactionStatus.INERROR:
            raise TransactionFailedError
        if status is not TransactionStatus.INTRANS:
            raise TransactionEndedError

    def name_transaction(self) -> str:
        """Return a name of this transaction, by which `was_committed` knows it."""
        return str(self.fetch_one("postgres/functions/transaction").name)

    def was_committed(self, transaction: str) -> bool:
        """Return whether a transaction that has ended, or whose connection has, was committed."""
        row = self.fetch_one("postgres/functions/transaction_status", name=transaction)
        return bool(row.status == "committed")

    def keep_event(self, following: timedelta | None = None) -> None:
        """Keep what the function did, undo what it has set, and begin another event in the same round trip.

        Args:
            following: how long a statement of the next function may take, None if none begins.

        Raises:
            TransactionEndedError: there is no transaction any more in which it could be kept.
        """
        self._run(self._joined(self._release, following))

    def undo_event(self) -> None:
        """Take back what the function did, and what it has set.

        Raises:
            TransactionEndedError: there is no transaction any more to which it could be taken back.
        """
        with suppress(TransactionFailedError):
            self.check_event()
        self._run(self._join(self._roll_back, self._release, self._again).encode())

    def begin_alone(self, longest: timedelta) -> None:
        """Let a function begin that commits by itself: outside of any transaction."""
        self._reset_driver()
        self._run(self._join(self._again, *self._limits_of(longest)).encode())

    def end_alone(self) -> None:
        """Undo what such a function has set.

        Raises:
            TransactionFailedError: it left a transaction open, which is rolled back.
            TransactionEndedError: it left the connection such that nothing can be done with it.
        """
        self._refuse_left_over()
        left = self._connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)
        if left:
            with self._translate_errors():
                try:
                    self._connection.rollback()
                except psycopg.ProgrammingError:
                    # A transaction of the driver's is open.
                    raise TransactionEndedError from None
        elif self._connection.info.transaction_status is not TransactionStatus.IDLE:
            raise TransactionEndedError
        self._reset_driver()
        self._run(self._again.encode())
        if left:
            raise TransactionFailedError

    def _pin_ours(self) -> None:
        """Set what our own statements rely on; `_again` takes it back."""
        super(UsersSession, self)._pin()

    def _refuse_left_over(self) -> None:
        """Refuse what a function may have left behind that no statement undoes.

        Raises:
            TransactionEndedError: it has closed the connection, or left it such that answers come later, or something
                that it has begun still holds it.
        """
        closed = self._connection.closed and not self._connection.broken
        if closed or self._is_in_use():
            raise TransactionEndedError

    def _is_in_use(self) -> bool:
        """Return whether whoever asks something of the driver would wait for what a function has begun."""
        return self._connection.lock.locked() or self._connection.info.pipeline_status is not PipelineStatus.OFF

    def _reset_driver(self) -> None:
        """Undo what a function may have set in the driver."""
        connection = self._connection
        if connection.closed:
            raise self._lost()
        connection.row_factory = tuple_row
        connection.cursor_factory = psycopg.Cursor
        connection.server_cursor_factory = psycopg.ServerCursor
        connection.prepare_threshold = None
        if connection.info.transaction_status is TransactionStatus.IDLE and not self._in_batch:
            connection.autocommit = True
            connection.isolation_level = connection.read_only = connection.deferrable = None

    def _leave(self, end: Callable[[], object]) -> None:
        """End the transaction; give the connection up where that cannot be done, or does not help."""
        if self._connection.info.transaction_status in _AT_REST and not self._is_in_use():
            with suppress(psycopg.Error):
                end()
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            self.abandon()

    def abandon(self) -> None:
        """Close the connection, whatever it is doing: a thread that a function has left behind may wait in it."""
        if not self._connection.closed:
            with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _lost(self) -> DatabaseInterrupted:
        return DatabaseInterrupted(
            f"database {self.name}: the connection in which functions run is closed, by the server or by one of them. "
            "What was not committed is rolled back, and its events come again"
        )

    def _reset_to(self, own: Mapping[str, str]) -> str:
        """Return the statements after which the session has the settings of the connection, but for these."""
        return self._join(
            compose("postgres/functions/reset_authorization", {}),
            compose("postgres/functions/reset", {}),
            *(compose("postgres/functions/set", {"setting": name, "value": Literal(own[name])}) for name in own),
        )

    def _beginning(self, longest: timedelta) -> list[sql.Composed | str]:
        """Return the statements with which an event begins."""
        return [*self._limits_of(longest), self._savepoint]

    def _limits_of(self, longest: timedelta) -> list[sql.Composed]:
        """Return the statements for a function that may take another time than the session's statements."""
        if longest == self._limits.statement:
            return []
        wanted = {"statement_timeout": longest, "idle_in_transaction_session_timeout": longest + IDLE_MORE}
        return [
            compose("postgres/functions/set", {"setting": name, "value": Literal(format_milliseconds(limit))})
            for name, limit in wanted.items()
        ]

    def _joined(self, ending: str | None, beginning: timedelta | None) -> bytes:
        """Return what ends one event and begins the next: made once, since it is sent with every event."""
        text = self._texts.get((ending, beginning))
        if text is None:
            again = self._between if ending and beginning else self._again
            parts = [*([ending] if ending else ()), again, *(self._beginning(beginning) if beginning else ())]
            text = self._texts[ending, beginning] = self._join(*parts).encode()
        return text

    def _run(self, text: bytes) -> None:
        """Run several statements in one round trip. They are no work of a function, so a stop does not cancel them.

        By libpq itself, since it is done for every event and the driver makes an object of each statement's answer.

        Raises:
            TransactionEndedError: the savepoint that they name is gone.
        """
        self._leaving = True
        try:
            with self._translate_errors():
                try:
                    self._send(text)
                except SAVEPOINT_GONE:
                    raise TransactionEndedError from None
        finally:
            self._leaving = False

    def _send(self, text: bytes) -> None:
        connection = self._connection
        with connection.lock:
            answer = connection.pgconn.exec_(text)
        if answer.status == ExecStatus.COMMAND_OK:
            return
        error = errors.error_from_result(answer, connection.info.encoding)
        # What the server did not say is of the connection.
        raise error if error.sqlstate else psycopg.OperationalError(str(error))

    def _join(self, *parts: sql.Composed | str) -> str:
        """Return one text, of which the driver is not to read a `%` any more."""
        cursor = psycopg.ClientCursor(self._connection)
        return ";\n".join(part if isinstance(part, str) else cursor.mogrify(part, {}) for part in parts)
