"""The trigger by which a DAG of jobs or events is started: it waits in a database until there is something to do.

It belongs to an AssetWatcher, so each event that it fires becomes an event of the watcher's asset. Triggers of one
database share one connection to it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from contextlib import aclosing
from functools import partial
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from pg_archiver.airflow.connections import read_arguments
from pg_archiver.postgres.listen import JOBS, wait_for_due


class Due(BaseEventTrigger):
    """Fires at the beginning, and when jobs of a database are due or change, or events wait; it never raises.

    An event says no more than where to look: what is due is in the table.
    """

    def __init__(self, conn_id: str, database: str, what: str = JOBS) -> None:
        """Wait for jobs or events in this database of the server to which the Airflow connection leads."""
        super().__init__()
        self.what = what
        self.conn_id = conn_id
        self.database = database

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer makes this trigger of."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "conn_id": self.conn_id,
            "database": self.database,
            "what": self.what,
        }

    def shared_stream_key(self) -> Hashable:
        """Return what triggers of one database have in common, those of jobs and of events too, and no others."""
        return "pg_archiver due", self.conn_id, self.database

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncGenerator[str]:
        """Yield each time that somebody should look at the database again, and for what."""
        conn_id, database = kwargs["conn_id"], kwargs["database"]
        async with aclosing(wait_for_due(partial(read_arguments, conn_id, database), database)) as wakes:
            async for what in wakes:
                yield what

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Fire at the beginning, since nobody knows what came before it, and then with the others."""
        yield self._event
        async for what in shared_stream:
            if what == self.what:
                yield self._event

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire likewise, where streams are not shared."""
        async with aclosing(self.open_shared_stream(self.serialize()[1])) as stream:
            async for event in self.filter_shared_stream(stream):
                yield event

    @property
    def _event(self) -> TriggerEvent:
        return TriggerEvent({"conn_id": self.conn_id, "database": self.database, "due": self.what})
