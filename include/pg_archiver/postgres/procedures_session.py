"""The session in which routines of users run: with the database's own settings, by a login of its own."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from pg_archiver.postgres.calls import Call, CallEnd
from pg_archiver.postgres.statements import Names, compose
from pg_archiver.postgres.users_session import UsersSession

# How long the server may take to end a call that was cancelled, or whose time is over.
PATIENCE_SECONDS = 30.0


class ProceduresSession(UsersSession):
    """One connection to a client database for calls of its users' routines; nothing of this program writes in it."""

    def name_application(self, name: str) -> None:
        """Let `pg_stat_activity` show this as `application_name` from now on."""
        self.fetch_all("postgres/session/application", application=name)

    def terminate(self, process: int) -> None:
        """End the server process of another session of this login, whose client has given it up."""
        self.fetch_all("postgres/session/terminate_own", process=process)

    def call(
        self,
        statement: str,
        names: Names,
        /,
        *,
        longest: timedelta,
        patience_seconds: float = PATIENCE_SECONDS,
        **values: str,
    ) -> CallEnd:
        """Run a statement that calls a routine of users, which may commit, print and take long.

        An error of the routine is a result. The session's `stop` cancels it at once.

        Args:
            statement: the statement.
            names: its names.
            longest: how long it may take, by the server's own limit.
            patience_seconds: how long the server may take to end it after that.
            values: its values, as text.

        Raises:
            Stopped: the process was to end before it was begun.
        """
        with self.timeouts(statement=longest):
            return self._call(statement, names, longest.total_seconds() + patience_seconds, values)

    def check(
        self, statement: str, names: Names, /, *, longest: timedelta, patience_seconds: float, **values: str
    ) -> CallEnd:
        """Run a statement that calls a routine of users in a READ ONLY transaction, of which nothing stays.

        Arguments and errors are those of `call`.
        """
        with self.timeouts(statement=longest), self._read_only():
            return self._call(statement, names, longest.total_seconds() + patience_seconds, values)

    def _call(self, statement: str, names: Names, longest_seconds: float, values: Mapping[str, str]) -> CallEnd:
        self._begin(statement)
        with self._translate_errors():
            text = compose(statement, names).as_bytes(self._connection)
            return Call(self._connection, self.stop, longest_seconds).run(text, values)

    @contextmanager
    def _read_only(self) -> Generator[None]:
        """Run the block in a READ ONLY transaction that is rolled back, settings and all."""
        self._connection.read_only = True
        try:
            with self.rehearsal():
                yield
        finally:
            if not self._connection.closed:
                self._connection.read_only = None
