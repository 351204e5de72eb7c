"""The session of a task: how it connects, COPY in and out, advisory locks, errors in our own words."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus

from pg_archiver.errors import ArchiverError, Busy, DatabaseRefused
from pg_archiver.postgres.base_session import ALIVE, PinnedSession, Row, SessionLimits
from pg_archiver.postgres.copy_out import CopyOut, Line
from pg_archiver.postgres.poolers import login, refuse_shared
from pg_archiver.postgres.statements import Names, compose
from pg_archiver.runtime.stopping import Stop

__all__ = ["CopyOut", "Line", "Row", "Session"]

log = logging.getLogger(__name__)

OLDEST_VERSION = 140_000
LOCK_WAIT_SECONDS = 120.0
LOCK_POLL_SECONDS = 0.5
# A number so high that no statement is prepared because it ran often, while one that asks for it is.
_NEVER_BY_ITSELF = 1 << 30
# With no values at all the driver would not read a COPY for `%`, and leave those in names doubled.
_NO_VALUES = {"none": None}


class Session(PinnedSession):
    """One connection to a client database, for one task."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        name: str,
        hosts: Callable[[], tuple[str, str] | None] | None = None,
        limits: SessionLimits | None = None,
        stop: Stop | None = None,
    ) -> None:
        """Take over an open connection; `name` says which database it is in messages; the rest as in `connected`."""
        super().__init__(connection, name, limits, stop)
        self._hosts = hosts
        # What its list of exported rows was made for, a temporary table, which is emptied for the next window.
        self.list_of: object = None
        # Which past of which server this is, and whether restores are noted here: once known they stay so.
        self.past: object = None
        self.notes_restores = False
        self._process = connection.info.backend_pid

    @property
    def process(self) -> int:
        """The server's process that serves this connection, as `pg_stat_activity` shows it."""
        return self._process

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.info.transaction_status is not TransactionStatus.IDLE

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
    def connect(
        cls,
        connect: Callable[[], psycopg.Connection[Any]],
        name: str,
        application: str,
        writes: bool = True,
        hosts: Callable[[], tuple[str, str] | None] | None = None,
        limits: SessionLimits | None = None,
        stop: Stop | None = None,
        one_session_proxy: bool = False,
    ) -> Generator[Self]:
        """Open a connection, pin its session settings and close it at the end.

        Args:
            connect: opens the connection; what it raises is translated.
            name: the database, for messages.
            application: what `pg_stat_activity` shows as `application_name`.
            writes: whether this session is going to write; a standby is refused then. Otherwise the server refuses
                every write in it.
            hosts: tells a list of hosts and its ports, None if there is but one host. psycopg tries those of a list
                one by one, and the connection then knows only the one that answered.
            limits: how long its statements may take and wait, where those are not the usual ones.
            stop: tells when the process was asked to end. When its time is over, the statement that runs is
                cancelled, and the block ends with `Stopped`.
            one_session_proxy: a person vouches for a proxy in front that gives each client a server process of its
                own; what can be seen of that is looked at.

        Raises:
            DatabaseRefused: wrong host, user, password, database or kind of server.
            DatabaseInterrupted: the server cannot be reached, or is a standby although this session is to write.
        """
        with login(name):
            connection = connect()
        try:
            connection.autocommit = True
            connection.prepare_threshold = _NEVER_BY_ITSELF
            session = cls(connection, name, hosts, limits, stop)
            with session.stop.breaking_off(session.cancel):
                session._settle(application, writes, connect if one_session_proxy else None)
                yield session
        finally:
            connection.close()

    def _settle(self, application: str, writes: bool, another: Callable[[], psycopg.Connection[Any]] | None) -> None:
        """Find out who answers, and pin the settings; `another` opens a further connection through a proxy to try."""
        info = self._connection.info
        self._address = f"{info.host or 'a local socket'}:{info.port}"
        server = self.fetch_one("postgres/session/server")
        if server.version < OLDEST_VERSION:
            raise DatabaseRefused(f"database {self.name}: server version 14 or later is needed")
        # A pooler tells a number of its own at the login, and lends sessions whose numbers are the server's.
        if server.process != self._process:
            if another is None:
                raise DatabaseRefused(
                    f"database {self.name} is reached through a connection pooler, behind which session locks and "
                    "settings may not hold, and whose pool mode cannot be seen from here. Nothing was written. Fix: "
                    "point the Airflow connection at the Postgres server itself. If the pooler gives each client a "
                    "server process of its own for as long as it is connected, as Neon's proxy or a pooler in session "
                    "mode does, set one_session_proxy: true at the instance in the policy file"
                )
            self._process = server.process
            refuse_shared(self, another)
        settings = self.fetch_one("postgres/session/read_settings", application=application)
        self._writes = writes
        if writes:
            self._refuse_unwritable(settings)
        self._users_path = settings.users_path
        self.users_commit = settings.synchronous_commit
        self._event_triggers = settings.event_triggers
        alive = self.fetch_all("postgres/session/keepalive", names=list(ALIVE), settings=list(ALIVE.values()))
        self._check_interval = next(row.setting for row in alive if row.name == "client_connection_check_interval")
        self._pin()

    def _refuse_unwritable(self, settings: Row) -> None:
        if settings.standby:
            raise self._on_standby()
        if settings.read_only == "on":
            raise DatabaseRefused(
                f"database {self.name} has default_transaction_read_only on, so somebody wants nothing written to it. "
                "Fix: set it to off for the database or the role of the Airflow connection"
            )
        if settings.replication_role != "origin":
            raise DatabaseRefused(
                f"database {self.name} has session_replication_role {settings.replication_role}, under which foreign "
                "keys are not checked. Fix: set it to origin for the database and the role of the Airflow connection"
            )

    def client_environment(self) -> dict[str, str]:
        """Return the environment by which one of Postgres's own client programs comes to this database, as this role.

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

    @contextmanager
    def users_code(self, *, known: bool) -> Generator[None]:
        """Run statements of a transaction along the path of the users, if code of theirs is `known` to run in them.

        Code that came in between runs along our own, and nothing that it says is told either; that nothing it did stays
        is for the caller, who has to find out that it came, and to roll back.
        """
        if known:
            self.use_database_search_path(builtins_first=False)
            yield
            # It has run, along a path on which anything may lie.
            self.use_builtin_search_path()
            return
        self._called_users = True
        try:
            yield
        finally:
            self._called_users = False

    @contextmanager
    def _any_bytes(self) -> Generator[None]:
        """Let a COPY carry text as it lies in a database without an encoding, where it may be any bytes at all."""
        if self._connection.info.parameter_status("server_encoding") != "SQL_ASCII":
            yield
            return
        with self._connection.transaction():
            self.fetch_all("postgres/session/encoding", encoding="SQL_ASCII")
            yield
            self.fetch_all("postgres/session/encoding", encoding="UTF8")

    @contextmanager
    def copy_out(self, statement: str, names: Names, /, **values: object) -> Generator[CopyOut]:
        """Stream a COPY TO STDOUT; its row count is known once the chunks have been used up."""
        self._begin(statement)
        text = compose(statement, names).as_bytes(self._connection)
        with (
            self._translate_errors(),
            self._any_bytes(),
            self._connection.cursor() as cursor,
            cursor.copy(text, values or _NO_VALUES),
        ):
            yield CopyOut(self._connection)

    def copy_in(self, statement: str, names: Names, chunks: Iterator[bytes], /) -> int:
        """Feed a COPY FROM STDIN and return the rows that the server counted.

        Raises:
            ValueRefused: the server does not take a value, whatever it has against it.
        """
        self._begin(statement)
        text = compose(statement, names).as_bytes(self._connection)
        with self._translate_errors(loading=True), self._any_bytes(), self._connection.cursor() as cursor:
            with cursor.copy(text, _NO_VALUES) as copy:
                for chunk in chunks:
                    # The server's answer to a cancelled COPY would be read only at its end.
                    self.stop.refuse()
                    copy.write(chunk)
            return cursor.rowcount

    @contextmanager
    def advisory_lock(self, name: str, what: str, *, shared: bool = False) -> Generator[None]:
        """Hold a lock of this name in this database, so that two runs do not work on the same thing at once.

        The lock spares double work; it guards no invariant, since it goes when the connection goes. Those who
        share it hold it side by side, and keep out only the one who does not.

        Raises:
            Busy: someone else held it for two minutes.
        """
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        waiting = False
        kind = "_shared" if shared else ""
        while not self.fetch_one(f"postgres/session/lock{kind}", name=name).taken:
            self.stop.refuse()
            if not waiting:
                log.info("another run is working on %s; waiting for it", what)
                waiting = True
            if time.monotonic() > deadline:
                raise Busy(
                    f"{what} has been locked by another run for {LOCK_WAIT_SECONDS:.0f} seconds. "
                    f"This run stops here and may be run again"
                )
            time.sleep(LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            if not self._connection.closed:
                self.fetch_all(f"postgres/session/unlock{kind}", name=name)

    @contextmanager
    def advisory_locks(self, name: str, what: str, shared: str, shared_what: str) -> Generator[None]:
        """Hold one lock, and share another one, as two `advisory_lock` do; with one statement where both are free.

        Raises:
            Busy: as of `advisory_lock`.
        """
        names = {"name": name, "shared": shared}
        found = self.fetch_one("postgres/session/lock_both", **names)
        if not found.shared:
            if found.taken:
                self.fetch_all("postgres/session/unlock", name=name)
            with self.advisory_lock(name, what), self.advisory_lock(shared, shared_what, shared=True):
                yield
            return
        try:
            yield
        finally:
            if not self._connection.closed:
                self.fetch_all("postgres/session/unlock_both", **names)

    @contextmanager
    def try_advisory_lock(self, name: str, *, shared: bool = False) -> Generator[bool]:
        """Hold the lock of this name in this database for the block if it is free; yield whether it was.

        Those who share it hold it side by side, and keep out only the one who does not.
        """
        kind = "_shared" if shared else ""
        taken = bool(self.fetch_one(f"postgres/session/lock{kind}", name=name).taken)
        try:
            yield taken
        finally:
            if taken and not self._connection.closed:
                with suppress(ArchiverError):
                    self.fetch_all(f"postgres/session/unlock{kind}", name=name)

    @contextmanager
    def try_advisory_locks(self, names: Sequence[str]) -> Generator[frozenset[str]]:
        """Hold those locks of these names in this database that are free for the block; yield their names."""
        taken = [row.name for row in self.fetch_all("postgres/session/lock_all", names=list(names)) if row.taken]
        try:
            yield frozenset(taken)
        finally:
            if taken and not self._connection.closed:
                self.fetch_all("postgres/session/unlock_all", names=taken)
