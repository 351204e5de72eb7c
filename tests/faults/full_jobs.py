"""Jobs whose processes are killed at every point and at many instants: `python -m tests.faults` runs it, too."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.account import Verdict
from tests.faults.chance import seeded
from tests.faults.event_storm import EventStorm
from tests.faults.job_kills import choices, points, prepared, tried
from tests.faults.kills import SHAPES, Kill, Worker
from tests.faults.kills import choices as archive_choices
from tests.faults.kills import points as archive_points
from tests.faults.kills import tried as archive_tried
from tests.faults.place import Place
from tests.faults.purge_storm import SHAPES as PURGED_SHAPES
from tests.faults.purge_storm import PurgeStorm
from tests.faults.storm import Storm
from tests.faults.table_job_kills import TableTrial
from tests.faults.table_job_kills import choices as table_choices
from tests.faults.tally import Tally, kill_at_random, say
from tests.support.event_place import EventPlace
from tests.support.job_place import JobPlace
from tests.support.table_jobs import TableJobs

RANDOM_KILLS = 100
RANDOM_TABLE_KILLS = 50
POINTS_A_SHAPE = 25
OPERATIONS = 3_000
EVENTS = 100_000


def try_jobs(tally: Tally, place: Place, archiving: Worker) -> None:
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
    try_table_jobs(tally, place)
    try_archive_jobs(tally, place, archiving)
    # The last, since it kills the server.
    try_events(tally, place)


def try_events(tally: Tally, place: Place) -> None:
    say(f"{EVENTS:,} rows of a watched table, and workers and a server that are killed")
    with TemporaryDirectory() as folder, EventPlace.made(place.server, "killed_events", Path(folder)) as events:
        tally.add("workers of events and their server killed", EventStorm(events, EVENTS, "events").run, always=True)


def try_archive_jobs(tally: Tally, place: Place, worker: Worker) -> None:
    """With the account of what users write meanwhile, which finds each row in the table or in an object."""
    for shape in SHAPES:
        met = archive_choices(archive_points(worker, place, shape, job=True), shape)
        chosen = seeded(f"jobs {shape}").sample(met, min(len(met), POINTS_A_SHAPE))
        say(f"SIGKILL of jobs that archive a {shape} table at {len(chosen)} of {len(met)} points")
        for number, kill in enumerate(chosen):
            tried_one = partial(archive_tried, worker, place, f"job_{shape}{number}", kill, job=True)
            tally.add(f"job that archives killed {kill}", tried_one)
    say(f"SIGKILL of jobs that archive at {RANDOM_TABLE_KILLS} random instants, beside users")

    def at_random(number: int, instant: float) -> Verdict:
        return archive_tried(worker, place, f"job_at{number}", None, instant, job=True)

    kill_at_random(tally, "job that archives", RANDOM_TABLE_KILLS, at_random)
    say(f"{2 * OPERATIONS} operations of writers beside jobs that archive and rewrites")
    for children in (False, True):
        name = f"storm_of_jobs_{children}".lower()
        storm = Storm(place, name, name, OPERATIONS, keyed=children, children=children, jobs=True)
        tally.add(f"storm over jobs{' of a table and its children' if children else ''}", storm.run, always=True)
    say(f"{len(PURGED_SHAPES) * OPERATIONS} operations of writers beside jobs that delete, rewrites and cuts")
    for purged in PURGED_SHAPES:
        purges = PurgeStorm(place, f"storm_of_purges_{purged}", OPERATIONS, purged)
        tally.add(f"storm over jobs that delete, of a table that is {purged}", purges.run, always=True)


def try_table_jobs(tally: Tally, place: Place) -> None:
    with (
        TableJobs.made(place.server, place.s3, "killed_tables") as tables,
        Worker.started("tests.faults.job_worker") as worker,
    ):
        trial = TableTrial(tables, place.s3, worker)

        def checked(name: str, action: str, kill: Kill | None = None, instant: float | None = None) -> Verdict:
            trial.run(name, action, kill, instant)
            return Verdict()

        for action in ("archive", "delete"):
            chosen = table_choices(trial.points(action))
            say(f"SIGKILL of jobs that {action} at {len({kill.point for kill in chosen})} points")
            for number, kill in enumerate(chosen):
                tried_one = partial(checked, f"{action}_{number}", action, kill)
                tally.add(f"job that says {action} killed {kill.point} ({kill.occurrence})", tried_one)

            def at_random(number: int, instant: float, action: str = action) -> Verdict:
                return checked(f"{action}_at_{number}", action, None, instant)

            say(f"SIGKILL of jobs that {action} at {RANDOM_TABLE_KILLS} random instants")
            kill_at_random(tally, f"job that says {action}", RANDOM_TABLE_KILLS, at_random)
