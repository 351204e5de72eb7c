"""Intervals are added, multiplied and written as a server does it, near the changes of clocks too."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dev.postgres import PostgresServer
from pg_archiver.domain.schedules import Interval, Schedule
from pg_archiver.policies.durations import interval_of

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Havana",
    "Europe/Moscow",
    "Europe/Dublin",
    "Asia/Tehran",
]
# In autumn 2014 Moscow put its clocks back for good: both readings of that hour are standard time.
CHANGES = [datetime(2026, 3, 29, 1), datetime(2026, 10, 25, 1), datetime(2014, 10, 25, 22), datetime(2026, 3, 8, 5)]  # noqa: DTZ001
HOUR = 3_600_000_000


def ask(server: PostgresServer, statement: str, rows: list[tuple[Any, ...]], zone: str = "UTC") -> list[Any]:
    """The server's answers to one statement, row by row."""
    with server.connect() as connection:
        connection.execute("SELECT set_config('TimeZone', %s, false)", (zone,))
        answers = []
        for values in rows:
            found = connection.execute(statement.encode(), values).fetchone()
            assert found is not None
            answers.append(found)
    return answers


def random_interval(source: random.Random) -> Interval:
    return Interval(
        source.choice([0, 0, 1, 2, 11, 12, 25]),
        source.choice([0, 0, 1, 2, 30, 45]),
        source.choice([0, 0, 1, HOUR, 90 * HOUR]),
    )


@pytest.mark.parametrize("zone", ZONES)
def test_an_interval_is_added_as_the_server_adds_it_in_a_session_of_the_zone(server: PostgresServer, zone: str) -> None:
    source = random.Random(zone)  # noqa: S311 (the same each time)
    near = [
        (change.replace(tzinfo=UTC) + timedelta(minutes=minutes) - timedelta(days=days), Interval(days=days))
        for change in CHANGES
        for days in (1, 30)
        for minutes in range(-150, 151, 20)
    ]
    rows = near + [
        (
            source.choice(CHANGES).replace(tzinfo=UTC) + timedelta(minutes=source.randint(-60 * 50, 60 * 50)),
            random_interval(source),
        )
        for _ in range(300)
    ]
    statement = "SELECT %s + %s::interval"
    answers = ask(server, statement, [(instant, str(interval)) for instant, interval in rows], zone)
    for (instant, interval), (answer,) in zip(rows, answers, strict=True):
        assert interval.add_to(instant, ZoneInfo(zone)) == answer.astimezone(UTC), (instant, interval)


def test_an_interval_is_multiplied_and_compared_as_the_server_does_it(server: PostgresServer) -> None:
    source = random.Random(7)  # noqa: S311
    intervals = [random_interval(source) for _ in range(400)]
    factors = [source.choice([1.0, 20.0, 5.0, 0.875, 1.125, source.uniform(0.875, 1.125)]) for _ in intervals]
    statement = """
        SELECT (extract(year FROM i) * 12 + extract(month FROM i))::int, extract(day FROM i)::int,
               (extract(hour FROM i) * 3600000000 + extract(minute FROM i) * 60000000
                    + extract(microseconds FROM i))::bigint
          FROM (SELECT %s::interval * %s::float8) AS product (i)
    """
    answers = ask(server, statement, [(str(one), factor) for one, factor in zip(intervals, factors, strict=True)])
    for one, factor, answer in zip(intervals, factors, answers, strict=True):
        assert one.multiply(factor) == Interval(*answer), (one, factor)
    pairs = list(zip(intervals, reversed(intervals), strict=True))
    shorter = ask(server, "SELECT %s::interval < %s::interval", [(str(one), str(other)) for one, other in pairs])
    for (one, other), (answer,) in zip(pairs, shorter, strict=True):
        assert (one.estimate < other.estimate) is answer, (one, other)


@pytest.mark.parametrize(
    "text",
    ["30s", "10m", "90 min", "4h", "1 day", "2 weeks", "1 month", "1 mon 2 days 3 hours", "1y", "1 day 12h", "5 secs"],
)
def test_an_interval_means_to_us_what_it_means_to_the_server(server: PostgresServer, text: str) -> None:
    ((same,),) = ask(server, "SELECT %s::interval = %s::interval", [(text, str(interval_of(text)))])
    assert same


def test_a_day_in_the_zone_of_a_job_is_the_days_slot_whatever_the_zone_of_the_session(server: PostgresServer) -> None:
    slot = Schedule(interval=Interval(days=1), timezone="Europe/Berlin").next_slot(
        datetime(2026, 3, 29, 12, tzinfo=UTC)
    )
    statement = "SELECT timestamp '2026-03-30 00:00' AT TIME ZONE 'Europe/Berlin'"
    assert ask(server, statement, [()], "America/Havana") == [(slot,)]
