"""The edge to Postgres: one connection, its session settings, and errors in our own words."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row

from include.archiver.codec import Line
from include.archiver.errors import Busy, DatabaseInterrupted, DatabaseRefused
from include.archiver.models import LEDGER_VERSION
from include.archiver.server_errors import refuse_value, translate
from include.archiver.statements import Names, compose, defines

log = logging.getLogger(__name__)

OLDEST_VERSION = 140_000
_COPY_BATCH_BYTES = 1 << 18
# Limits of every session. A lock is waited for briefly, so that writers never queue behind us for long.
_LOCK_TIMEOUT = "10s"
_STATEMENT_TIMEOUT_SECONDS = 3600.0
_IDLE_IN_TRANSACTION_TIMEOUT = "10min"
# A long statement whose client is gone ends after this time.
_CLIENT_CHECK_INTERVAL = "5s"
_WINDOW_LOCK_WAIT_SECONDS = 120.0
_WINDOW_LOCK_POLL_SECONDS = 0.5
# Statements on the ledger, some of which run after code of users.
_OF_LEDGER = ("ledger/", "partition/begin", "partition/ended")
# With no values at all the driver would not read a COPY for `%`, and leave those in names doubled.
_NO_VALUES = {"none": None}
# Along which names are found that the server itself ships, and nothing else.
_OWN_PATH = "pg_catalog, pg_temp"


class Row(Protocol):
    """A row whose columns are attributes, named as in the statement."""

    def __getattr__(self, name: str) -> Any: ...


class CopyOut:
    """A running COPY TO STDOUT."""

    def __init__(self, copy: psycopg.Copy) -> None:
        """Wraps psycopg's copy; `rows` is what the server counted, once the copy has ended."""
        self._copy = copy
        self.rows = -1

    def batches(self) -> Iterator[list[Line]]:
        """The output in lists of rows, 256 KiB or a little more at a time; the server sends each row by itself."""
        rows: list[Line] = []
        size = 0
        for row in self._copy:
            rows.append(row)
            size += len(row)
            if size >= _COPY_BATCH_BYTES:
                yield rows
                rows, size = [], 0
        if rows:
            yield rows


