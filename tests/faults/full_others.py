"""What others do meanwhile, and what is lost on the way: `python -m tests.faults` runs it beside the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tests.faults import clocks, commits, copied, interleavings, s3_answers, s3_faults, table_changes, variables
from tests.faults.account import Verdict
from tests.faults.place import Place
from tests.faults.s3_proxy import S3Proxy
from tests.faults.tally import Tally, met, say
from tests.support.archived_versions import archive_beside_writers
from tests.support.place import Place as VersionsPlace

VERSION_OPERATIONS = 100_000
# The number of their database.
VERSIONS = 900


def try_others(tally: Tally, place: Place) -> None:
    with S3Proxy.started(place.s3.endpoint_url) as proxy:
        for kind, trials in (("lost", s3_answers.LOST), ("throttled", s3_answers.THROTTLED)):
            say(f"answers of S3 {kind}: {len(trials)}")
            for number, (what, trial) in enumerate(trials.items()):
                tally.add(what, met(partial(s3_faults.tried, place, proxy, f"{kind}_{number}", trial)))
    each(tally, place, "changes of the table", "changed", table_changes.trials(), table_changes.tried)
    each(tally, place, "clocks that jump", "clock", clocks.trials(), clocks.tried)
    each(tally, place, "Variables that fail", "variable", variables.trials(), variables.tried)
    each(tally, place, "two runs and users in any order", "played", interleavings.trials(), interleavings.tried)
    each(tally, place, "answers to COMMIT lost", "commit", commits.trials(place), commits.tried)
    each(tally, place, "copies beside the original", "copied", copied.trials(), copied.tried)
    try_versions(tally, place)


def try_versions(tally: Tally, place: Place) -> None:
    say(f"{VERSION_OPERATIONS:,} operations of writers beside archives of the versions that newer ones supersede")

    def tried() -> Verdict:
        with VersionsPlace.made(place.server, place.s3, VERSIONS) as versions:
            return Verdict(archive_beside_writers(versions, VERSION_OPERATIONS))

    tally.add("versions archived beside writers", tried, always=True)


def each(
    tally: Tally,
    place: Place,
    kind: str,
    name: str,
    trials: Iterable[Any],
    tried: Callable[[Place, str, Any], Verdict],
) -> None:
    """Each trial of a kind, with a table of its own."""
    chosen = list(trials)
    say(f"{kind}: {len(chosen)}")
    for number, trial in enumerate(chosen):
        tally.add(str(trial), partial(tried, place, f"{name}_{number}", trial))
