"""How a worker without Airflow reaches its database: by a DSN, which both of its sessions use."""

from __future__ import annotations

from contextlib import AbstractContextManager

from pg_archiver.events.waiting import WorkLimits
from pg_archiver.events.worker import WorkConnections
from pg_archiver.postgres.dsn import Dsn
from pg_archiver.postgres.functions_session import FunctionsSession, limit_functions
from pg_archiver.postgres.notices_session import NoticesSession
from pg_archiver.runtime.stopping import Stop


def connect_worker(dsn: str, limits: WorkLimits, stop: Stop) -> WorkConnections:
    """Return how a worker reaches the database of a DSN.

    Raises:
        SettingError: the DSN cannot be read.
    """
    parsed = Dsn.parse(dsn)
    name = f"archiver events {limits.lane}"
    of_functions = limit_functions(limits.longest_in_batch)

    def open_functions() -> AbstractContextManager[FunctionsSession]:
        return FunctionsSession.connect(parsed.connect, parsed.name, name, limits=of_functions, stop=stop)

    def open_notes() -> AbstractContextManager[NoticesSession]:
        return NoticesSession.connect(parsed.connect, parsed.name, f"{name} notes")

    return WorkConnections(open_functions, open_notes)
