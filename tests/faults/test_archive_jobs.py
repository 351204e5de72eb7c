"""A job that archives may be killed anywhere, beside writers: no row is lost, and each that went is counted."""

from __future__ import annotations

import pytest

from tests.faults.chance import seeded
from tests.faults.kills import SHAPES, Kill, NotReached, Worker, choices, points, tried
from tests.faults.place import Place
from tests.faults.storm import Storm

pytestmark = pytest.mark.more

POINTS_A_SHAPE, INSTANTS, OPERATIONS = 2, 3, 750
COUNTED = "after ledger/job_runs/add_rows"


def test_no_row_is_lost_and_none_counted_twice_by_a_kill_at_any_point_of_a_sample(place: Place, worker: Worker) -> None:
    for shape in SHAPES:
        found = choices(points(worker, place, shape, job=True), shape)
        sample = seeded(f"job {shape}").sample(found, POINTS_A_SHAPE - 1)
        for number, kill in enumerate([*sample, Kill(COUNTED, 1, shape)]):
            verdict = tried(worker, place, f"job_{shape}{number}", kill, job=True)
            assert verdict.good, f"killed {kill}: {verdict}"
            assert verdict.rows


@pytest.mark.rare
def test_no_row_is_lost_and_none_counted_twice_by_a_kill_at_a_random_instant(place: Place, worker: Worker) -> None:
    choice, reached = seeded("instants of jobs that archive"), 0
    for number in range(10 * INSTANTS):
        try:
            verdict = tried(worker, place, f"job_instant{number}", None, choice.uniform(0.02, 1.0), job=True)
        except NotReached:
            continue
        assert verdict.good, str(verdict)
        reached += 1
        if reached == INSTANTS:
            return
    raise AssertionError("the child was always faster than the kill")


@pytest.mark.parametrize(
    "children", [pytest.param(False, marks=pytest.mark.rare), True], ids=["alone", "with children"]
)
def test_no_version_is_lost_while_writers_jobs_and_rewrites_go_on(place: Place, children: bool) -> None:
    storm = Storm(place, f"jobs_{children}".lower(), "jobs", OPERATIONS, keyed=children, children=children, jobs=True)
    verdict = storm.run()
    assert verdict.good, f"{verdict} ({dict(storm.events)})"
    assert storm.events["whole runs"]
    assert storm.events["ended early"]
