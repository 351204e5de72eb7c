"""Whose snapshots keep VACUUM from removing row versions, and waiting until they are gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.domain.wording import say_count
from pg_archiver.postgres.session import Session

_POLL_SECONDS = 0.1
# Sessions that began later than this come and go; naming them would be noise.
LONG_SNAPSHOT = timedelta(minutes=1)


@dataclass(frozen=True)
class Held:
    """Who may still see old row versions, one line each: process or slot, user, state and age, never a query."""

    by: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.by)


def wait_until_free(session: Session, seconds: float, stopping: Callable[[], bool]) -> Held | None:
    """Waits until nobody may see the row versions that were replaced before this call.

    A role without `pg_monitor` sees that somebody holds on, and who, but neither state nor age.

    Args:
        session: a session on the client database.
        seconds: how long to wait at most.
        stopping: asked while it waits; true ends the wait.

    Returns:
        None once nobody does, else who still does.
    """
    mark = session.fetch_one("postgres/snapshots/current_snapshot").mark
    deadline = time.monotonic() + seconds
    while found := session.fetch_all("postgres/snapshots/still_seeing", mark=mark):
        if time.monotonic() > deadline or stopping():
            return Held(tuple(row.who for row in found))
        time.sleep(_POLL_SECONDS)
    return None


@dataclass(frozen=True)
class Holder:
    """Something whose snapshot keeps VACUUM from removing dead rows."""

    kind: str
    name: str
    pid: int | None
    user: str | None
    application: str | None
    age: timedelta | None
    transactions: int
    verb: str | None = None

    def __str__(self) -> str:
        told = [f"{self.kind} {self.name}" if self.name else self.kind]
        told += [f"pid {self.pid}"] if self.pid else []
        told += [f"user {self.user}"] if self.user else []
        told += [f"application {self.application!r}"] if self.application else []
        told += [f"for {self.age // timedelta(seconds=1)} s"] if self.age is not None else []
        told += [f"{say_count(self.transactions, 'transaction')} back"]
        told += [f"last statement {self.verb}"] if self.verb else []
        return ", ".join(told)


def find_holders(session: Session) -> tuple[Holder, ...]:
    """What keeps VACUUM from removing dead rows in this database, the oldest first."""
    return tuple(
        Holder(row.kind, row.name, row.pid, row.user_name, row.application, row.age, row.transactions, row.verb)
        for row in session.fetch_all("postgres/snapshots/holders", older_than=LONG_SNAPSHOT)
    )
