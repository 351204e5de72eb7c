"""Writers, archives and rewrites at once: no committed version is lost, none is invented."""

from __future__ import annotations

import pytest

from tests.faults.place import Place
from tests.faults.storm import Storm

pytestmark = pytest.mark.more

OPERATIONS = 750


@pytest.mark.parametrize("keyed", [True, False], ids=["primary key", "no key"])
def test_no_version_is_lost_while_writers_archives_and_rewrites_go_on(place: Place, keyed: bool) -> None:
    storm = Storm(place, f"busy_{keyed}".lower(), "first", OPERATIONS, keyed)
    verdict = storm.run()
    assert verdict.good, f"{verdict} ({dict(storm.events)})"
    assert storm.events["whole runs"]
    assert verdict.rows > OPERATIONS / 3


def test_no_version_is_lost_even_if_every_run_loses_its_lock_on_the_window(place: Place) -> None:
    storm = Storm(place, "unlocked", "unlocked", OPERATIONS, keyed=True, unlocked=True)
    verdict = storm.run()
    assert verdict.good, f"{verdict} ({dict(storm.events)})"
    assert storm.events["Superseded"]


def test_no_version_is_lost_of_a_table_and_of_the_children_that_leave_before_its_rows(place: Place) -> None:
    storm = Storm(place, "family", "family", OPERATIONS, keyed=True, children=True)
    verdict = storm.run()
    assert verdict.good, f"{verdict} ({dict(storm.events)})"
    left = "SELECT coalesce(sum(deleted_rows), 0) FROM archiver.windows WHERE table_name = 'family_child'"
    assert place.sql(left)[0][0] > 0, str(dict(storm.events))
    assert verdict.restores == 4
