"""The session of a worker's notes: it hears when a worker of events is sent for."""

from __future__ import annotations

from pg_archiver.postgres.session import Session


class NoticesSession(Session):
    """One connection to a client database that waits for notices."""

    def listen_for_events(self) -> None:
        """Hear from now on when a worker of events is sent for."""
        self.fetch_all("postgres/listen/listen_for_events")

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the first notice; return whether there was one.

        Raises:
            DatabaseInterrupted: the connection was lost.
        """
        with self._translate_errors():
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
