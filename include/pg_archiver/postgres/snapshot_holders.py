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
class SnapshotHolder:
    """Something whose snapshot keeps VACUUM from removing dead rows; None is what it has not, or what nobody may see.

    `age` is how long its transaction has been open, `transactions` how many began since, `verb` its statement's.
    """

    kind: str
    name: str
    pid: int | None
    user: str | None
    application: str | None
    state: str | None
    age: timedelta | None
    transactions: int
    verb: str | None = None

    def __str__(self) -> str:
        told = [f"{self.kind} {self.name}" if self.name else self.kind]
        told += [f"pid {self.pid}"] if self.pid else []
        told += [f"user {self.user}"] if self.user else []
        told += [f"application {self.application}"] if self.application else []
        told += [self.state] if self.state else []
        told += [f"for {self.age // timedelta(seconds=1)} s"] if self.age is not None else []
        told += [f"{say_count(self.transactions, 'transaction')} back"]
        told += [f"last statement {self.verb}"] if self.verb else []
        return ", ".join(told)


def find_holders(
    session: Session, mark: str | None = None, older_than: timedelta | None = None
) -> tuple[SnapshotHolder, ...]:
    """Find what keeps VACUUM from removing dead rows in this database, the oldest first, ten at most.

    A role without `pg_monitor` sees that other roles' sessions hold on, and who they are, but neither state nor age.

    Args:
        session: a session on the client database.
        mark: a transaction's number; only what may still see row versions that were replaced up to then.
        older_than: sessions whose transactions are younger are left out; None for `LONG_SNAPSHOT`.
    """
    asked = {"mark": mark, "older_than": LONG_SNAPSHOT if older_than is None else older_than}
    return tuple(
        SnapshotHolder(
            *(row.kind, row.name, row.pid, row.user_name, row.application, row.state, row.age, row.transactions),
            verb=row.verb,
        )
        for row in session.fetch_all("postgres/snapshots/holders", **asked)
    )


def wait_until_free(session: Session, seconds: float, stopping: Callable[[], bool]) -> tuple[SnapshotHolder, ...]:
    """Wait until nobody may see the row versions that were replaced before this call.

    Args:
        session: a session on the client database.
        seconds: how long to wait at most.
        stopping: asked while it waits; true ends the wait.

    Returns:
        Who still may; empty once nobody may.
    """
    mark = session.fetch_one("postgres/snapshots/current_snapshot").mark
    deadline = time.monotonic() + seconds
    while found := find_holders(session, mark, timedelta(0)):
        if time.monotonic() > deadline or stopping():
            return found
        time.sleep(_POLL_SECONDS)
    return ()
