"""Two runs and their users on one small table, one deed after the other in any order; the account is the model.

Nothing is done at the same time here: what counts is which step of which run comes after which deed of a user. So a
failure can be told, and made shorter, as a list of deeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pg_archiver.domain.windows import DueWindow
from pg_archiver.errors import ArchiverError
from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.chance import seeded
from tests.faults.comparing import compared
from tests.faults.place import Place, hours_ago
from tests.faults.recorder import CONTENT, Recorder, filled, with_table

HOURS = (50, 51)
ROWS_A_WINDOW = 4
RUNS = 2
# Deeds of users, by a number that says which row they are about; and steps of a run, by which run it is.
USERS = ("insert", "update", "move", "remove", "vacuum", "rewrite", "retype", "readd", "empty and fill")
STEPS = ("plan", "export", "check", "delete", "delete one batch")
MOST_DEEDS = 30


@dataclass(frozen=True)
class Deed:
    """What is done, and the row or the run that it is about."""

    what: str
    of: int

    def __str__(self) -> str:
        return f"{self.what} {self.of}"


@dataclass
class _Game:
    """The table, and what each of the runs has planned."""

    table: Place
    planned: dict[int, list[DueWindow]] = field(default_factory=dict)
    written: int = 0

    def do(self, deed: Deed) -> None:
        if deed.what in STEPS:
            # A step that refuses, or that meets the other run's work, has done nothing that counts.
            with suppress(ArchiverError):
                self._step(deed.what, deed.of % RUNS)
        elif deed.what in self._changes:
            for statement in self._changes[deed.what]:
                self.table.sql(statement)
            if deed.what == "readd":
                note = f"SELECT %s, id, {CONTENT} FROM {self.table.relation}"
                self.table.sql(
                    f"INSERT INTO account.versions (table_name, row_id, content) {note}", str(self.table.order.table)
                )
        else:
            with self.table.server.connect(self.table.database, autocommit=False) as connection:
                self._write(Recorder(connection, self.table), deed)

    @property
    def _changes(self) -> dict[str, tuple[str, ...]]:
        table = self.table.relation
        column = f"DROP COLUMN data, ADD COLUMN data jsonb DEFAULT '\"anew {self.written}\"'"
        return {
            "vacuum": (f"VACUUM {table}",),
            "rewrite": (f"VACUUM FULL {table}",),
            "retype": (f"ALTER TABLE {table} ALTER name TYPE {'varchar' if self.written % 2 else 'text'}",),
            "readd": (f"ALTER TABLE {table} {column}",),
            "empty and fill": (
                f"DROP TABLE IF EXISTS analytics.same; CREATE TABLE analytics.same AS SELECT * FROM {table};"
                f"TRUNCATE {table}; INSERT INTO {table} SELECT * FROM analytics.same ORDER BY id DESC",
            ),
        }

    def _write(self, user: Recorder, deed: Deed) -> None:
        self.written += 1
        moment, words = hours_ago(HOURS[deed.of % len(HOURS)] - 0.3), f"version {self.written}"
        number = deed.of % (len(HOURS) * ROWS_A_WINDOW) + 1
        deeds: dict[str, Callable[[], Any]] = {
            "insert": lambda: user.insert([100 + self.written], [moment], words, [None]),
            "update": lambda: user.update([number], words),
            "move": lambda: user.move([number], moment, words),
            "remove": lambda: user.delete([number]),
        }
        deeds[deed.what]()

    def _step(self, what: str, number: int) -> None:
        run = Run.of(self.table.ordered(run_id=f"run {number}"))
        if what == "plan":
            self.planned[number] = run.plan()
            return
        for window in self.planned.get(number, []):
            with suppress(ArchiverError):
                if what == "export":
                    run.export([window])
                elif what == "check":
                    run.check([window])
                else:
                    asked = iter((False, what == "delete one batch"))
                    run.delete([window], lambda asked=asked: next(asked, False))  # type: ignore[misc]


def played(place: Place, name: str, deeds: Sequence[Deed], *, keyed: bool, restores: bool = True) -> Verdict:
    """All deeds in their order, then plain runs and the full check, and if asked the comparison of restores."""
    table = with_table(place, name, keyed=keyed, batch_size=2)
    filled(table, [hours_ago(hour - minute / 60) for hour in HOURS for minute in range(1, ROWS_A_WINDOW + 1)])
    account, game = Account(table), _Game(table)
    for deed in deeds:
        game.do(deed)
        problems = account.witness.look(table)
        if problems:
            return Verdict(problems=tuple(problems))
    Run.of(table).settle()
    return account.check() + (compared(table) if restores else Verdict())


def by_chance(seed: str) -> list[Deed]:
    """Deeds in which the steps of the runs come in their order often enough to come to something."""
    choice = seeded(seed)
    deeds, next_step = [], [0] * RUNS
    for _ in range(choice.randint(10, MOST_DEEDS)):
        if choice.random() < 0.55:
            number = choice.randrange(RUNS)
            step = STEPS[next_step[number]] if choice.random() < 0.85 else choice.choice(STEPS)
            next_step[number] = (next_step[number] + 1) % len(STEPS)
            deeds.append(Deed(step, number))
        else:
            deeds.append(Deed(choice.choice(USERS), choice.randrange(1000)))
    return deeds


@dataclass(frozen=True)
class Trial:
    """One order of deeds by chance."""

    seed: int

    def __str__(self) -> str:
        return f"deeds in the order of by_chance('{self.seed}')"


def trials() -> list[Trial]:
    """As many as `python -m tests.faults` tries."""
    return [Trial(seed) for seed in range(60)]


def tried(place: Place, name: str, trial: Trial) -> Verdict:
    """One order of deeds."""
    return played(place, name, by_chance(str(trial.seed)), keyed=trial.seed % 2 == 0)
