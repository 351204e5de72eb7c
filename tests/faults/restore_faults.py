"""What may happen to a restore's connections: cut by the network, or an S3 that fails. Then it is run again plainly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pg_archiver.errors import ArchiverError, DatabaseInterrupted
from pg_archiver.s3.bucket import Bucket
from tests.faults.account import Verdict
from tests.faults.archiving import Run
from tests.faults.chance import seeded
from tests.faults.comparing import difference
from tests.faults.place import Place
from tests.faults.postgres_proxy import Cut, PostgresProxy
from tests.faults.restores import Way, cloned, finished
from tests.faults.s3_faults import (
    BROKEN,
    BUSY,
    DENIED,
    READS,
    Outcome,
    Trial,
    answered,
    client_of,
    flipped_alone,
    flipped_out,
    half_then_reset,
    half_then_stall,
    reset,
    shortened,
    stall,
    trial_of,
)
from tests.faults.s3_proxy import Deed, S3Proxy

_NEVER = 1_000_000
_LISTS = frozenset({"ListObjects"})
_ONCE: dict[str, Deed] = {
    "shortened": shortened,
    "with a bit flipped": flipped_out,
    "with a bit flipped beside its checksum": flipped_alone,
}
_ALWAYS: dict[str, Deed] = {
    "broken off": half_then_reset,
    "stalled in the middle": half_then_stall,
    "never answered": stall,
    "reset": reset,
    "refused as busy": BUSY,
    "failed by an internal error": BROKEN,
    "denied": DENIED,
    "of an expired token": answered(400, "ExpiredToken"),
}

TRIALS: dict[str, Trial] = {"LIST denied": trial_of(_LISTS, DENIED, None), "LIST busy": trial_of(_LISTS, BUSY, None)}
for _deeds, _times in ((_ONCE, 1), (_ALWAYS, _NEVER)):
    TRIALS |= {f"manifest {how}": trial_of(READS, deed, None, 1, _times, "manifest") for how, deed in _deeds.items()}
    TRIALS |= {f"object {how}": trial_of(READS, deed, None, 2, _times, ".csv") for how, deed in _deeds.items()}
# Whichever it is, no older version of one of its rows may come in its place and stay.
TRIALS |= {f"manifest {n + 1} shortened": trial_of(READS, shortened, None, n, 1, "manifest") for n in range(8)}
TRIALS |= {f"object {n + 1} with a bit flipped": trial_of(READS, flipped_out, None, n, 1, ".csv") for n in range(8)}
TRIALS |= {
    f"read {how} for a moment": trial_of(READS, deed, None, after, 1)
    for how, deed, after in (("reset", reset, 3), ("refused as busy", BUSY, 8), ("broken off", half_then_reset, 8))
}


def tried_s3(archive: Place, proxy: S3Proxy, name: str, way: Way, trial: Trial) -> Outcome:
    """Restores through the faulty proxy, then plainly; one that says that it succeeded has to be right at once."""
    fault = trial.fault()
    with cloned(archive, name) as place:
        bucket = Bucket(client_of(place, proxy), place.bucket)
        verdict = Verdict()
        error: ArchiverError | None = None
        try:
            with proxy.doing(fault):
                result = Run.of(place, bucket).restore(**way.settings)
            if not result.failures:
                verdict += difference(place, way.into)
        except ArchiverError as found:
            error = found
        return Outcome(error, fault.done, verdict + finished(place, way, name))


def counted(archive: Place, way: Way, words: bytes = b"") -> int:
    """How many messages with these words a whole restore sends."""
    with cloned(archive, "counted") as place, cutting(place, Cut(words, _NEVER, delivered=False)) as (run, cut):
        run.restore(**way.settings)
        return cut.met


def cuts(archive: Place, way: Way, messages: int) -> list[Cut]:
    """Before and after each COMMIT, and at so many other messages."""
    commits = range(1, counted(archive, way, b"COMMIT") + 1)
    whole = counted(archive, way)
    # The first messages are the login's, which no step has a part in.
    chosen = seeded(f"{archive.database} {way} cuts").sample(range(6, whole), messages)
    return [
        *(Cut(b"COMMIT", number, delivered) for number in commits for delivered in (False, True)),
        *(Cut(b"", number, delivered=number % 2 == 0) for number in chosen),
    ]


def tried_cut(archive: Place, name: str, way: Way, cut: Cut) -> Verdict:
    """Cuts a restore's connection, runs it plainly again and compares."""
    with cloned(archive, name) as place:
        with cutting(place, cut) as (run, _), pytest.raises(DatabaseInterrupted):
            run.restore(**way.settings)
        assert cut.made
        return finished(place, way, name)


@contextmanager
def cutting(place: Place, cut: Cut) -> Iterator[tuple[Run, Cut]]:
    """A run whose connections go through a proxy that cuts."""
    with PostgresProxy.started(place, cut) as proxy:
        yield replace(Run.of(place), connect=proxy.connect), cut
