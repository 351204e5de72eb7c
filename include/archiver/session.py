"""One session on a database: its statements and transactions, and the settings that hold in them."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row

from include.archiver.models import LEDGER_VERSION
from include.archiver.server_errors import refuse_value, translate
from include.archiver.statements import Names, compose, defines

# Limits of every session. A lock is waited for briefly, so that writers never queue behind us for long.
_LOCK_TIMEOUT = "10s"
_STATEMENT_TIMEOUT_SECONDS = 3600.0
_IDLE_IN_TRANSACTION_TIMEOUT = "10min"
# A long statement whose client is gone ends after this time.
_CLIENT_CHECK_INTERVAL = "5s"
# Statements on the ledger, some of which run after code of users.
_OF_LEDGER = ("ledger/", "partition/begin", "partition/ended")
# Along which names are found that the server itself ships, and nothing else.
_OWN_PATH = "pg_catalog, pg_temp"


class Row(Protocol):
    """A row whose columns are attributes, named as in the statement."""

    def __getattr__(self, name: str) -> Any: ...


class Session:
    """A connection with its settings pinned, whatever code of users ran in it."""

    def __init__(self, connection: psycopg.Connection[Any], name: str) -> None:
        """Takes over an open connection; `name` says which database it is in messages."""
        self._connection = connection
        self._lock_timeout = _LOCK_TIMEOUT
        self._longest = _STATEMENT_TIMEOUT_SECONDS
        self.name = name
        self._users_path = ""
        self._writes = True
        self._called_users = False
        self._current_path = ""
        self._event_triggers = False

    def _pin(self) -> None:
        """Sets all that a trigger may have set otherwise, for the session as for a transaction; limits as they are."""
        self.one(
            "session/pins",
            lock_timeout=self._lock_timeout,
            statement_timeout=_milliseconds(timedelta(seconds=self._longest)),
            idle_timeout=_IDLE_IN_TRANSACTION_TIMEOUT,
            read_only="off" if self._writes else "on",
            ledger_version=str(LEDGER_VERSION),
        )
        self._called_users = False

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, or was lost."""
        return self._connection.closed

    def all(self, statement: str, names: Names | None = None, /, **values: object) -> list[Row]:
        """Runs a statement and returns its rows."""
        with self._translated(), self._watched(statement):
            cursor = self._connection.cursor(row_factory=namedtuple_row)
            cursor.execute(compose(statement, names or {}), values)
            return cast(list[Row], cursor.fetchall()) if cursor.description else []

    def one(self, statement: str, names: Names | None = None, /, **values: object) -> Row:
        """Runs a statement that gives exactly one row."""
        (row,) = self.all(statement, names, **values)
        return row

    def change(self, statement: str, names: Names | None = None, /, **values: object) -> int:
        """Runs a statement and returns how many rows it changed."""
        with self._translated(), self._watched(statement):
            return self._connection.execute(compose(statement, names or {}), values).rowcount

    def run_script(self, text: str) -> None:
        """Runs a migration, which holds no names and no values."""
        with self._translated():
            self._connection.execute(text)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """A READ COMMITTED transaction; committed at the end, rolled back on any exception.

        Settings that code of users changed in it go with a rollback, but would outlive a commit.
        """
        with self._translated():
            with self._connection.transaction():
                yield
            if self._called_users:
                self._pin()

    @contextmanager
    def rehearsal(self) -> Generator[None]:
        """A transaction that is rolled back at its end; transactions inside it become savepoints."""
        with self._translated(), self._connection.transaction(force_rollback=True):
            yield

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """A REPEATABLE READ, READ ONLY transaction: every statement in it sees the same rows."""
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._connection.read_only = True
        try:
            with self.transaction():
                yield
        finally:
            if not self._connection.closed:
                self._connection.isolation_level = None
                self._connection.read_only = None

    def users_path(self, *, ours_first: bool) -> None:
        """From here to the end of the transaction names mean what the database's own settings make them mean.

        For statements that run triggers, or compare values of types that users made. With `ours_first`, whatever
        the server itself ships still comes first; else a statement must qualify all of its names.
        """
        self._called_users = True
        self._current_path = self._path(ours_first=ours_first)
        self.all("session/path", path=self._current_path, local=True)

    def own_path(self) -> None:
        """From here to the end of the transaction names mean what the server itself ships, whatever users' code did."""
        self._current_path = _OWN_PATH
        self.all("session/path", path=_OWN_PATH, local=True)

    def _path(self, *, ours_first: bool) -> str:
        return f"pg_catalog, {self._users_path or 'pg_temp'}" if ours_first else self._users_path

    @contextmanager
    def _watched(self, statement: str) -> Generator[None]:
        """Around a statement that makes, changes or drops something: event triggers may look names up meanwhile.

        Every such statement qualifies its own names, and whatever the server itself ships comes first. The ledger is
        written in transactions in which code of users has run: its settings hold again, but for their path, along
        which triggers may still look when the transaction commits.
        """
        if self._called_users and statement.startswith(_OF_LEDGER):
            self._pin_within(self._current_path)
        if not (self._event_triggers and defines(statement)):
            yield
            return
        alone = self._connection.info.transaction_status is TransactionStatus.IDLE
        path = self._path(ours_first=True)
        before = self.one("session/path", path=path, local=not alone).before
        self._called_users = True
        try:
            yield
        finally:
            status = self._connection.info.transaction_status
            if alone and status is TransactionStatus.IDLE:
                self._pin()
            elif status is TransactionStatus.INTRANS:
                self._pin_within(before)

    def _pin_within(self, path: str) -> None:
        """Pins the settings in a transaction that goes on with this path, and with code of users."""
        self._pin()
        self._called_users, self._current_path = True, path
        self.all("session/path", path=path, local=True)

    @contextmanager
    def limits(self, *, lock: timedelta, statement: timedelta) -> Generator[None]:
        """Other limits for the statements of this block: how long one waits for a lock, and how long it takes."""
        before = self._lock_timeout, timedelta(seconds=self._longest)
        self._limit(_milliseconds(lock), statement)
        try:
            yield
        finally:
            if not self._connection.closed:
                self._limit(*before)

    def _limit(self, lock: str, statement: timedelta) -> None:
        self.all(
            "session/limits",
            lock_timeout=lock,
            statement_timeout=_milliseconds(statement),
            check_interval=_CLIENT_CHECK_INTERVAL,
        )
        self._lock_timeout, self._longest = lock, statement.total_seconds()

    @contextmanager
    def patience(self, lock_timeout: str) -> Generator[None]:
        """Waits for locks as long as this, not just briefly: for statements behind which nobody has to queue."""
        before = self._lock_timeout
        self._wait_for_locks(lock_timeout)
        try:
            yield
        finally:
            if not self._connection.closed:
                self._wait_for_locks(before)

    def _wait_for_locks(self, lock_timeout: str) -> None:
        self.all("session/lock_timeout", lock_timeout=lock_timeout)
        self._lock_timeout = lock_timeout

    @contextmanager
    def _translated(self, *, loading: bool = False) -> Generator[None]:
        started = time.monotonic()
        try:
            yield
        except psycopg.Error as error:
            if loading and (refusal := refuse_value(error, self.name)):
                raise refusal from None
            raise translate(error, self.name, time.monotonic() - started, self._longest) from None


def _milliseconds(limit: timedelta) -> str:
    """A limit as the server reads it; never 0, which would be none at all."""
    return f"{max(1, round(limit.total_seconds() * 1000))}ms"
