"""What keeps VACUUM from removing row versions that nobody needs any more, and waiting until it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from include.archiver.database import Database

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Held:
    """Who may still see old row versions, one line each: process or slot, user, state and age, never a query."""

    by: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.by)


def wait_until_free(database: Database, seconds: float, stopping: Callable[[], bool]) -> Held | None:
    """Waits until nobody may see the row versions that were replaced before this call.

    A role without `pg_monitor` sees that somebody holds on, and who, but neither state nor age.

    Args:
        database: the client database.
        seconds: how long to wait at most.
        stopping: asked while it waits; true ends the wait.

    Returns:
        None once nobody does, else who still does.
    """
    mark = database.one("compact/mark").mark
    deadline = time.monotonic() + seconds
    while found := database.all("compact/held", mark=mark):
        if time.monotonic() > deadline or stopping():
            return Held(tuple(row.who for row in found))
        time.sleep(_POLL_SECONDS)
    return None
