"""Writers, archives and rewrites at once: no committed version is lost, none is invented."""

from __future__ import annotations

import pytest

from tests.faults.storm import Storm
from tests.integration.place import Place

OPERATIONS = 750


@pytest.mark.parametrize("keyed", [True, False], ids=["primary key", "no key"])
@pytest.mark.parametrize("seed", ["first", "second"])
def test_no_version_is_lost_while_writers_archives_and_rewrites_go_on(place: Place, seed: str, keyed: bool) -> None:
    storm = Storm(place, "busy", seed, OPERATIONS, keyed)
    verdict = storm.run()
    assert verdict.good, f"{verdict} ({dict(storm.events)})"
    assert storm.events["whole runs"]
    assert verdict.rows > OPERATIONS / 3
