"""Jobs whose processes are killed at every point and at many instants: `python -m tests.faults` runs it, too."""

from __future__ import annotations

from functools import partial

from tests.faults.account import Verdict
from tests.faults.job_kills import choices, points, prepared, tried
from tests.faults.kills import Kill, Worker
from tests.faults.place import Place
from tests.faults.tally import Tally, kill_at_random, say
from tests.support.job_place import JobPlace

RANDOM_KILLS = 100


def try_jobs(tally: Tally, place: Place, _: Worker) -> None:
    with JobPlace.made(place.server, "killed_jobs") as jobs, Worker.started("tests.faults.job_worker") as worker:
        prepared(jobs)

        def checked(name: str, kill: Kill | None = None, instant: float | None = None) -> Verdict:
            tried(worker, jobs, name, kill, instant)
            return Verdict()

        chosen = choices(points(worker, jobs))
        say(f"SIGKILL of jobs at {len({kill.point for kill in chosen})} points, {len(chosen)} occurrences of them")
        for number, kill in enumerate(chosen):
            tally.add(f"job killed {kill.point} ({kill.occurrence})", partial(checked, f"point {number}", kill))
        say(f"SIGKILL of jobs at {RANDOM_KILLS} random instants")
        kill_at_random(tally, "job", RANDOM_KILLS, lambda number, instant: checked(f"instant {number}", None, instant))
