"""An archive may be killed at any instruction: a plain rerun finishes it and no row is lost."""

from __future__ import annotations

from tests.faults.account import Verdict
from tests.faults.kills import Worker, choices, points, tried
from tests.integration.place import Place

FEWEST_POINTS = 25
SAMPLE = 27


def test_no_row_is_lost_by_a_kill_at_any_point_of_a_sample(place: Place, worker: Worker) -> None:
    met = points(worker, place)
    kills = choices(met)
    assert len({kill.point for kill in kills}) >= FEWEST_POINTS
    every = max(1, len(kills) // SAMPLE)
    total = Verdict()
    for number, kill in enumerate(kills[::every]):
        verdict = tried(worker, place, f"killed{number}", kill)
        assert verdict.good, f"killed {kill}: {verdict}"
        total += verdict
    assert total.rows
