"""What a whole run of the faults has found so far, told as it goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.account import Verdict
from tests.faults.chance import seeded
from tests.faults.kills import NotReached
from tests.faults.s3_faults import Outcome

_LINE_SECONDS = 5.0
_MOST_SECONDS_OF_A_CHILD = 0.9


@dataclass
class Tally:
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
        except NotReached:
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

    def write(self, file: Path) -> None:
        """For the process that began this one."""
        file.write_text(json.dumps({"faults": self.faults, "failures": self.failures, "total": asdict(self.total)}))

    def read(self, file: Path) -> None:
        """Takes in what another process has found."""
        found: dict[str, Any] = json.loads(file.read_text())
        lists = {name: tuple(value) for name, value in found["total"].items() if isinstance(value, list)}
        self.faults += found["faults"]
        self.failures += found["failures"]
        self.total += Verdict(**found["total"] | lists)


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (this program talks)


def kill_at_random(tally: Tally, what: str, kills_wanted: int, tried: Callable[[int, float], Verdict]) -> None:
    """So many kills, each at an instant before the child's end."""
    choice = seeded("instants")
    longest, reached, number = _MOST_SECONDS_OF_A_CHILD, 0, 0
    while reached < kills_wanted:
        number += 1
        instant = choice.uniform(0.02, longest)
        try:
            tally.add(f"{what} killed after {instant:.3f} s", partial(tried, number, instant))
            reached += 1
        except NotReached:
            # The machine is faster today than the guess.
            longest = max(0.1, longest * 0.95)


def met(tried: Callable[[], Outcome]) -> Callable[[], Verdict]:
    """The same trial, which fails where the fault never came about."""

    def check() -> Verdict:
        outcome = tried()
        assert outcome.met, "the fault never came about"
        return outcome.verdict

    return check
