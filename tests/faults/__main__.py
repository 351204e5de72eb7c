"""All faults at full size: `python -m tests.faults`. The last lines say how many were tried and what was lost.

The exit status is 0 only if every row version that writers committed was found again, every restore brought back just
what had left, and every other check passed.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path

from dev.postgres import PostgresServer
from dev.s3 import RcloneS3
from include.archiver import database
from tests.faults import kills, postgres_faults, restore_faults, restore_rounds, restores, s3_faults
from tests.faults.account import Verdict
from tests.faults.chance import seeded
from tests.faults.place import Place
from tests.faults.recorder import opened
from tests.faults.s3_proxy import S3Proxy
from tests.faults.storm import Storm
from tests.faults.worker import LOCK_POLL_SECONDS

SEEDS = 10
UNLOCKED_SEEDS = 2
OPERATIONS_A_SEED = 10_500
DYING_OPERATIONS = 1_500
FAMILY_OPERATIONS = 5_000
RANDOM_KILLS = 100
RANDOM_KILLS_OF_RESTORES = 40
STRICTER_KILLS = 15
CUTS_OF_RESTORES = 6
_MOST_SECONDS_OF_A_CHILD = 0.9
_LINE_SECONDS = 5.0
SETTINGS = {"deadlock_timeout": "50ms"}


@dataclass
class Account:
    """What the whole run found."""

    faults: int = 0
    total: Verdict = field(default_factory=Verdict)
    failures: list[str] = field(default_factory=list)
    _told: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    def add(self, what: str, check: Callable[[], Verdict], *, always: bool = False) -> None:
        """Makes one check; whatever it raises is a failure of its own, and the next one goes on."""
        try:
            verdict = check()
        except kills.NotReached:
            raise
        except Exception as error:  # noqa: BLE001 (a check that breaks is a check that failed)
            verdict = Verdict(problems=(f"{type(error).__name__}: {error}",))
        self.faults += 1
        self.total += verdict
        if not verdict.good:
            self.failures.append(f"{what}: {verdict}")
        if not verdict.good or always or time.monotonic() - self._told > _LINE_SECONDS:
            self._told = time.monotonic()
            seconds = self._told - self._started
            state = "good" if verdict.good else str(verdict)
            say(f"{seconds:4.0f} s  {self.faults:4d} faults, {self.total.rows:7d} rows  {what}: {state}")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (this program talks)


def kill_points(account: Account, place: Place, worker: kills.Worker) -> None:
    chosen = [kill for shape in kills.SHAPES for kill in kills.choices(kills.points(worker, place, shape), shape)]
    say(f"SIGKILL at {len({kill.point for kill in chosen})} points, {len(chosen)} occurrences of them")
    for number, kill in enumerate(chosen):
        account.add(f"killed {kill}", partial(kills.tried, worker, place, f"point{number}", kill))


def random_kills(account: Account, place: Place, worker: kills.Worker) -> None:
    say(f"SIGKILL at {RANDOM_KILLS} random instants")

    def at_random(number: int, instant: float) -> Verdict:
        return kills.tried(worker, place, f"instant{number}", None, instant)

    kill_at_random(account, "archive", RANDOM_KILLS, at_random)


def kill_at_random(account: Account, what: str, kills_wanted: int, tried: Callable[[int, float], Verdict]) -> None:
    """So many kills, each at an instant before the child's end."""
    choice = seeded("instants")
    longest, reached, number = _MOST_SECONDS_OF_A_CHILD, 0, 0
    while reached < kills_wanted:
        number += 1
        instant = choice.uniform(0.02, longest)
        try:
            account.add(f"{what} killed after {instant:.3f} s", partial(tried, number, instant))
            reached += 1
        except kills.NotReached:
            # The machine is faster today than the guess.
            longest = max(0.1, longest * 0.95)


