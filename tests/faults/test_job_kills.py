"""The process that runs a job may be killed at any instruction, and Postgres too: counters agree with what happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dev.postgres import PostgresServer
from pg_archiver.errors import ArchiverError
from tests.faults.chance import seeded
from tests.faults.job_kills import await_backends, check, choices, due, points, prepared, settle, tried
from tests.faults.job_worker import CALLING, order_of
from tests.faults.kills import Kill, NotReached, Worker
from tests.support.concurrency import in_background, until
from tests.support.job_place import JobPlace

FEWEST_POINTS = 50
POINTS = 12
INSTANTS = 3
# Around all that commits.
ALWAYS = (
    *(
        f"{when} {what}"
        for when in ("before", "after")
        for what in (
            "ledger/jobs/claim_due",
            "ledger/jobs/begin_run",
            "ledger/job_runs/begin",
            "the call",
            "ledger/job_runs/end",
            "ledger/jobs/fold",
            "ledger/job_runs/mark_folded",
        )
    ),
    CALLING,
)


@pytest.fixture(scope="module")
def job_worker() -> Iterator[Worker]:
    with Worker.started("tests.faults.job_worker") as worker:
        yield worker


@pytest.fixture(scope="module")
def jobs(server: PostgresServer) -> Iterator[JobPlace]:
    with JobPlace.made(server, "killed") as place:
        yield prepared(place)


@pytest.mark.parametrize(
    "point",
    [
        "after ledger/jobs/begin_run",
        "after ledger/job_runs/end",
        "after ledger/jobs/fold",
        "after ledger/job_runs/mark_folded",
    ],
)
def test_counters_agree_after_a_kill_between_two_commits(jobs: JobPlace, job_worker: Worker, point: str) -> None:
    tried(job_worker, jobs, f"killed between: {point}", Kill(point, 1))


@pytest.mark.more
def test_counters_agree_after_a_kill_around_each_commit(jobs: JobPlace, job_worker: Worker) -> None:
    met = points(job_worker, jobs)
    assert len(set(met)) >= FEWEST_POINTS
    assert set(ALWAYS) <= set(met)
    verdicts = [tried(job_worker, jobs, f"killed {point}", Kill(point, 1)) for point in ALWAYS]
    # From the record of the begin to that of the end it is a crash.
    crashed = [point for point, verdict in zip(ALWAYS, verdicts, strict=True) if verdict.crashes]
    assert crashed == [
        "before the call",
        "before ledger/job_runs/end",
        "after ledger/job_runs/begin",
        "after the call",
        CALLING,
    ]


@pytest.mark.more
def test_counters_agree_after_a_kill_at_any_point_of_a_sample(jobs: JobPlace, job_worker: Worker) -> None:
    for number, kill in enumerate(choices(points(job_worker, jobs), POINTS)):
        tried(job_worker, jobs, f"point {number}", kill)


@pytest.mark.rare
@pytest.mark.more
def test_counters_agree_after_a_kill_at_random_instants(jobs: JobPlace, job_worker: Worker) -> None:
    choice, reached = seeded("instants of jobs"), 0
    for number in range(10 * INSTANTS):
        try:
            tried(job_worker, jobs, f"instant {number}", None, choice.uniform(0.02, 1.5))
            reached += 1
        except NotReached:
            continue
        if reached == INSTANTS:
            return
    raise AssertionError("the child was always faster than the kill")


def test_a_killed_call_is_over_on_the_server_soon_and_known_as_a_crash_without_anybody_at_work_twice(
    jobs: JobPlace, job_worker: Worker
) -> None:
    """Others look and would run it all the while, while the server does not know yet that the client is gone."""
    number = due(jobs, "long", seconds=3.0, fails=False)
    answer = job_worker.send({**order_of(jobs), "run_id": "long"}, Kill(CALLING, 3))
    assert answer["killed"]
    with ThreadPoolExecutor(2) as others:
        for ended in [others.submit(settle, jobs, "long", who, alone=False) for who in ("one", "other")]:
            ended.result()
    assert check(jobs, number).crashes == 1
    await_backends(jobs)


def test_a_call_that_would_take_hours_ends_with_its_process(jobs: JobPlace, job_worker: Worker) -> None:
    number = due(jobs, "hours", seconds=36_000.0, fails=False)
    assert job_worker.send({**order_of(jobs), "run_id": "hours"}, Kill(CALLING, 2))["killed"]
    await_backends(jobs)
    (note,) = jobs.plan("later").notes
    assert "the process of its run" in note
    assert jobs.counters("hours") == ("idle", 1, 0, 0, 1)
    assert jobs.state("hours", "next_start - last_finish >= interval '5 minutes'")
    jobs.sql(jobs.control, "DELETE FROM archiver.jobs WHERE job_id = %s", number)


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobPlace]:
    """A place on a server that keeps what it has promised through a sudden stop."""
    folder: Path = tmp_path_factory.mktemp("durable")
    with PostgresServer(folder, {"fsync": "on"}) as server, JobPlace.made(server, "restarted") as place:
        yield prepared(place)


@pytest.mark.more
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_of_the_server_in_the_middle_of_a_call_is_a_crash(durable: JobPlace, how: str) -> None:
    number = due(durable, f"restart {how}", seconds=5.0, fails=False)
    (claim,) = durable.plan(f"restart {how}").claims
    with in_background(lambda: durable.run(claim)) as running:
        until(lambda: bool(durable.sql(claim.database, "SELECT 1 FROM app.noted WHERE job_id = %s", number)))
        if how == "kill":
            durable.server.kill()
        else:
            durable.server.stop()
        durable.server.start()
        with pytest.raises(ArchiverError):
            running.result()
    durable.sql(durable.control, "UPDATE archiver.jobs SET config = '{\"seconds\": 0.1}' WHERE job_id = %s", number)
    settle(durable, f"restart {how}")
    assert check(durable, number).crashes == 1


@pytest.mark.more
def test_the_server_dies_at_random_instants_again_and_again(durable: JobPlace) -> None:
    choice = seeded("restarts")
    for count in range(4):
        name = f"dying {count}"
        number = due(durable, name, fails=False)

        def work(name: str = name) -> None:
            for claim in durable.plan(name).claims:
                durable.run(claim)

        with in_background(work) as running:
            time.sleep(choice.uniform(0.0, 1.0))
            durable.server.kill()
            durable.server.start()
            running.exception()
        settle(durable, name)
        check(durable, number)
