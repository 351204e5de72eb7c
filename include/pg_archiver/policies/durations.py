"""Lengths of time as the policy file writes them: the way that Postgres writes them in its own settings."""

from __future__ import annotations

import re
from datetime import timedelta

from pg_archiver.domain.schedules import Interval

_DURATION = re.compile(r"([0-9]{1,6})(s|min|h)")
_SECONDS = {"s": 1, "min": 60, "h": 3600}
# Airflow lets a task run for twice as long, and the broker of a deployment has to wait for longer than any task.
LONGEST_STATEMENT = timedelta(hours=24)
# As the table of jobs has them. Longer ones are slips of the pen, and multiplied they would leave the calendar.
SHORTEST_INTERVAL = timedelta(seconds=1)
LONGEST_INTERVAL = Interval(months=1200).estimate
LONGEST_RETRY_PERIOD = Interval(months=12).estimate

_PARTS_OF_INTERVAL = re.compile(r"\s*([0-9]{1,9})\s*([A-Za-z]+)")
_SECOND = 1_000_000
_UNITS = {
    ("s", "sec", "secs", "second", "seconds"): Interval(microseconds=_SECOND),
    ("m", "min", "mins", "minute", "minutes"): Interval(microseconds=60 * _SECOND),
    ("h", "hour", "hours"): Interval(microseconds=3600 * _SECOND),
    ("d", "day", "days"): Interval(days=1),
    ("w", "week", "weeks"): Interval(days=7),
    ("mon", "mons", "month", "months"): Interval(months=1),
    ("y", "year", "years"): Interval(months=12),
}
_UNIT_BY_WORD = {word: unit for words, unit in _UNITS.items() for word in words}


def duration_of(value: object) -> timedelta:
    """Return how long a statement may take, from what a person wrote.

    Raises:
        ValueError: it is not a duration, or more than a day; the message says how to write one.
    """
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    duration = timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else timedelta(0)
    if not timedelta(0) < duration <= LONGEST_STATEMENT:
        raise ValueError("not a duration from 1s to 24h. Write seconds, minutes or hours, such as 90s, 30min or 6h")
    return duration


def interval_of(value: object) -> Interval:
    """Return the interval that a person wrote, in numbers and units as Postgres reads them.

    Raises:
        ValueError: it is none, or less than a second, or more than a hundred years; the message says how to write one.
    """
    found = _read_interval(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not an interval. Write numbers with units, such as 30s, 10m, 4h, 1 day, 2 weeks or 1 month")
    return check_interval(found)


def check_interval(interval: Interval, longest: timedelta = LONGEST_INTERVAL) -> Interval:
    """Return the interval.

    Raises:
        ValueError: it is less than a second, or a part of it is negative, or it is more than the longest.
    """
    if min(interval.months, interval.days, interval.microseconds) < 0 or interval.estimate < SHORTEST_INTERVAL:
        raise ValueError("less than a second, the shortest there is")
    if interval.estimate > longest:
        raise ValueError(
            f"more than {'a hundred years' if longest == LONGEST_INTERVAL else 'a year'}, the longest there is"
        )
    return interval


def _read_interval(text: str) -> Interval | None:
    months = days = microseconds = position = 0
    while part := _PARTS_OF_INTERVAL.match(text, position):
        unit = _UNIT_BY_WORD.get(part[2].lower())
        if unit is None:
            return None
        number = int(part[1])
        months += number * unit.months
        days += number * unit.days
        microseconds += number * unit.microseconds
        position = part.end()
    return Interval(months, days, microseconds) if position and not text[position:].strip() else None