class Database:
    """One connection to a client database, for one task."""

    def __init__(
        self, connection: psycopg.Connection[Any], name: str, hosts: Callable[[], tuple[str, str] | None] | None = None
    ) -> None:
        """Takes over an open connection; `name` says which database it is in messages, `hosts` is as in `connected`."""
        self._connection = connection
        self._hosts = hosts
        self._lock_timeout = _LOCK_TIMEOUT
        self._longest = _STATEMENT_TIMEOUT_SECONDS
        self.name = name
        self._users_path = ""
        self._writes = True
        self._called_users = False
        self._current_path = ""
        self._event_triggers = False

    @property
    def process(self) -> int:
        """The server's process that serves this connection, as `pg_stat_activity` shows it."""
        return self._connection.info.backend_pid

    @property
    def endpoint(self) -> tuple[str, str]:
        """Host and port as the connection was configured, so that a list of hosts stays a list.

        The host is its address where only that is set, and empty for the machine's own socket.
        """
        if self._hosts and (hosts := self._hosts()):
            return hosts
        parameters = self._connection.info.get_parameters()
        # What is as it was compiled in is left out of them.
        compiled = {option.keyword: option.compiled for option in psycopg.pq.Conninfo.get_defaults()}
        port = parameters.get("port") or (compiled.get(b"port") or b"").decode()
        return parameters.get("host") or parameters.get("hostaddr") or "", port

    @classmethod
    @contextmanager
    def connected(
        cls,
        connect: Callable[[], psycopg.Connection[Any]],
        name: str,
        application: str,
        writes: bool = True,
        hosts: Callable[[], tuple[str, str] | None] | None = None,
    ) -> Generator[Database]:
        """Opens a connection, pins its session settings and closes it at the end.

        Args:
            connect: opens the connection; what it raises is translated.
            name: the database, for messages.
            application: what `pg_stat_activity` shows as `application_name`.
            writes: whether this session is going to write; a standby is refused then. Otherwise the server refuses
                every write in it.
            hosts: tells a list of hosts and its ports, None if there is but one host. psycopg tries those of a list
                one by one, and the connection then knows only the one that answered.

        Raises:
            DatabaseRefused: wrong host, user, password, database or kind of server.
            DatabaseInterrupted: the server cannot be reached.
        """
        with _login(name):
            connection = connect()
        try:
            connection.autocommit = True
            connection.prepare_threshold = None
            database = cls(connection, name, hosts)
            database._settle(application, writes)
            yield database
        finally:
            connection.close()

    def _settle(self, application: str, writes: bool) -> None:
        server = self.one("session/server")
        if server.version < OLDEST_VERSION:
            raise DatabaseRefused(f"database {self.name}: server version 14 or later is needed")
        # A pooler tells a number of its own at the login, and lends sessions whose numbers are the server's.
        if server.process != self._connection.info.backend_pid:
            raise DatabaseRefused(
                f"database {self.name} is reached through a connection pooler, behind which session locks and settings "
                f"may not hold, and whose pool mode cannot be seen from here; nothing was written. Point the Airflow "
                f"connection at the Postgres server itself"
            )
        settings = self.one("session/settings", application=application)
        self._writes = writes
        if writes:
            self._refuse_unwritable(settings)
        self._users_path = settings.users_path
        self._event_triggers = settings.event_triggers
        self._pin()

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

    def _refuse_unwritable(self, settings: Row) -> None:
        if settings.standby:
            raise DatabaseRefused(
                f"database {self.name} is on a standby, which is read-only; point the connection at the primary"
            )
        if settings.read_only == "on":
            raise DatabaseRefused(
                f"database {self.name} has default_transaction_read_only on, so somebody wants nothing written to it; "
                f"set it to off for the database or the role of the Airflow connection"
            )
        if settings.replication_role != "origin":
            raise DatabaseRefused(
                f"database {self.name} has session_replication_role {settings.replication_role}, under which foreign "
                f"keys are not looked at; set it to origin for the database and the role of the Airflow connection"
            )

    def client_environment(self) -> dict[str, str]:
        """The environment by which one of Postgres's own client programs comes to this database, as this role.

        It holds the password, so it is for the program alone.
        """
        info = self._connection.info
        parameters = {
            **info.get_parameters(),
            "host": info.host,
            "port": str(info.port),
            "user": info.user,
            "dbname": info.dbname,
            "password": info.password,
        }
        variables = {option.keyword.decode(): option.envvar for option in psycopg.pq.Conninfo.get_defaults()}
        return {
            variable.decode(): parameters[keyword]
            for keyword, variable in variables.items()
            if variable and parameters.get(keyword)
        }

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
        """Runs a statement that gives exactly one row.

        Raises:
            DatabaseInterrupted: it gave none, since somebody dropped what it asks for a moment ago.
        """
        rows = self.all(statement, names, **values)
        if len(rows) != 1:
            raise DatabaseInterrupted(
                f"database {self.name}: what was there a moment ago is gone ({statement}); run the task again"
            )
        return rows[0]

    def change(self, statement: str, names: Names | None = None, /, **values: object) -> int:
        """Runs a statement and returns how many rows it changed."""
        with self._translated(), self._watched(statement):
            return self._connection.execute(compose(statement, names or {}), values).rowcount

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
    def _any_bytes(self) -> Generator[None]:
        """Lets a COPY carry text as it lies in a database without an encoding, where it may be any bytes at all."""
        if self._connection.info.parameter_status("server_encoding") != "SQL_ASCII":
            yield
            return
        with self._connection.transaction():
            self.all("session/encoding", encoding="SQL_ASCII")
            yield
            self.all("session/encoding", encoding="UTF8")

    @contextmanager
    def copy_out(self, statement: str, names: Names, /, **values: object) -> Generator[CopyOut]:
        """Streams a COPY TO STDOUT; its row count is known once the chunks have been used up."""
        text = compose(statement, names).as_bytes(self._connection)
        with self._translated(), self._any_bytes(), self._connection.cursor() as cursor:
            with cursor.copy(text, values or _NO_VALUES) as copy:
                running = CopyOut(copy)
                yield running
            running.rows = cursor.rowcount

    def copy_in(self, statement: str, names: Names, chunks: Iterator[bytes], /) -> int:
        """Feeds a COPY FROM STDIN and returns the rows that the server counted.

        Raises:
            ValueRefused: the server does not take a value, whatever it has against it.
        """
        text = compose(statement, names).as_bytes(self._connection)
        with self._translated(loading=True), self._any_bytes(), self._connection.cursor() as cursor:
            with cursor.copy(text, _NO_VALUES) as copy:
                for chunk in chunks:
                    copy.write(chunk)
            return cursor.rowcount

    def run_script(self, text: str) -> None:
        """Runs a migration, which holds no names and no values."""
        with self._translated():
            self._connection.execute(text)

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
    def locked(self, name: str, what: str, *, shared: bool = False) -> Generator[None]:
        """Holds a lock of this name in this database, so that two runs do not work on the same thing at once.

        The lock spares double work; it guards no invariant, since it goes when the connection goes. Those who
        share it hold it side by side, and keep out only the one who does not.

        Raises:
            Busy: someone else held it for two minutes.
        """
        deadline = time.monotonic() + _WINDOW_LOCK_WAIT_SECONDS
        waiting = False
        kind = "_shared" if shared else ""
        while not self.one(f"session/lock{kind}", name=name).taken:
            if not waiting:
                log.info("%s is in the hands of another run; waiting for it", what)
                waiting = True
            if time.monotonic() > deadline:
                raise Busy(
                    f"{what} has been in the hands of another run for {_WINDOW_LOCK_WAIT_SECONDS:.0f} seconds; "
                    f"this run stops here and may be run again"
                )
            time.sleep(_WINDOW_LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            if not self._connection.closed:
                self.all(f"session/unlock{kind}", name=name)

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
            seconds = time.monotonic() - started
            raise translate(error, self.name, seconds, self._longest, users=self._called_users) from None


def _milliseconds(limit: timedelta) -> str:
    """A limit as the server reads it; never 0, which would be none at all."""
    return f"{max(1, round(limit.total_seconds() * 1000))}ms"


@contextmanager
def _login(name: str) -> Generator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, name) from None