def restore_kills(account: Account, archives: Mapping[bool, Place], worker: kills.Worker) -> None:
    chosen = [
        (archive, way, kill)
        for archive, way in product(archives.values(), restores.WAYS)
        for kill in restores.choices(restores.points(worker, archive, way), archive, way)
    ]
    for way in restores.STRICTER_WAYS:
        found = restores.choices(restores.points(worker, archives[True], way), archives[True], way)
        chosen += [(archives[True], way, kill) for kill in seeded(str(way)).sample(found, STRICTER_KILLS)]
    say(f"SIGKILL of restores at {len({kill.point for *_, kill in chosen})} points, {len(chosen)} kills")
    for number, (archive, way, kill) in enumerate(chosen):
        what = f"{archive.database} restored {way}, killed at {kill.point} ({kill.occurrence})"
        account.add(what, partial(restores.killed, worker, archive, f"point{number}", way, kill))

    def at_random(number: int, instant: float) -> Verdict:
        archive, way = archives[number % 2 == 0], restores.WAYS[number // 2 % 2]
        return restores.killed(worker, archive, f"instant{number}", way, None, instant)

    say(f"SIGKILL of restores at {RANDOM_KILLS_OF_RESTORES} random instants")
    kill_at_random(account, "restore", RANDOM_KILLS_OF_RESTORES, at_random)


def restore_breaks(account: Account, archives: Mapping[bool, Place], proxy: S3Proxy) -> None:
    say("connections cut in mid-restore")
    for archive, way in product(archives.values(), restores.WAYS):
        for number, cut in enumerate(restore_faults.cuts(archive, way, CUTS_OF_RESTORES)):
            account.add(
                f"{archive.database} restored {way}, {cut}",
                partial(restore_faults.tried_cut, archive, f"cut{number}", way, cut),
            )
    say("faults of S3 in mid-restore")
    for number, (what, trial) in enumerate(restore_faults.TRIALS.items()):
        # Both ways into both tables, in turn; the one with a key has the more objects.
        archive, way = archives[trial.fault().times == 1 or number % 2 == 0], restores.WAYS[number // 2 % 2]
        check = partial(restore_faults.tried_s3, archive, proxy, f"s3_{number}", way, trial)
        account.add(f"{archive.database} restored {way}, {what}", met(check))


def restores_and_archives(account: Account, place: Place, worker: kills.Worker) -> None:
    say("restores with the archive going on between them")
    for (what, one), keyed in product(restore_rounds.ROUNDS.items(), (True, False)):
        name = f"{what} {'keyed' if keyed else 'keyless'}"
        check = partial(restore_rounds.tried, worker, place, name.replace(" ", "_"), one, keyed=keyed)
        account.add(name, check)


def storms(account: Account, place: Place) -> None:
    say(f"{SEEDS * OPERATIONS_A_SEED} operations of writers beside archives and rewrites, {SEEDS} seeds")
    for seed in range(SEEDS):
        unlocked = seed >= SEEDS - UNLOCKED_SEEDS
        storm = Storm(place, f"storm{seed}", f"seed {seed}", OPERATIONS_A_SEED, keyed=seed % 2 == 0, unlocked=unlocked)
        account.add(f"storm {seed}{', all locks lost' if unlocked else ''}", storm.run, always=True)
        tell_events(storm)
    storm = Storm(place, "family", "family", FAMILY_OPERATIONS, keyed=True, children=True)
    account.add("storm over a table and its children", storm.run, always=True)
    tell_events(storm)


def tell_events(storm: Storm) -> None:
    say(f"        {', '.join(f'{what} {count}' for what, count in sorted(storm.events.items()))}")


def postgres(account: Account, place: Place, durable: Place) -> None:
    say("faults of Postgres")
    for number, (what, broken) in enumerate(postgres_faults.FAULTS.items()):
        account.add(what, partial(postgres_faults.tried, place, f"postgres{number}", broken))
    for number, (what, broken) in enumerate(postgres_faults.RESTARTS.items()):
        account.add(what, partial(postgres_faults.tried, durable, f"stopped{number}", broken))

    def dying() -> None:
        time.sleep(1.5)
        postgres_faults.restart(durable)

    for keyed in (True, False):
        storm = Storm(durable, f"dying{keyed}".lower(), "restarts", DYING_OPERATIONS, keyed=keyed, during=dying)
        account.add("server stopped again and again under writers and archives", storm.run, always=True)


def s3(account: Account, place: Place, proxy: S3Proxy) -> None:
    say("faults of S3")

    for number, (what, trial) in enumerate(s3_faults.TRIALS.items()):
        account.add(what, met(partial(s3_faults.tried, place, proxy, f"s3_{number}", trial)))


def met(tried: Callable[[], s3_faults.Outcome]) -> Callable[[], Verdict]:
    """The same trial, which fails where the fault never came about."""

    def check() -> Verdict:
        outcome = tried()
        assert outcome.met, "the fault never came about"
        return outcome.verdict

    return check


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


def main() -> int:
    logging.disable(logging.WARNING)
    database._WINDOW_LOCK_POLL_SECONDS = LOCK_POLL_SECONDS
    account = Account()
    with servers() as (place, durable), kills.Worker.started() as worker:
        with S3Proxy.started(place.s3.endpoint_url) as proxy:
            s3(account, place, proxy)
            with restores.archives(place.server, place.s3) as archives:
                restore_kills(account, archives, worker)
                restore_breaks(account, archives, proxy)
        restores_and_archives(account, place, worker)
        postgres(account, place, durable)
        kill_points(account, place, worker)
        random_kills(account, place, worker)
        storms(account, place)
    for failure in account.failures:
        say(f"FAILED  {failure}")
    total = account.total
    say(f"faults tried: {account.faults}, rows checked: {total.rows}, rows lost: {len(total.lost)}")
    compared = f"restores compared: {total.restores}"
    say(f"{compared}, rows missing: {len(total.missing)}, rows wrong: {len(total.wrong)}")
    return 1 if account.failures else 0


if __name__ == "__main__":
    sys.exit(main())
