"""When a job starts next: TimescaleDB's rules, case by case, each with its source in `tests/cases/schedules`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pg_archiver.domain.schedules import (
    Interval,
    Schedule,
    check_cron,
    first_start,
    has_exhausted_retries,
    next_start_after_change,
    next_start_after_crash,
    next_start_after_failure,
    next_start_after_success,
)
from pg_archiver.policies.durations import interval_of

CASES = Path(__file__).parents[2] / "cases" / "schedules"
KNOWN = {
    *("cron", "interval", "timezone", "sliding", "initial_start", "retry", "max_retries", "event", "start", "finish"),
    *("now", "times", "jitter", "own", "exhausted", "expected", "from", "rule", "differs"),
}


def all_cases() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [
            pytest.param(content["file"] | case, id=f"{path.stem}-{number}")
            for number, case in enumerate(content["cases"], start=1)
        ]
    return found


def instant(value: object) -> datetime | None:
    """Return the time of a case: YAML makes one itself only of some of the ways to write it."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    assert value is None or isinstance(value, datetime)
    return value and value.replace(tzinfo=UTC)


def interval(text: str | None) -> Interval | None:
    if text and text.endswith("ms"):
        return Interval(microseconds=int(text.removesuffix("ms")) * 1000)
    return interval_of(text) if text else None


def next_start_of(case: Mapping[str, Any]) -> datetime | None:
    schedule = Schedule(
        case.get("cron"),
        interval(case.get("interval")),
        case.get("timezone", "UTC"),
        not case.get("sliding", False),
        instant(case.get("initial_start")),
    )
    finish = instant(case.get("finish"))
    now = instant(case.get("now")) or finish
    assert now is not None
    own = instant(case.get("own"))
    retry = interval(case.get("retry", "5m"))
    assert retry is not None
    times, jitter = case.get("times", 0), case.get("jitter", 0)
    if case["event"] == "first":
        return first_start(schedule, now)
    if case["event"] == "change":
        return next_start_after_change(schedule, last_finish=finish, now=now)
    if case["event"] == "crash":
        return next_start_after_crash(schedule, now=now, crashes=times, retry_period=retry, jitter=jitter)
    assert finish is not None
    start = instant(case.get("start")) or finish
    if case["event"] == "success":
        return next_start_after_success(schedule, start=start, finish=finish, now=now, own=own)
    assert case["event"] == "failure"
    return next_start_after_failure(
        schedule,
        start=start,
        finish=finish,
        now=now,
        failures=times,
        retry_period=retry,
        jitter=jitter,
        own=own,
    )


@pytest.mark.parametrize("case", all_cases())
def test_the_next_start_is_that_of_the_rule(case: Mapping[str, Any]) -> None:
    assert case.keys() <= KNOWN
    assert case["from"]
    assert case["rule"]
    assert next_start_of(case) == instant(case["expected"])
    if "exhausted" in case:
        assert has_exhausted_retries(case["times"], case["max_retries"]) is case["exhausted"]


def test_most_of_the_rules_are_cases() -> None:
    assert len(all_cases()) >= 40


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("61 * * * *", r"\[61 \* \* \* \*\] is not acceptable, out of range"),
        ("a b c d e", r"\[a b c d e\] is not acceptable"),
        ("* * * *", "has 4 fields, not 5"),
        ("* * * * * *", "has 6 fields, not 5"),
        ("", "has 0 fields, not 5"),
        ("@reboot", "has 1 fields, not 5"),
        ("R * * * *", "another time at each reading"),
        ("h h * * *", "another time at each reading"),
        ("*/0 * * * *", "step '0'"),
        ("0 0 31 2 *", "failed to find next date"),
    ],
)
def test_a_cron_schedule_that_means_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_cron(text)


@pytest.mark.parametrize("text", ["* * * * *", "@hourly", "@yearly", "0 0 * MAR THU", "0 0 L * *", "0 0 * * 5#3"])
def test_other_cron_schedules_are_taken(text: str) -> None:
    check_cron(text)
