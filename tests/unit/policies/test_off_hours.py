"""The off-hours span: what is left of it, also over midnight and when clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.policies.off_hours import OffHours

ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana"]
# Around the changes of 2018, the last year in which clocks in Sao Paulo changed, and change at midnight.
INSTANTS = st.datetimes(datetime(2018, 1, 1), datetime(2018, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
CLOCKS = st.tuples(st.integers(0, 23), st.integers(0, 59))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "now", "minutes"),
    [
        ("01:00-05:00 UTC", "2026-06-10 00:59:59", None),
        ("01:00-05:00 UTC", "2026-06-10 01:00", 240),
        ("01:00-05:00 UTC", "2026-06-10 04:59", 1),
        ("01:00-05:00 UTC", "2026-06-10 05:00", None),
        ("01:00-05:00 Europe/Berlin", "2026-06-09 23:00", 240),
        ("01:00-05:00 Europe/Berlin", "2026-12-10 00:00", 240),
        ("22:00-04:00 UTC", "2026-06-10 21:59", None),
        ("22:00-04:00 UTC", "2026-06-10 23:00", 300),
        ("22:00-04:00 UTC", "2026-06-11 03:00", 60),
        ("22:00-04:00 UTC", "2026-06-11 04:00", None),
        # Clocks go from 02:00 to 03:00 at 01:00 UTC: an hour less.
        ("01:00-05:00 Europe/Berlin", "2026-03-29 00:00", 180),
        ("22:00-04:00 Europe/Berlin", "2026-03-28 21:00", 300),
        ("01:00-02:30 Europe/Berlin", "2026-03-29 00:30", 30),
        ("02:30-05:00 Europe/Berlin", "2026-03-29 01:00", 120),
        # This one lies in the hour that does not exist.
        ("02:10-02:50 Europe/Berlin", "2026-03-29 00:59", None),
        ("02:10-02:50 Europe/Berlin", "2026-03-29 01:00", None),
        ("02:10-02:50 Europe/Berlin", "2026-03-29 01:30", None),
        ("02:10-02:50 Europe/Berlin", "2026-03-30 00:10", 40),
        # Clocks go from 03:00 back to 02:00 at 01:00 UTC: an hour more, and the first 02:30 is the one that counts.
        ("01:00-05:00 Europe/Berlin", "2026-10-24 23:00", 300),
        ("01:00-02:30 Europe/Berlin", "2026-10-24 23:00", 90),
        ("01:00-02:30 Europe/Berlin", "2026-10-25 01:10", None),
        ("02:30-04:00 Europe/Berlin", "2026-10-25 00:30", 150),
    ],
)
def test_what_is_left_of_the_span(span: str, now: str, minutes: int | None) -> None:
    left = OffHours.parse(span).remaining(at(now))
    assert left == (None if minutes is None else timedelta(minutes=minutes))


def span_of(start: tuple[int, int], end: tuple[int, int], zone: str) -> OffHours:
    return OffHours.parse(f"{start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02} {zone}")


def clocks_change_around(instant: datetime, span: OffHours) -> bool:
    """Whether clocks are changed within a day of this instant."""
    return len({(instant + timedelta(days=days)).astimezone(span.zone).utcoffset() for days in (-1, 1)}) > 1


@given(start=CLOCKS, end=CLOCKS, zone=st.sampled_from(ZONES), now=INSTANTS, part=st.floats(0, 0.999))
def test_time_left_is_real_time_and_ends_when_the_clock_shows_the_end(
    start: tuple[int, int], end: tuple[int, int], zone: str, now: datetime, part: float
) -> None:
    if start == end:
        return
    span = span_of(start, end, zone)
    left = span.remaining(now)
    clock = now.astimezone(span.zone).time()
    inside = span.start <= clock < span.end if span.start < span.end else not span.end <= clock < span.start
    if left is None:
        # Only the hour that is shown a second time may lie inside by the clock and outside by the span.
        assert not inside or now.astimezone(span.zone).fold
        return
    assert timedelta(0) < left <= timedelta(hours=25)
    assert inside or clocks_change_around(now, span)
    later = span.remaining(now + left * part)
    assert later is not None
    assert abs(later - (left - left * part)) <= timedelta(microseconds=1)
    over = (now + left).astimezone(span.zone)
    assert over.time() == span.end or clocks_change_around(over, span)


@given(start=CLOCKS, end=CLOCKS, zone=st.sampled_from(["UTC", "Asia/Kathmandu"]), now=INSTANTS)
def test_where_clocks_never_change_the_span_is_what_the_clock_shows(
    start: tuple[int, int], end: tuple[int, int], zone: str, now: datetime
) -> None:
    if start == end:
        return
    span = span_of(start, end, zone)
    clock = now.astimezone(span.zone).time()
    inside = span.start <= clock < span.end if span.start < span.end else not span.end <= clock < span.start
    assert (span.remaining(now) is not None) == inside


@given(CLOCKS, CLOCKS, INSTANTS, st.sampled_from(ZONES))
def test_the_next_opening_is_the_first_instant_in_the_span(
    start: tuple[int, int], end: tuple[int, int], now: datetime, zone: str
) -> None:
    if start == end:
        return
    span = OffHours.parse(f"{start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02} {zone}")
    opening = span.next_opening(now)
    assert opening >= now
    assert span.remaining(opening)
    if span.remaining(now):
        assert opening == now
    else:
        # Nothing between is in it: not a minute, and not the moment before.
        minutes = range(0, int((opening - now).total_seconds()) // 60, 7)
        assert not any(span.remaining(now + timedelta(minutes=minute)) for minute in minutes)
        assert opening == now or not span.remaining(opening - timedelta(microseconds=1))
