"""The answer to a COMMIT is lost: what was committed is there, and the run does not know. At each COMMIT of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pg_archiver.errors import ArchiverError
from tests.faults import kills
from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.comparing import compared
from tests.faults.place import Place
from tests.faults.postgres_proxy import Cut, PostgresProxy
from tests.faults.recorder import family, is_whole

_NEVER = 1_000_000
# Statements that commit by themselves, and of which the detach of a partition is the one that others see.
_ALONE: dict[kills.Shape, tuple[bytes, ...]] = {"partitioned": (b"DETACH PARTITION",)}


@dataclass(frozen=True)
class Lost:
    """The answer to one message of a run on a table of this shape."""

    shape: kills.Shape
    words: bytes
    number: int

    def __str__(self) -> str:
        return f"{self.shape} table, answer lost to {self.words.decode()} {self.number}"


def trials(place: Place, shapes: Sequence[kills.Shape] = kills.SHAPES) -> Iterator[Lost]:
    """Each COMMIT of a whole run on a table of each shape, and the statements that commit by themselves."""
    for shape in shapes:
        for words in (b"COMMIT", *_ALONE.get(shape, ())):
            table = kills.prepared(place, f"counted_{shape}_{words.decode()[:6].lower()}", shape, keyed=True)
            count = Cut(words, _NEVER, delivered=True)
            with PostgresProxy.started(table, count) as proxy:
                for one in (*Run.of(table).children(), Run.of(table)):
                    replace(one, connect=proxy.connect).archive()
            yield from (Lost(shape, words, number) for number in range(1, count.met + 1))


def tried(place: Place, name: str, trial: Lost) -> Verdict:
    """One run whose connection ends with that answer; users go on; then plain runs and the full check."""
    table = kills.prepared(place, name, trial.shape, keyed=trial.number % 2 == 0)
    account = Account(table)
    cut = Cut(trial.words, trial.number, delivered=True)
    with PostgresProxy.started(table, cut) as proxy, suppress(ArchiverError):
        for one in (*Run.of(table).children(), Run.of(table)):
            replace(one, connect=proxy.connect).archive()
    # A run on a table without a key may have one COMMIT less.
    account.witness.look(table)
    if trial.shape != "partitioned" or is_whole(table, name):
        kills.change_by_users(table)
    Run.of(table).settle()
    verdict = sum((Account(child).check() for child in family(table)[1:]), account.check())
    return verdict + compared(*family(table))
