"""An archive of versions may be killed anywhere: the newest stay, and what went is in an object and counted once."""

from __future__ import annotations

import pytest

from tests.faults.kills import Kill, Worker
from tests.faults.place import Place
from tests.faults.version_kills import tried

# Around all by which versions leave: the second batch of the first window, in which a key is cut in two.
POINTS = (
    "before versions/lock_kept",
    "before archive/delete/batch",
    "after archive/delete/batch",
    "after ledger/windows/note_progress",
)


@pytest.mark.parametrize("point", POINTS)
def test_versions_are_archived_whole_after_a_kill(place: Place, worker: Worker, point: str) -> None:
    verdict = tried(worker, place, f"versions_{POINTS.index(point)}", Kill(point, 2))
    assert verdict.good, str(verdict)
    assert verdict.rows
