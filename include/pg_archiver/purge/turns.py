"""The lock that keeps rewrites of a table out while rows of it are deleted, given up now and then."""

from __future__ import annotations

import time
from contextlib import ExitStack

from pg_archiver.ledger.locks import rewrite_lock
from pg_archiver.postgres.session import Session
from pg_archiver.purge.due import PurgeOrder
from pg_archiver.purge.pace import sleep

# Whoever rewrites the table gets a turn after so long, and so long to take it.
_TURN_SECONDS, _REST_SECONDS = 60.0, 1.0


class Turn:
    """The lock that keeps rewrites of the table out, given up now and then so that whoever waits for it gets it."""

    def __init__(self, session: Session, order: PurgeOrder) -> None:
        """Take it later."""
        self._session = session
        self._order = order
        self._held = ExitStack()
        self._since: float | None = None

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def take(self) -> None:
        """Hold the lock from now on.

        Raises:
            Busy: somebody rewrites the table.
        """
        if self._since is None:
            table = self._order.table
            self._held.enter_context(
                self._session.advisory_lock(rewrite_lock(self._order), f"table {table}", shared=True)
            )
            self._since = time.monotonic()

    def rest(self, seconds: float) -> None:
        """Pause for so long; without the lock if the pause is long, or the lock was held for long."""
        if self._since is not None and time.monotonic() - self._since > _TURN_SECONDS:
            seconds = max(seconds, _REST_SECONDS)
        if seconds >= _REST_SECONDS / 2:
            self._release()
        if seconds > 0:
            sleep(seconds, self._session.stop)

    def _release(self) -> None:
        self._since = None
        self._held.close()
