"""A session that can wait until it is notified."""

from __future__ import annotations

from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names


class NoticesSession(Session):
    """One connection to a client database, which listens."""

    def listen(self, channel: str) -> None:
        """Listen on this channel from now on."""
        names: Names = {"channel": channel}
        self.execute("postgres/listen/listen_on", names)

    def wait_for_notice(self, seconds: float) -> bool:
        """Wait so long, or until the first notice; return whether there was one."""
        with self._translate_errors():
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
