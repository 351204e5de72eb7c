"""Airflow's Variables fail: they raise, say nothing though they are set, or say another thing than before.

As the tasks of a DAG read them, with Airflow's own code up to where a task's process talks to its supervisor. While a
Variable that keeps rows cannot be read, no row leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from airflow.sdk.exceptions import ErrorType

from pg_archiver.errors import ArchiverError
from tests.dags.test_variables import Supervisor, speak_to
from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.comparing import compared
from tests.faults.meanwhile import fill
from tests.faults.place import Place
from tests.faults.recorder import with_table
from tests.support.task_context import connect_airflow, context_of, work_on

# A run's tasks, at which the Variables begin to fail.
TASKS = ("plan", "delete")
ENABLED = "archive_enabled"


@dataclass(frozen=True)
class Failing:
    """What becomes of a Variable, and from which task of a run on."""

    what: str
    how: str
    since: str

    def __str__(self) -> str:
        return f"{self.what} {self.how} from the {self.since} on"


# What the supervisor does: by the names of its errors, or of exceptions on the way to it.
_ERRORS = ("API_SERVER_ERROR", "GENERIC_ERROR", "PERMISSION_DENIED", "VARIABLE_NOT_FOUND")
_HOW = (
    *(f"get answers {error}" for error in _ERRORS),
    "list answers API_SERVER_ERROR",
    "is listed and has no value",
    "raises OSError",
    "raises RuntimeError",
)


def trials() -> Iterator[Failing]:
    """Variables that keep all rows and cannot be read at the plan; and one that enables and cannot at the delete."""
    for how in _HOW:
        yield Failing("N, which keeps everything,", how, "plan")
        yield Failing(ENABLED, how, "delete")
    for value in ("false", "", "yes", "None"):
        yield Failing(ENABLED, f"is {value!r}", "delete")
        yield Failing(ENABLED, f"is {value!r}", "plan")


def tried(place: Place, name: str, trial: Failing) -> Verdict:
    """A run while it fails, in which no row may leave; then plain ones and the full check."""
    table = fill(with_table(place, name, keyed=len(trial.how) % 2 == 0, batch_size=2))
    account, before = Account(table), table.rows()
    n, enabled = (f"{key}__{table.order.client}" for key in ("archive_keep_days", "archive_enabled"))
    good = {enabled: "true"} if trial.what == ENABLED else {enabled: "true", n: "-1"}
    key = enabled if trial.what == ENABLED else n
    work = work_on(replace(table, policy=table.policy.model_copy(update={"batch_size": 2})))

    def said(task: str) -> Supervisor:
        """What Airflow answers in this task."""
        return _failing(trial.how, good, key) if TASKS.index(task) >= TASKS.index(trial.since) else Supervisor(good)

    with pytest.MonkeyPatch.context() as patch:
        connect_airflow(table, patch)
        # Other trials have dropped the ledger that knew of the last claim.
        context = context_of(name, keep_days=None, adopt="the trial before this one is over")
        speak_to(said("plan"), patch)
        batches = []
        with suppress(ArchiverError):
            batches = work.plan(context)[0]
            for batch in batches:
                work.export(batch, context)
                work.store(batch, context)
                speak_to(said("delete"), patch)
                with suppress(ArchiverError):
                    work.delete(batch, context)
    gone = before - table.rows()
    problems: tuple[str, ...] = (f"{gone} row(s) left while nobody could tell whether they may",) if gone else ()
    if trial.since == "delete" and not batches:
        problems += ("nothing was planned, so no delete asked",)
    Run.of(table).settle()
    return Verdict(problems=problems) + account.check() + compared(table)


def _failing(how: str, good: dict[str, str], key: str) -> Supervisor:
    """The Variables as they are, but for this failure."""
    what, _, value = how.rpartition(" ")
    if what == "get answers":
        return Supervisor(good, broken_get=ErrorType(value))
    if what == "list answers":
        return Supervisor(good, broken_keys=ErrorType(value))
    if what == "raises":
        return Supervisor(good, raising={"OSError": OSError, "RuntimeError": RuntimeError}[value])
    if what == "is":
        return Supervisor({**good, key: value.strip("'")})
    return Supervisor({name: text for name, text in good.items() if name != key}, locked_away=(key,))
