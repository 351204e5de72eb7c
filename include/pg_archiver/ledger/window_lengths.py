"""The ledger's note of how long the windows of a table are, where its policy leaves that open."""

from __future__ import annotations

from datetime import datetime

from pg_archiver.domain.window_lengths import WindowLength
from pg_archiver.domain.work import TableOrder
from pg_archiver.postgres.session import Session


class WindowLengths:
    """What was chosen for one table of one client."""

    def __init__(self, session: Session, order: TableOrder) -> None:
        """Read and write through this connection."""
        self._session = session
        self._order = order
        self._subject = {"client": order.client, "schema": order.table.schema, "table": order.table.name}

    def find_noted(self) -> int | None:
        """Return the length in hours, None if none has been chosen yet."""
        if not self._session.fetch_one("ledger/schema/schema_exists").window_lengths:
            return None
        rows = self._session.fetch_all("ledger/window_lengths/noted", **self._subject)
        return int(rows[0].hours) if rows else None

    def note(self, length: WindowLength) -> None:
        """Note what was chosen; the ledger must be of this version."""
        self._session.execute(
            "ledger/window_lengths/note",
            **self._subject,
            hours=length.hours,
            rows_a_day=length.rows_a_day,
            run_id=self._order.run_id,
        )

    def count_left_since(self, moment: datetime) -> int:
        """Return how many rows of windows that begin at this moment of column time or later have left."""
        if not self._session.fetch_one("ledger/schema/schema_exists").windows:
            return 0
        return int(self._session.fetch_one("ledger/windows/rows_since", **self._subject, start=moment).rows)
