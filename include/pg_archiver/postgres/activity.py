"""A second connection that looks on while a long statement runs: how far it is, whom it waits for, who waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from pg_archiver.errors import ArchiverError, Stopped
from pg_archiver.postgres.session import Row, Session

log = logging.getLogger(__name__)

OpenSession = Callable[[], AbstractContextManager[Session]]
POLL_SECONDS = 0.5


@dataclass
class StatementMonitor:
    """What was seen so far: the longest wait of others, in seconds, and whom the statement waited for last."""

    longest_wait: float = 0.0
    waited_for: tuple[str, ...] = ()

    @property
    def waited_for_text(self) -> str:
        """Whom it waited for, as the end of a message."""
        return f"; it waited for {', '.join(self.waited_for)}" if self.waited_for else ""


@contextmanager
def monitor_statement(open_session: OpenSession, process: int, what: str) -> Generator[StatementMonitor]:
    """Look at this server process twice a second while the block runs, and write what changes to the log.

    Not being able to monitor is no reason to fail: it is logged, and the work continues without it.
    """
    watch, over = StatementMonitor(), threading.Event()
    looking = threading.Thread(target=_look_on, args=(open_session, process, what, watch, over), daemon=True)
    looking.start()
    try:
        yield watch
    finally:
        over.set()
        looking.join()


def _look_on(
    open_session: OpenSession, process: int, what: str, watch: StatementMonitor, over: threading.Event
) -> None:
    try:
        with open_session() as session:
            told = ""
            while not over.wait(POLL_SECONDS):
                told = describe_progress(session, process, what, watch, told)
    except Stopped:
        # So is what it looks at.
        return
    except ArchiverError as error:
        log.warning("%s continues without monitoring: %s", what, error)


def describe_progress(session: Session, process: int, what: str, watch: StatementMonitor, told: str) -> str:
    """Look once at this process, and write to the log what differs from `told`; return what is to be told next."""
    waiters = session.fetch_one("postgres/activity/waiters", process=process)
    watch.longest_wait = max(watch.longest_wait, waiters.longest)
    blockers = tuple(_name_process(row) for row in session.fetch_all("postgres/activity/blockers", process=process))
    if blockers and blockers != watch.waited_for:
        log.info("%s waits for %s", what, ", ".join(blockers))
    watch.waited_for = blockers or watch.waited_for
    for row in session.fetch_all("postgres/activity/progress", process=process):
        now = f"{row.phase}{'' if row.percent is None else f', {row.percent}%'}"
        if now != told:
            log.info("%s: %s", what, now)
        told = now
    return told


def _name_process(row: Row) -> str:
    """Return who it is, without how long it has lasted: that would be another line in the log each time."""
    told = [f"pid {row.pid}", f"user {row.user_name}"]
    told += [f"application {row.application!r}"] if row.application else []
    told += [str(row.state)] if row.state else []
    told += [f"in a transaction since {row.since:%Y-%m-%d %H:%M:%S} UTC"] if row.since else []
    told += [f"last statement {row.verb}"] if row.verb else []
    return f"({', '.join(told)})"
