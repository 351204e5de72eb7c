"""A server that loses for certain every commit that was not waited for, when it crashes.

Whoever writes the log to the disk in the background stands still. So nothing gets there but what a commit waits for.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from tests.faults.place import Place, hours_ago
from tests.faults.recorder import filled, with_table

# Nobody else who writes pages, and with them the log up to these, comes in between.
SETTINGS = {
    "wal_writer_delay": "10s",
    "autovacuum": "off",
    "bgwriter_lru_maxpages": "0",
    "checkpoint_timeout": "1h",
    "max_prepared_transactions": "10",
}
HOURS = (50, 51, 52)
ROWS_A_WINDOW = 4
# A window alone takes two delete batches; or several of them are a group.
ALONE, TOGETHER = ROWS_A_WINDOW // 2, 200


@contextmanager
def unwritten(place: Place) -> Iterator[None]:
    """Nothing is written to the disk in the block but what somebody waits for."""
    writer = _find_writer(place)
    os.kill(writer, signal.SIGSTOP)
    try:
        yield
    finally:
        # It is another one since a crash.
        with suppress(ProcessLookupError):
            os.kill(writer, signal.SIGCONT)


def crash(place: Place) -> None:
    """Ends the server as if its machine had died, and starts it again."""
    # One that stands still would hold the end up.
    os.kill(_find_writer(place), signal.SIGKILL)
    place.server.kill()
    place.server.start()


def _find_writer(place: Place) -> int:
    return int(place.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")[0][0])


def windows_of(place: Place, name: str, batch_size: int) -> Place:
    """A new table with a few windows of a few rows."""
    table = with_table(place, name, keyed=True, batch_size=batch_size)
    moments: list[datetime] = [hours_ago(hour - part / 60) for hour in HOURS for part in range(1, ROWS_A_WINDOW + 1)]
    filled(table, moments)
    return table


def states_of(place: Place) -> list[tuple[str, int]]:
    """The state of each generation, and how many rows left by it."""
    statement = "SELECT state, deleted_rows FROM archiver.windows WHERE table_name = %s ORDER BY cell_start, generation"
    return place.sql(statement, place.order.table.name)
