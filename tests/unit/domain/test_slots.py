"""What holds of slots and next starts whatever the schedule, the zone and the hour: by random ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given
from hypothesis import strategies as st

from pg_archiver.domain.schedules import (
    LEAST_WAIT_AFTER_CRASH,
    Interval,
    Schedule,
    first_start,
    next_start_after_change,
    next_start_after_crash,
    next_start_after_failure,
    next_start_after_success,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# One whose clocks are put forward by half an hour, one where that happens at midnight, one west of Greenwich.
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "America/New_York"])
# In 2026 clocks are changed in all of them; every other instant lies near one of Berlin's changes.
CHANGES = [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
ANY_TIME = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
NEAR_A_CHANGE = st.builds(
    lambda change, minutes, rest: change + timedelta(minutes=minutes, microseconds=rest),
    st.sampled_from(CHANGES),
    st.integers(-1600, 1600),
    st.sampled_from([0, 0, 1, 999_999]),
)
INSTANTS = ANY_TIME | NEAR_A_CHANGE
LENGTHS = (
    st.sampled_from([1, 5, 15, 30, 45, 60, 90, 120, 360, 720]).map(lambda n: Interval(microseconds=n * 60_000_000))
    | st.sampled_from([1, 2, 7]).map(lambda n: Interval(days=n))
    | st.sampled_from([1, 3, 12]).map(lambda n: Interval(months=n))
    | st.just(Interval(days=1, microseconds=12 * 3_600_000_000))
)
FIELDS = st.tuples(
    st.sampled_from(["*", "0", "30", "*/7", "15,45", "5-20", "*/15"]),
    st.sampled_from(["*", "2", "0", "3", "1-3", "*/2", "2,3"]),
    st.sampled_from(["*", "29", "25-31", "*/2", "1"]),
    st.sampled_from(["*", "3,10", "*/3"]),
    st.sampled_from(["*", "SUN", "0-3", "5"]),
)
CRONS = FIELDS.map(" ".join)
FIXED = st.builds(
    lambda length, zone, start: Schedule(interval=length, timezone=zone, initial_start=start),
    LENGTHS,
    ZONES,
    st.none() | ANY_TIME.map(lambda instant: instant.replace(year=2025, second=0, microsecond=0)),
)
BY_CRON = st.builds(lambda cron, zone: Schedule(cron=cron, timezone=zone), CRONS, ZONES)
SLIDING = st.builds(lambda length, zone: Schedule(interval=length, timezone=zone, fixed=False), LENGTHS, ZONES)
WITH_SLOTS = FIXED | BY_CRON
PART = st.floats(0, 1, exclude_max=True)


def slot_after(schedule: Schedule, after: datetime) -> datetime:
    slot = schedule.next_slot(after)
    assert slot is not None
    return slot


@given(schedule=WITH_SLOTS, after=INSTANTS, part=PART)
def test_a_slot_is_later_and_none_lies_before_it(schedule: Schedule, after: datetime, part: float) -> None:
    slot = slot_after(schedule, after)
    assert slot > after
    assert slot.tzinfo is UTC
    between = after + (slot - after) * part
    assume(between < slot)
    assert slot_after(schedule, between) == slot
    assert slot_after(schedule, slot - timedelta(microseconds=1)) == slot


@given(schedule=FIXED, after=INSTANTS)
def test_slots_are_an_interval_apart_and_a_change_of_clocks_at_most(schedule: Schedule, after: datetime) -> None:
    assert schedule.interval is not None
    first = slot_after(schedule, after)
    apart = slot_after(schedule, first) - first
    # Real months have up to 31 days, and clocks are changed by an hour at most.
    longest = schedule.interval.estimate + (schedule.interval.months + 1) * DAY if schedule.interval.months else None
    assert apart <= (longest or schedule.interval.estimate) + HOUR


@given(schedule=FIXED, after=INSTANTS)
def test_slots_stand_at_the_times_of_initial_start(schedule: Schedule, after: datetime) -> None:
    assume(schedule.initial_start is not None)
    assert schedule.initial_start is not None
    assert schedule.interval is not None
    slot = slot_after(schedule, after)
    clock, origin = (
        instant.astimezone(schedule.zone).replace(tzinfo=None) for instant in (slot, schedule.initial_start)
    )
    changed = slot.astimezone(schedule.zone).utcoffset() != (slot - DAY).astimezone(schedule.zone).utcoffset()
    if schedule.interval.months:
        months = (clock.year - origin.year) * 12 + clock.month - origin.month
        assert months % schedule.interval.months == 0
        assert changed or clock.time() == origin.time()
    else:
        assert changed or (clock - origin) % schedule.interval.estimate == timedelta(0)


@given(schedule=BY_CRON, after=INSTANTS)
def test_cron_never_fires_twice_in_a_minute(schedule: Schedule, after: datetime) -> None:
    fires = [slot_after(schedule, after)]
    for _ in range(5):
        fires.append(slot_after(schedule, fires[-1]))
    assert all(fire.second == fire.microsecond == 0 for fire in fires)
    assert all(later - earlier >= MINUTE for earlier, later in pairwise(fires))
    assert schedule.cron is not None
    if not any(field.startswith("*") for field in schedule.cron.split()[:2]):
        clocks = [fire.astimezone(schedule.zone).replace(tzinfo=None) for fire in fires]
        assert len(set(clocks)) == len(clocks)


@given(
    minute=st.integers(0, 59) | st.just("*/15"),
    hour=st.integers(0, 4) | st.just("*"),
    change=st.sampled_from(CHANGES),
    after=st.integers(-300, 300),
)
@example(minute=1, hour="*", change=CHANGES[0], after=-1)
@example(minute="*/15", hour=2, change=CHANGES[0], after=-1)
@example(minute=30, hour=2, change=CHANGES[1], after=-20)
def test_cron_fires_in_both_nights_as_somebody_fires_who_watches_the_clock(
    minute: int | str, hour: int | str, change: datetime, after: int
) -> None:
    schedule = Schedule(cron=f"{minute} {hour} * * *", timezone="Europe/Berlin")
    by_real_time = "*" in f"{minute} {hour}"[:1] or hour == "*"

    def fires_at(clock: datetime) -> bool:
        hours, minutes = (
            hour in {"*", clock.hour},
            clock.minute % 15 == 0 if minute == "*/15" else clock.minute == minute,
        )
        return hours and minutes

    def fires(instant: datetime) -> bool:
        shown = instant.astimezone(schedule.zone)
        # The clock jumps over an hour: what that would have fired fires now. A job of every hour misses none.
        jump = shown.replace(tzinfo=None) - (instant - MINUTE).astimezone(schedule.zone).replace(tzinfo=None) - MINUTE
        skipped = (shown.replace(tzinfo=None) - MINUTE * number for number in range(1, jump // MINUTE + 1))
        if hour != "*" and any(map(fires_at, skipped)):
            return True
        return fires_at(shown.replace(tzinfo=None)) and (by_real_time or not shown.fold)

    instant = change + MINUTE * after
    expected = next(instant + MINUTE * number for number in range(1, 3 * 24 * 60) if fires(instant + MINUTE * number))
    assert slot_after(schedule, instant) == expected


@given(schedule=WITH_SLOTS | SLIDING, finish=INSTANTS, late=st.integers(0, 200_000), lasted=st.integers(0, 200_000))
def test_the_start_after_a_success_is_the_next_one_and_never_before_now(
    schedule: Schedule, finish: datetime, late: int, lasted: int
) -> None:
    now, start = finish + timedelta(seconds=late), finish - timedelta(seconds=lasted)
    found = next_start_after_success(schedule, start=start, finish=finish, now=now)
    assert found is not None
    assert found >= now
    if late == 0:
        assert found > finish
    if schedule.has_slots:
        assert found == max(now, slot_after(schedule, finish))
    # What was missed is one start: the one after it is later than that.
    following = next_start_after_success(schedule, start=found, finish=found, now=found)
    assert following is not None
    assert following > found


@given(schedule=WITH_SLOTS, start=INSTANTS, back=st.integers(1, 3600))
def test_a_clock_that_is_put_back_brings_no_slot_a_second_time(schedule: Schedule, start: datetime, back: int) -> None:
    slot = slot_after(schedule, start)
    before = slot - timedelta(seconds=back)
    again = next_start_after_success(schedule, start=slot, finish=before, now=before)
    assert again is not None
    assert again > slot


@given(
    schedule=WITH_SLOTS | SLIDING | st.just(Schedule()),
    finish=INSTANTS,
    failures=st.integers(1, 100),
    jitter=st.floats(-1, 1),
    late=st.sampled_from([0, 0, 90, 90_000]),
)
def test_the_start_after_a_failure_keeps_within_its_bounds(
    schedule: Schedule, finish: datetime, failures: int, jitter: float, late: int
) -> None:
    now = finish + timedelta(seconds=late)
    retry = Interval(microseconds=300_000_000)

    def after(failures: int, jitter: float) -> datetime:
        return next_start_after_failure(
            schedule,
            start=finish,
            finish=finish,
            now=now,
            failures=failures,
            retry_period=retry,
            jitter=jitter,
        )

    found = after(failures, jitter)
    assert found >= now
    assert found > finish
    assert after(failures, -1) <= found <= after(failures, 1)
    assert after(failures, 0) <= after(failures + 1, 0)
    assert found <= max(now, finish + 1.125 * 20 * retry.estimate)
    if schedule.has_slots:
        assert found <= max(now, slot_after(schedule, finish))
    if not schedule.fixed and schedule.interval is not None:
        # 31 days of 25 hours, should clocks be changed.
        assert found <= max(now, finish + 1.125 * 5 * schedule.interval.estimate + 5 * DAY)


@given(
    schedule=WITH_SLOTS | SLIDING | st.just(Schedule()),
    now=INSTANTS,
    crashes=st.integers(1, 99),
    jitter=st.floats(-1, 1),
)
def test_after_a_crash_there_are_five_minutes_to_disable_the_job(
    schedule: Schedule, now: datetime, crashes: int, jitter: float
) -> None:
    found = next_start_after_crash(
        schedule, now=now, crashes=crashes, retry_period=Interval(microseconds=1_000_000), jitter=jitter
    )
    assert found >= now + LEAST_WAIT_AFTER_CRASH


@given(schedule=WITH_SLOTS | SLIDING, now=INSTANTS)
def test_a_first_start_and_one_after_a_change_are_never_in_the_past(schedule: Schedule, now: datetime) -> None:
    for found in (
        first_start(schedule, now),
        next_start_after_change(schedule, last_finish=None, now=now),
        next_start_after_change(schedule, last_finish=now - HOUR, now=now),
    ):
        assert found is not None
        assert found >= now


@given(schedule=SLIDING, finish=INSTANTS)
def test_a_sliding_schedule_has_no_slots(schedule: Schedule, finish: datetime) -> None:
    assert schedule.next_slot(finish) is None
    assert Schedule().next_slot(finish) is None
    assert next_start_after_success(Schedule(), start=finish, finish=finish, now=finish) is None
    assert next_start_after_change(Schedule(), last_finish=finish, now=finish) is None
    assert first_start(Schedule(), finish) is None
    assert schedule.zone == ZoneInfo(schedule.timezone)


@given(schedule=WITH_SLOTS | SLIDING, finish=NEAR_A_CHANGE, lasted=st.integers(0, 7200), late=st.integers(0, 7200))
def test_it_does_not_matter_in_which_zone_an_instant_is_written(
    schedule: Schedule, finish: datetime, lasted: int, late: int
) -> None:
    retry = Interval(microseconds=1_000_000)

    def all_starts(zone: ZoneInfo) -> list[datetime | None]:
        start, end = (instant.astimezone(zone) for instant in (finish - timedelta(seconds=lasted), finish))
        now = (finish + timedelta(seconds=late)).astimezone(zone)
        run = {"start": start, "finish": end, "now": now}
        there = replace(schedule, initial_start=schedule.initial_start and schedule.initial_start.astimezone(zone))
        return [
            first_start(there, now),
            next_start_after_change(there, last_finish=end, now=now),
            next_start_after_success(there, **run),
            next_start_after_failure(there, **run, failures=1, retry_period=retry, jitter=0),
            next_start_after_crash(there, now=now, crashes=1, retry_period=retry, jitter=0),
        ]

    assert all_starts(schedule.zone) == all_starts(ZoneInfo("UTC"))
