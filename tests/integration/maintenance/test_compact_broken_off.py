"""compact that is stopped, cut off or killed loses nothing, and the next run finishes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pg_archiver.errors import DatabaseInterrupted, Stopped
from tests.support.bloated_tables import after, bloated, compacted, content, fresh_heap_bytes, heap_bytes
from tests.support.concurrency import until
from tests.support.place import Place

pytestmark = pytest.mark.more
PAGE = 8192
EVERY_TWENTIETH = "id % 20 = 0"
ROOT = Path(__file__).parents[3]


def test_it_stops_between_batches_and_the_next_run_finishes(place: Place) -> None:
    bloated(place, EVERY_TWENTIETH)
    before = content(place)
    with pytest.raises(Stopped, match=r"stopped after [1-9]"):
        compacted(place, stopping=after(5))
    assert content(place) == before
    assert compacted(place).rows > 0
    assert heap_bytes(place) <= fresh_heap_bytes(place) + PAGE
    assert content(place) == before


@pytest.mark.parametrize("batches", [1, 4])
def test_a_connection_that_is_cut_loses_nothing(place: Place, batches: int) -> None:
    bloated(place, EVERY_TWENTIETH)
    before = content(place)
    stop = after(batches)

    def cutting() -> bool:
        if stop():
            place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'")
        return False

    with pytest.raises(DatabaseInterrupted):
        compacted(place, stopping=cutting)
    assert content(place) == before
    assert compacted(place).after.heap <= fresh_heap_bytes(place) + PAGE
    assert content(place) == before


@pytest.mark.parametrize(
    ("statement", "times"),
    [
        ("maintenance/compact/lock_rows", 2),
        ("maintenance/compact/move_rows", 9),
        ("postgres/snapshots/current_snapshot", 2),
    ],
)
def test_a_process_that_is_killed_leaves_nothing_that_the_next_run_does_not_finish(
    place: Place, statement: str, times: int
) -> None:
    bloated(place, EVERY_TWENTIETH)
    before = content(place)
    order = {"dsn": place.server.dsn(place.database), "statement": statement, "times": times}
    worker = subprocess.run(
        [sys.executable, "-m", "tests.support.compact_worker"],
        input=json.dumps(order),
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert worker.returncode == -signal.SIGKILL
    until(lambda: not place.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'test'"))
    assert content(place) == before
    done = compacted(place)
    assert done.after.heap <= fresh_heap_bytes(place) + PAGE
    assert content(place) == before
    assert place.sql("SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
