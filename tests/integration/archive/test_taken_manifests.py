"""A manifest's key does not tell the compression: where the ledger may not know all objects, it is looked at first."""

from __future__ import annotations

from collections import Counter

import pytest

from pg_archiver.errors import CheckFailed
from tests.integration.verify.test_rebuild_ledger import LOST, rebuilt
from tests.support.owners import claim
from tests.support.place import Place, hours_ago
from tests.support.restores import events, restored

pytestmark = pytest.mark.more


def with_three_generations(place: Place) -> Place:
    events(place, rows=5)
    place.archive()
    for run_id in ("run 2", "run 3"):
        place.events(hours_ago(60))
        place.ordered(run_id=run_id).archive()
    assert place.ledger("generation, state") == [(number, "deleted") for number in (1, 2, 3)]
    place.sql(LOST)
    place.events(hours_ago(60))
    return place.ordered(run_id="run 4", compression="zstd")


def test_an_archive_that_was_handed_over_gives_no_generation_up(place: Place) -> None:
    claim(place, "run 1")
    place = with_three_generations(place)
    claim(place, "run 4", adopt="the ledger was lost")
    keys = place.keys()
    old = {key: place.read(key) for key in keys}
    place.archive()
    assert place.ledger("generation, state") == [*((number, "void") for number in (1, 2, 3)), (4, "deleted")]
    assert {key: place.read(key) for key in old} == old
    assert len(place.keys()) == len(old) + 2
    assert rebuilt(place).added == 3
    assert restored(place).restored == 8


def test_without_that_one_run_is_enough_to_find_out(place: Place) -> None:
    place = with_three_generations(place)
    with pytest.raises(CheckFailed, match="is another object's manifest"):
        place.archive()
    place.ordered(run_id="run 5").archive()
    assert place.ledger("generation, state") == [*((number, "void") for number in (1, 2, 3)), (4, "deleted")]
    assert restored(place).restored == 8


@pytest.mark.parametrize(("handed_over", "looks"), [(False, 4), (True, 5)])
def test_a_window_takes_eight_requests_and_one_more_only_where_the_ledger_may_lack_something(
    place: Place, handed_over: bool, looks: int
) -> None:
    claim(place, "run 1")
    if handed_over:
        claim(place, "run 2", adopt="the server was moved")
    events(place, rows=5)
    window = place.window()
    made: Counter[str] = Counter()
    place.client.meta.events.register("before-call.s3.*", lambda model, **_: made.update([model.name]))
    place.export(window)
    place.check(window)
    place.delete(window)
    assert made == {"PutObject": 2, "GetObject": 2, "HeadObject": looks}
