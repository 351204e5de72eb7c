"""The part of the full check that is about restores: `python -m tests.faults` runs it beside the rest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import product

from tests.faults import restore_faults, restore_rounds, restores
from tests.faults.account import Verdict
from tests.faults.chance import seeded
from tests.faults.kills import Worker
from tests.faults.place import Place
from tests.faults.s3_proxy import S3Proxy
from tests.faults.tally import Tally, kill_at_random, met, say

RANDOM_KILLS = 40
STRICTER_KILLS = 15
CUTS = 6


def try_restores(tally: Tally, place: Place, worker: Worker) -> None:
    with S3Proxy.started(place.s3.endpoint_url) as proxy, restores.archives(place.server, place.s3) as archives:
        kill_points(tally, archives, worker)
        break_off(tally, archives, proxy)
    archive_meanwhile(tally, place, worker)


def kill_points(tally: Tally, archives: Mapping[bool, Place], worker: Worker) -> None:
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
        tally.add(what, partial(restores.killed, worker, archive, f"point{number}", way, kill))

    def at_random(number: int, instant: float) -> Verdict:
        archive, way = archives[number % 2 == 0], restores.WAYS[number // 2 % 2]
        return restores.killed(worker, archive, f"instant{number}", way, None, instant)

    say(f"SIGKILL of restores at {RANDOM_KILLS} random instants")
    kill_at_random(tally, "restore", RANDOM_KILLS, at_random)


def break_off(tally: Tally, archives: Mapping[bool, Place], proxy: S3Proxy) -> None:
    say("connections cut in mid-restore")
    for archive, way in product(archives.values(), restores.WAYS):
        for number, cut in enumerate(restore_faults.cuts(archive, way, CUTS)):
            tally.add(
                f"{archive.database} restored {way}, {cut}",
                partial(restore_faults.tried_cut, archive, f"cut{number}", way, cut),
            )
    say("faults of S3 in mid-restore")
    for number, (what, trial) in enumerate(restore_faults.TRIALS.items()):
        # Both ways into both tables, in turn; the one with a key has the more objects.
        archive, way = archives[trial.fault().times == 1 or number % 2 == 0], restores.WAYS[number // 2 % 2]
        check = partial(restore_faults.tried_s3, archive, proxy, f"s3_{number}", way, trial)
        tally.add(f"{archive.database} restored {way}, {what}", met(check))


def archive_meanwhile(tally: Tally, place: Place, worker: Worker) -> None:
    say("restores with the archive going on between them")
    for (what, one), keyed in product(restore_rounds.ROUNDS.items(), (True, False)):
        name = f"{what} {'keyed' if keyed else 'keyless'}"
        check = partial(restore_rounds.tried, worker, place, name.replace(" ", "_"), one, keyed=keyed)
        tally.add(name, check)
