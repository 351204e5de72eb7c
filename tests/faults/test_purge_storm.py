"""Writers, purges, rewrites and lost connections at once: only what is due goes, and just that is counted."""

from __future__ import annotations

import pytest

from tests.faults.place import Place
from tests.faults.purge_storm import SHAPES, PurgeStorm

pytestmark = pytest.mark.more

OPERATIONS = 1500


@pytest.mark.parametrize("shape", SHAPES)
def test_only_due_rows_go_and_the_runs_count_them_while_all_else_goes_on(place: Place, shape: str) -> None:
    storm = PurgeStorm(place, f"purged_{shape}", OPERATIONS, shape)
    verdict = storm.run()
    assert verdict.good, f"{verdict} ({dict(storm.events)})"
    assert storm.events["rows deleted"] > 0, str(dict(storm.events))
    assert storm.events["sessions cut"] > 0, str(dict(storm.events))
