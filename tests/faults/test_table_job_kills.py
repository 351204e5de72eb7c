"""A job that takes rows away may be killed at any instruction: just the old rows go, and the counters say how many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from tests.faults.chance import seeded
from tests.faults.kills import Kill, NotReached, Worker
from tests.faults.table_job_kills import TableTrial, choices
from tests.support.table_jobs import TableJobs

FEWEST_POINTS, POINTS, INSTANTS = 30, 12, 4
ACTIONS = pytest.mark.parametrize("action", ["archive", "delete"])


@pytest.fixture(scope="module")
def trial(server: PostgresServer, rclone: RcloneS3) -> Iterator[TableTrial]:
    with (
        TableJobs.made(server, rclone, "killed_tables") as tables,
        Worker.started("tests.faults.job_worker") as worker,
    ):
        yield TableTrial(tables, rclone, worker)


@ACTIONS
def test_a_kill_between_the_rows_and_the_end_loses_no_count(trial: TableTrial, action: str) -> None:
    trial.run(f"counted_{action}", action, Kill("after ledger/job_runs/add_rows", 2))


@pytest.mark.more
@ACTIONS
def test_just_the_old_rows_go_after_a_kill_at_any_point_of_a_sample(trial: TableTrial, action: str) -> None:
    met = trial.points(action)
    assert len(set(met)) >= FEWEST_POINTS
    for number, kill in enumerate(choices(met, POINTS)):
        trial.run(f"point_{action}_{number}", action, kill)


@pytest.mark.rare
@pytest.mark.more
@ACTIONS
def test_just_the_old_rows_go_after_a_kill_at_a_random_instant(trial: TableTrial, action: str) -> None:
    choice, reached = seeded(f"instants of {action}"), 0
    for number in range(10 * INSTANTS):
        try:
            trial.run(f"instant_{action}_{number}", action, None, choice.uniform(0.02, 1.5))
            reached += 1
        except NotReached:
            continue
        if reached == INSTANTS:
            return
    raise AssertionError("the child was always faster than the kill")
