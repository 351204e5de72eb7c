"""Clocks that jump, the worker's or the server's: rows that are not due by the right one stay."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from pg_archiver.archive import plan as plan_step
from pg_archiver.errors import ArchiverError
from pg_archiver.postgres.session import Session
from pg_archiver.postgres.statements import Names
from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.comparing import compared
from tests.faults.meanwhile import AFTER_CHECK, AFTER_EXPORT, AFTER_PLAN, MOMENTS, go_on
from tests.faults.place import NOW, Place, hours_ago
from tests.faults.recorder import filled, with_table

BEFORE_PLAN = "before the plan"
_REAL_NOW = datetime.now
_DAY = timedelta(days=1)
_JUMPS = {
    "a year back": -400 * _DAY,
    "a day back": -_DAY,
    "an hour back": -timedelta(hours=1),
    "an hour ahead": timedelta(hours=1),
    "a day ahead": _DAY,
    "a year ahead": 400 * _DAY,
}
# Ages by the beginning of this hour: the oldest of them is not yet due when the hour ends.
_YOUNG = [hours_ago(hour - 0.5) for hour in (0, 1, 12, 24, 36, 47)]


@dataclass(frozen=True)
class Jump:
    """A clock that is wrong from one moment of a run on."""

    of: str
    words: str
    moment: str

    @property
    def by(self) -> timedelta:
        """How wrong it is."""
        return _JUMPS[self.words]

    def __str__(self) -> str:
        return f"the {self.of}'s clock jumps {self.words} {self.moment}"


def trials() -> Iterator[Jump]:
    """Each jump of each clock, at one moment after the other in turn; all of them before the plan."""
    for of in ("worker", "server"):
        for number, words in enumerate(_JUMPS):
            yield Jump(of, words, BEFORE_PLAN)
            yield Jump(of, words, (AFTER_PLAN, AFTER_EXPORT, AFTER_CHECK)[number % 3])


class _Clocks:
    """By how much each clock is wrong now."""

    def __init__(self) -> None:
        self.wrong = {"worker": timedelta(0), "server": timedelta(0)}

    @contextmanager
    def hung_up(self) -> Generator[None]:
        """For as long as the block lasts the worker and the server tell the time by these."""
        wrong, all_ = self.wrong, Session.fetch_all

        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Clock:
                moment = _REAL_NOW(tz) + wrong["worker"]
                return cls.fromtimestamp(moment.timestamp(), tz=tz)

        def told(self: Session, statement: str, names: Names | None = None, /, **values: object) -> list[Any]:
            rows: list[Any] = all_(self, statement, names, **values)
            return (
                [row._replace(now=row.now + wrong["server"]) for row in rows]
                if statement == "postgres/session/clock"
                else rows
            )

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan_step, "datetime", Clock)
            patch.setattr(Session, "fetch_all", told)
            yield


def tried(place: Place, name: str, jump: Jump) -> Verdict:
    """One run in which a clock jumps, another one by the wrong clock, then plain ones and the full check."""
    table = with_table(place, name, keyed=len(jump.words) % 2 == 0, batch_size=2)
    filled(table, [*MOMENTS, *_YOUNG])
    account, clocks, run = Account(table), _Clocks(), Run.of(table)

    def reach(moment: str) -> None:
        if moment == jump.moment:
            clocks.wrong[jump.of] = jump.by

    with clocks.hung_up():
        for _run in range(2):
            reach(BEFORE_PLAN)
            # A run's own time comes from Airflow, by the worker's clock or by the schedule.
            time = max(datetime(2, 1, 1, tzinfo=UTC), NOW + clocks.wrong["worker"])
            try:
                go_on(run, run.batches(time), reach)
            except ArchiverError:
                continue
    still = table.sql(f"SELECT count(*) FROM {table.relation} WHERE triggered_at >= %s", hours_ago(48))[0][0]
    gone = len(_YOUNG) - still
    problems = (f"{gone} row(s) left before their time",) if gone else ()
    run.settle()
    return Verdict(problems=problems) + account.check() + compared(table)
