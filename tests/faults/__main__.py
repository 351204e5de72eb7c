"""All faults at full size: `python -m tests.faults`. The last lines say how many were tried and what was lost.

The exit status is 0 only if every row version that writers committed was found again, every restore brought back just
what had left, and every other check passed.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from pg_archiver.postgres import session
from tests.faults import kills, postgres_faults, s3_faults, version_kills
from tests.faults.account import Verdict
from tests.faults.full_jobs import try_jobs
from tests.faults.full_others import try_others
from tests.faults.full_restores import try_restores
from tests.faults.place import Place
from tests.faults.recorder import opened
from tests.faults.s3_proxy import S3Proxy
from tests.faults.storm import Storm
from tests.faults.tally import Tally, kill_at_random, met, say
from tests.faults.worker import LOCK_POLL_SECONDS

SEEDS = 10
UNLOCKED_SEEDS = 2
OPERATIONS_A_SEED = 10_500
DYING_OPERATIONS = 1_500
FAMILY_OPERATIONS = 5_000
RANDOM_KILLS = 100
KILLS_OF_VERSIONS = 40
SETTINGS = {"deadlock_timeout": "50ms", "max_prepared_transactions": "10"}


def kill_points(tally: Tally, place: Place, worker: kills.Worker) -> None:
    chosen = [kill for shape in kills.SHAPES for kill in kills.choices(kills.points(worker, place, shape), shape)]
    say(f"SIGKILL at {len({kill.point for kill in chosen})} points, {len(chosen)} occurrences of them")
    for number, kill in enumerate(chosen):
        tally.add(f"killed {kill}", partial(kills.tried, worker, place, f"point{number}", kill))


def kill_points_of_versions(tally: Tally, place: Place, worker: kills.Worker) -> None:
    chosen = version_kills.version_kills(worker, place, KILLS_OF_VERSIONS)
    say(f"SIGKILL at {len(chosen)} points of an archive that keeps the newest versions")
    for number, kill in enumerate(chosen):
        tally.add(f"versions, killed {kill}", partial(version_kills.tried, worker, place, f"kept{number}", kill))


def random_kills(tally: Tally, place: Place, worker: kills.Worker) -> None:
    say(f"SIGKILL at {RANDOM_KILLS} random instants")

    def at_random(number: int, instant: float) -> Verdict:
        return kills.tried(worker, place, f"instant{number}", None, instant)

    kill_at_random(tally, "archive", RANDOM_KILLS, at_random)


def storms(tally: Tally, place: Place) -> None:
    say(f"{SEEDS * OPERATIONS_A_SEED} operations of writers beside archives and rewrites, {SEEDS} seeds")
    for seed in range(SEEDS):
        unlocked = seed >= SEEDS - UNLOCKED_SEEDS
        storm = Storm(place, f"storm{seed}", f"seed {seed}", OPERATIONS_A_SEED, keyed=seed % 2 == 0, unlocked=unlocked)
        tally.add(f"storm {seed}{', all locks lost' if unlocked else ''}", storm.run, always=True)
        tell_events(storm)
    storm = Storm(place, "family", "family", FAMILY_OPERATIONS, keyed=True, children=True)
    tally.add("storm over a table and its children", storm.run, always=True)
    tell_events(storm)


def tell_events(storm: Storm) -> None:
    say(f"        {', '.join(f'{what} {count}' for what, count in sorted(storm.events.items()))}")


def postgres(tally: Tally, place: Place, durable: Place) -> None:
    say("faults of Postgres")
    for number, (what, broken) in enumerate(postgres_faults.FAULTS.items()):
        tally.add(what, partial(postgres_faults.tried, place, f"postgres{number}", broken))
    for number, (what, broken) in enumerate(postgres_faults.RESTARTS.items()):
        tally.add(what, partial(postgres_faults.tried, durable, f"stopped{number}", broken))

    def dying() -> None:
        time.sleep(1.5)
        postgres_faults.restart(durable)

    for keyed in (True, False):
        storm = Storm(durable, f"dying{keyed}".lower(), "restarts", DYING_OPERATIONS, keyed=keyed, during=dying)
        tally.add("server stopped again and again under writers and archives", storm.run, always=True)


def s3(tally: Tally, place: Place, proxy: S3Proxy) -> None:
    say("faults of S3")

    for number, (what, trial) in enumerate(s3_faults.TRIALS.items()):
        tally.add(what, met(partial(s3_faults.tried, place, proxy, f"s3_{number}", trial)))


@contextmanager
def servers() -> Generator[tuple[Place, Place]]:
    """A place on a fast server, and one on a server that keeps what it has promised through a sudden stop."""
    with (
        tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder,
        PostgresServer(Path(folder) / "postgres", SETTINGS) as server,
        PostgresServer(Path(folder) / "durable", {**SETTINGS, "fsync": "on"}) as durable,
        RcloneS3(Path(folder) / "s3") as bucket,
        Place.made(server, bucket, "faults") as place,
        Place.made(durable, bucket, "durable") as durable_place,
    ):
        yield opened(place), opened(durable_place)


# What other processes of this program try meanwhile, by the name that each of them is given.
BESIDE: dict[str, Callable[[Tally, Place, kills.Worker], None]] = {
    "restores": try_restores,
    "others": lambda tally, place, _: try_others(tally, place),
    "jobs": try_jobs,
}


@contextmanager
def beside(name: str) -> Generator[Callable[[], Path]]:
    """Another process tries these meanwhile; gives what waits for its end and tells where its findings are."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        found = Path(folder) / f"{name}.json"
        with subprocess.Popen([sys.executable, "-m", "tests.faults", name, str(found)], cwd=kills.ROOT) as process:

            def finish() -> Path:
                assert process.wait() == 0, f"the process that tries the {name} broke down"
                return found

            try:
                yield finish
            finally:
                # If it still runs, something went wrong here; it stops its servers then.
                process.send_signal(signal.SIGINT)


def try_archives(tally: Tally, place: Place, durable: Place, worker: kills.Worker) -> None:
    with S3Proxy.started(place.s3.endpoint_url) as proxy:
        s3(tally, place, proxy)
    postgres(tally, place, durable)
    kill_points(tally, place, worker)
    kill_points_of_versions(tally, place, worker)
    random_kills(tally, place, worker)
    storms(tally, place)


def main() -> int:
    """Tries the archive here, and the rest in processes of this program that are given a file for their findings."""
    logging.disable(logging.WARNING)
    session.LOCK_POLL_SECONDS = LOCK_POLL_SECONDS
    tally = Tally()
    if sys.argv[1:]:
        name, findings = sys.argv[1:]
        with servers() as (place, _), kills.Worker.started() as worker:
            BESIDE[name](tally, place, worker)
        tally.write(Path(findings))
        return 0
    with ExitStack() as others:
        waiting = [others.enter_context(beside(name)) for name in BESIDE]
        with servers() as (place, durable), kills.Worker.started() as worker:
            try_archives(tally, place, durable, worker)
        for finish in waiting:
            tally.read(finish())
    for failure in tally.failures:
        say(f"FAILED  {failure}")
    total = tally.total
    say(f"faults tried: {tally.faults}, rows checked: {total.rows}, rows lost: {len(total.lost)}")
    compared = f"restores compared: {total.restores}"
    say(f"{compared}, rows missing: {len(total.missing)}, rows wrong: {len(total.wrong)}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
