"""What a session on a database does with statements and transactions, and the settings that are pinned in it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol, cast

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row

from pg_archiver.domain.ledger_version import LEDGER_VERSION
from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.postgres.error_translation import refuse_value, translate
from pg_archiver.postgres.statements import Names, compose, is_definition
from pg_archiver.runtime.stopping import Stop

# By these a server finds out that nobody listens, and ends the statement: at once where the process has died,
# after two minutes where its machine or the way to it is gone. They keep that way open while a statement says nothing,
# too. What the options of the Airflow connection say counts more.
ALIVE = {
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
# A connection that has gone dead is noticed after two minutes, not after the two hours or more of the system's own
# settings, and routers that forget a silent connection after some minutes see something go by. In seconds, but for the
# last one. What a connection itself says of these counts more.
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 120_000,
}
_CANCEL_SECONDS = 1.0
# Statements on the ledger, some of which run after user-defined code.
_OF_LEDGER = ("ledger/",)
# What may still be begun by a process that was told to end: brief, and on the way out.
_ON_THE_WAY_OUT = (
    "postgres/session/",
    "ledger/maintenance/end",
    "maintenance/pg_repack/unlock",
    # How a job ended, and what that means for its next start.
    "ledger/job_runs/end",
    "ledger/job_runs/list_unfolded",
    "ledger/job_runs/mark_folded",
    "ledger/jobs/list_states",
    "ledger/jobs/list_jobs",
    "ledger/jobs/clock",
    "ledger/jobs/fold",
    # How events ended that were worked on.
    "events/queue/complete",
    "events/queue/fail",
    "events/queue/put_off",
    "events/queue/release",
    "events/queue/note_in_hand",
    "events/queue/end_worker",
)
# Along which names are found that the server itself ships, and nothing else.
_OWN_PATH = "pg_catalog, pg_temp"


# Statements over the server's own catalogs, whose columns never change: to read and plan one takes most of its time.
_LOOKS = ("postgres/catalog/", "postgres/session/", "ledger/schema/schema_exists", "ledger/restores/holds")
_SELDOM = 2


class Row(Protocol):
    """A row whose columns are attributes, named as in the statement."""

    def __getattr__(self, name: str) -> Any: ...


@dataclass(frozen=True)
class SessionLimits:
    """How long a statement may take, wait for a lock, and leave a transaction idle; `setting` says what bounds it.

    A lock is waited for briefly, so that writers never queue behind us for long.
    """

    statement: timedelta = timedelta(hours=1)
    setting: str = "statement_timeout in the policy file"
    lock: timedelta = timedelta(seconds=10)
    idle: timedelta = timedelta(minutes=10)


class PinnedSession:
    """A connection with its settings pinned, whatever user-defined code ran in it."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        name: str,
        limits: SessionLimits | None = None,
        stop: Stop | None = None,
    ) -> None:
        """Take over an open connection; `name` says which database it is in messages.

        When `stop` says that the time is over, a statement that still runs is cancelled, and none is begun.
        """
        self._connection = connection
        self._limits = limits or SessionLimits()
        self.stop = stop or Stop()
        self._address = "an address that is not known"
        self._leaving = False
        self._check_interval = ALIVE["client_connection_check_interval"]
        self.name = name
        self._users_path = ""
        # How users want a commit to be kept, as `synchronous_commit` has it.
        self.users_commit = "on"
        # Whether notes of the ledger may be answered before they are on the disk, for now; see `ledger/lazy_notes.py`.
        self.notes_lazily = False
        self._writes = True
        self._called_users = False
        self._current_path = ""
        self._event_triggers = False
        self._planned_once: set[str] = set()
        self._asked: Counter[str] = Counter()

    def _pin(self) -> None:
        """Set all that a trigger may have set otherwise, for the session as for a transaction; limits as they are."""
        self.fetch_one(
            "postgres/session/pin_settings",
            lock_timeout=format_milliseconds(self._limits.lock),
            statement_timeout=format_milliseconds(self._limits.statement),
            idle_timeout=format_milliseconds(self._limits.idle),
            check_interval=self._check_interval,
            read_only="off" if self._writes else "on",
            ledger_version=str(LEDGER_VERSION),
        )
        self._called_users = False

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, or was lost."""
        return self._connection.closed

    @property
    def commit(self) -> str:
        """How the transaction of a note in the ledger is to commit, as `synchronous_commit` has it."""
        return "off" if self.notes_lazily else self.users_commit

    def fetch_all(self, statement: str, names: Names | None = None, /, **values: object) -> list[Row]:
        """Run a statement and return its rows."""
        self._begin(statement)
        with self._translate_errors(), self._guard_definitions(statement):
            cursor = self._connection.cursor(row_factory=namedtuple_row)
            cursor.execute(compose(statement, names or {}), values, prepare=self._is_planned_once(statement))
            return cast(list[Row], cursor.fetchall()) if cursor.description else []

    def _is_planned_once(self, statement: str) -> bool:
        """Return whether the server is to keep the plan; what is asked once or twice in a session is not worth it."""
        if statement.startswith(_LOOKS):
            self._asked[statement] += 1
            return self._asked[statement] > _SELDOM
        return statement in self._planned_once

    def fetch_one(self, statement: str, names: Names | None = None, /, **values: object) -> Row:
        """Run a statement that gives exactly one row.

        Raises:
            DatabaseInterrupted: it gave none, since somebody dropped what it asks for a moment ago.
        """
        rows = self.fetch_all(statement, names, **values)
        if len(rows) != 1:
            raise DatabaseInterrupted(
                f"database {self.name}: what was there a moment ago is gone ({statement}). Run the task again"
            )
        return rows[0]

    def fetch_one_again(self, statement: str, names: Names | None = None, /, **values: object) -> Row:
        """Do as `fetch_one`, and let the server plan the statement once in this session.

        For a statement that runs very often, and whose columns have the same types whatever becomes of the tables.
        """
        self._planned_once.add(statement)
        return self.fetch_one(statement, names, **values)

    def execute(self, statement: str, names: Names | None = None, /, **values: object) -> int:
        """Run a statement and return how many rows it changed."""
        self._begin(statement)
        with self._translate_errors(), self._guard_definitions(statement):
            return self._connection.execute(compose(statement, names or {}), values).rowcount

    def run_script(self, text: str) -> None:
        """Run a migration, which holds no names and no values."""
        with self._translate_errors():
            self._connection.execute(text)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Run the block in a READ COMMITTED transaction; commit at the end, roll back on any exception.

        Settings that user-defined code changed in it go with a rollback, but would outlive a commit.
        """
        with self._translate_errors():
            with self._connection.transaction():
                yield
            if self._called_users:
                self._pin()

    @contextmanager
    def rehearsal(self) -> Generator[None]:
        """Run the block in a transaction that is rolled back at its end; transactions inside become savepoints."""
        with self._translate_errors(), self._connection.transaction(force_rollback=True):
            yield

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """Run the block in a REPEATABLE READ, READ ONLY transaction: every statement in it sees the same rows."""
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._connection.read_only = True
        try:
            with self.transaction():
                yield
        finally:
            if not self._connection.closed:
                self._connection.isolation_level = None
                self._connection.read_only = None

    def use_database_search_path(self, *, builtins_first: bool) -> None:
        """Use the search path of the database's own settings until the end of the transaction.

        For statements that run triggers, or compare values of types that users made. With `builtins_first`, whatever
        the server itself ships still comes first; else a statement must qualify all of its names.
        """
        self._called_users = True
        self._current_path = self._path(builtins_first=builtins_first)
        self.fetch_all("postgres/session/search_path", path=self._current_path, local=True)

    def use_builtin_search_path(self) -> None:
        """Use only the server's own names until the end of the transaction, and the pinned settings.

        Whatever users' code did before, no later statement has to mind it, until it may run again.
        """
        self._current_path = _OWN_PATH
        self._pin()

    def _path(self, *, builtins_first: bool) -> str:
        return f"pg_catalog, {self._users_path or 'pg_temp'}" if builtins_first else self._users_path

    @contextmanager
    def _guard_definitions(self, statement: str) -> Generator[None]:
        """Guard a statement that makes, changes or drops something: event triggers may look names up meanwhile.

        Every such statement qualifies its own names, and whatever the server itself ships comes first. The ledger is
        written in transactions in which user-defined code has run: its settings hold again, but for their path, along
        which triggers may still look when the transaction commits.
        """
        if self._called_users and statement.startswith(_OF_LEDGER):
            self._pin_within(self._current_path)
        if not (self._event_triggers and is_definition(statement)):
            yield
            return
        alone = self._connection.info.transaction_status is TransactionStatus.IDLE
        path = self._path(builtins_first=True)
        before = self.fetch_one("postgres/session/search_path", path=path, local=not alone).before
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
        """Pin the settings in a transaction that continues with this path, and with user-defined code."""
        self._pin()
        self._called_users, self._current_path = True, path
        self.fetch_all("postgres/session/search_path", path=path, local=True)

    @contextmanager
    def timeouts(self, *, lock: timedelta | None = None, statement: timedelta | None = None) -> Generator[None]:
        """Set other timeouts for the statements of this block: of waiting for a lock, and of the whole statement.

        What is not given stays as it is outside; blocks may be nested.
        """
        before = self._limits
        inner = replace(before, lock=lock or before.lock)
        if statement is not None:
            inner = replace(inner, statement=statement, setting="which this step sets itself")
        self._set_timeouts(inner)
        try:
            yield
        finally:
            if not self._connection.closed:
                self._set_timeouts(before)

    def _set_timeouts(self, limits: SessionLimits) -> None:
        self.fetch_all(
            "postgres/session/timeouts",
            lock_timeout=format_milliseconds(limits.lock),
            statement_timeout=format_milliseconds(limits.statement),
        )
        self._limits = limits

    def _begin(self, statement: str) -> None:
        """Prepare for a statement.

        Raises:
            Stopped: the process has to end, and this one is no part of that.
        """
        self._leaving = statement.startswith(_ON_THE_WAY_OUT)
        if not self._leaving:
            self.stop.refuse()

    def cancel(self) -> None:
        """Cancel the statement that runs, if one does that is no part of ending; for another thread."""
        if not self._leaving and self._connection.info.transaction_status is TransactionStatus.ACTIVE:
            with suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=_CANCEL_SECONDS)

    @contextmanager
    def _translate_errors(self, *, loading: bool = False) -> Generator[None]:
        started = time.monotonic()
        try:
            yield
        except psycopg.Error as error:
            if isinstance(error, errors.QueryCanceled):
                self.stop.refuse()
            if self._writes and isinstance(error, errors.ReadOnlySqlTransaction):
                raise self._on_standby() from None
            if loading and (refusal := refuse_value(error, self.name)):
                raise refusal from None
            limits = self._limits
            longest = limits.statement.total_seconds()
            seconds, users = time.monotonic() - started, self._called_users
            raise translate(error, self.name, seconds, longest, limits.setting, users=users) from None

    def _on_standby(self) -> DatabaseInterrupted:
        return DatabaseInterrupted(
            f"database {self.name} at {self._address} is on a standby, which is read-only. After a failover the "
            "writer's address may lead to one for a while, so this is tried again. Fix, if it stays so: point the "
            "Airflow connection at the primary (on Aurora the cluster's writer endpoint)"
        )


def format_milliseconds(limit: timedelta) -> str:
    """Return a limit as the server reads it; never 0, which would be none at all."""
    return f"{max(1, round(limit.total_seconds() * 1000))}ms"
