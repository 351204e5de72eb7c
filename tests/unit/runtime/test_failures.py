"""One bad window keeps no other from its turn, and the step says at its end what each of them said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import cast

import pytest

from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.errors import (
    ArchiverError,
    Busy,
    CheckFailed,
    Damaged,
    Interrupted,
    NotEnabled,
    OwnedElsewhere,
    ReferenceRefused,
    SettingError,
    Stopped,
    StorageInterrupted,
    StorageRefused,
    TableRefused,
    Unfinished,
)
from pg_archiver.postgres.session import Session
from pg_archiver.runtime import failures as failures_module
from pg_archiver.runtime.failures import Failures

START = datetime(2026, 1, 1)  # noqa: DTZ001 (column time)


def window(number: int) -> DueWindow:
    span = Window(START + timedelta(hours=number), START + timedelta(hours=number + 1))
    return DueWindow(span, span)


def worked(
    errors: Sequence[ArchiverError | None], *, closed_after: int | None = None
) -> tuple[int, ArchiverError | None]:
    """How many windows had their turn, and what the step raised, if these errors came of them in this order."""
    connection = SimpleNamespace(closed=False)
    failures = Failures(cast(Session, connection))
    turns = 0
    try:
        for number, error in enumerate(errors):
            with failures.collect(window(number)):
                turns += 1
                connection.closed = closed_after is not None and turns > closed_after
                if error:
                    raise error
        failures.settle()
    except ArchiverError as raised:
        return turns, raised
    return turns, None


def test_nothing_failed() -> None:
    assert worked([None, None]) == (2, None)


def test_the_one_failure_is_raised_as_it_is_when_all_have_had_their_turn() -> None:
    damaged = Damaged("this one")
    assert worked([None, damaged, None]) == (3, damaged)


def test_failures_of_one_kind_stay_of_that_kind() -> None:
    turns, raised = worked([CheckFailed("a"), None, CheckFailed("b"), CheckFailed("a")])
    assert turns == 4
    assert type(raised) is CheckFailed
    assert str(raised) == "a; b"


def test_of_several_kinds_what_may_pass_by_itself_is_tried_again() -> None:
    assert isinstance(worked([Damaged("a"), Busy("b")])[1], Interrupted)
    assert type(worked([Damaged("a"), TableRefused("b")])[1]) is Unfinished


def test_what_came_back_damaged_is_not_tried_again_on_account_of_others() -> None:
    """A further try would find it noted down, and nothing wrong."""
    assert type(worked([CheckFailed("a"), Busy("b")])[1]) is CheckFailed


def test_errors_without_end_are_told_in_part() -> None:
    raised = worked([Damaged(str(number)) for number in range(30)])[1]
    assert str(raised).endswith("9; and 20 more, which the log above has")


def test_errors_that_carry_more_than_words_are_told_together() -> None:
    assert type(worked([ReferenceRefused("a"), ReferenceRefused("b")])[1]) is Unfinished


@pytest.mark.parametrize(
    "error",
    [
        SettingError("x"),
        TableRefused("x"),
        StorageRefused("x"),
        Stopped("x"),
        NotEnabled("x"),
        OwnedElsewhere("x"),
    ],
)
def test_what_concerns_every_window_ends_the_step_at_once(error: ArchiverError) -> None:
    turns, raised = worked([Damaged("a"), error, None])
    assert turns == 2
    assert raised is error or (isinstance(raised, Unfinished) and str(raised) == "a; x")


def test_a_lost_connection_ends_the_step_at_once() -> None:
    turns, raised = worked([None, Interrupted("gone"), None], closed_after=1)
    assert (turns, str(raised)) == (2, "gone")


@pytest.mark.parametrize("kind", [StorageInterrupted, Busy])
def test_what_each_window_would_wait_for_ends_the_step_after_three(kind: type[ArchiverError]) -> None:
    assert worked([kind("a")] * 5)[0] == 3
    assert worked([kind("a"), None, kind("a"), None, kind("a"), None])[0] == 5


@pytest.mark.parametrize(("kind", "turns"), [(Interrupted, 3), (Damaged, 5)])
def test_what_takes_long_and_may_pass_ends_the_step_after_three_and_a_refusal_does_not(
    monkeypatch: pytest.MonkeyPatch, kind: type[ArchiverError], turns: int
) -> None:
    """A window may be large, and refused for its last row: that says nothing of the next one."""
    minutes = count(step=100)
    monkeypatch.setattr(failures_module, "time", SimpleNamespace(monotonic=lambda: next(minutes)))
    assert worked([kind("a")] * 5)[0] == turns
