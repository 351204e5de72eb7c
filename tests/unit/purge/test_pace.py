"""How many rows may go in a second, and for how long a run pauses."""

from __future__ import annotations

import pytest

from pg_archiver.purge.pace import Pace, sleep


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets; sleeping moves it on."""
    now = [100.0]
    monkeypatch.setattr("pg_archiver.purge.pace.time.monotonic", lambda: now[0])

    def pause(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("pg_archiver.purge.pace.time.sleep", pause)
    return now


def test_without_a_pace_nobody_waits(clock: list[float]) -> None:
    pace = Pace(None)
    assert (pace.limit(10_000), pace.count(10_000)) == (10_000, 0.0)


def test_a_batch_is_no_more_than_a_second_and_pauses_for_what_it_took(clock: list[float]) -> None:
    pace = Pace(100)
    assert (pace.limit(10_000), pace.limit(7)) == (100, 7)
    assert pace.count(100) == 1.0
    clock[0] += 0.25
    assert pace.count(50) == 1.25


def test_time_that_was_not_used_is_not_made_up_for(clock: list[float]) -> None:
    pace = Pace(100)
    clock[0] += 3600
    assert pace.count(100) == 1.0


def test_a_sleep_ends_when_its_time_is_over_or_the_process_is_told_to(clock: list[float]) -> None:
    sleep(2.0, lambda: False)
    assert clock[0] == pytest.approx(102.0)
    sleep(100.0, lambda: clock[0] > 102.5)
    assert clock[0] < 103
