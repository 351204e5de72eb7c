"""When a job starts next: arithmetic alone, without a clock and without a database.

The rules are those of TimescaleDB's jobs (`src/bgw/job_stat.c`), and its names are kept: a schedule is *fixed* if its
slots are counted from `initial_start`, else *sliding*, counted from the end of the last run. A cron schedule is always
fixed. Instants go in and come out with a time zone, UTC at the way out. `tests/cases/schedules` holds the rules, each
with its source, and says where this program differs: a slot is never skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

_MICROSECOND = timedelta(microseconds=1)
_SECONDS_A_DAY, _DAYS_A_MONTH, _MONTHS_A_YEAR = 86_400, 30, 12
_MICROSECONDS_A_SECOND = 1_000_000
_MICROSECONDS_A_DAY = _SECONDS_A_DAY * _MICROSECONDS_A_SECOND
# Where TimescaleDB's time_bucket() begins: a Monday, at midnight by the clocks of the zone.
_ORIGIN = datetime(2000, 1, 3)  # noqa: DTZ001 (local)

# TimescaleDB's: its MAX_FAILURES_MULTIPLIER, MAX_INTERVALS_BACKOFF, MIN_WAIT_AFTER_CRASH_MS and the widest jitter.
MOST_FAILURES_COUNTED = 20
MOST_INTERVALS_WAITED = 5
LEAST_WAIT_AFTER_CRASH = timedelta(minutes=5)
WIDEST_JITTER = 0.125

_CRON_FIELDS = 5
_CRON_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_RANDOM_FIELD = re.compile(r"(?<![a-z])[rh](?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Interval:
    """A length of time as Postgres's `interval` holds it: months and days are as long as the calendar makes them."""

    months: int = 0
    days: int = 0
    microseconds: int = 0

    @classmethod
    def from_timedelta(cls, length: timedelta) -> Interval:
        """Return the same length in microseconds alone."""
        return cls(microseconds=length // _MICROSECOND)

    @property
    def estimate(self) -> timedelta:
        """The length by which Postgres compares intervals: months of 30 days, days of 24 hours."""
        return timedelta(days=self.months * _DAYS_A_MONTH + self.days, microseconds=self.microseconds)

    def add_to(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """Return `instant` plus this, as `timestamptz + interval` is with this zone as the session's TimeZone."""
        if self.months:
            instant = read_clock(_add_months(instant.astimezone(zone).replace(tzinfo=None), self.months), zone)
        if self.days:
            instant = read_clock(instant.astimezone(zone).replace(tzinfo=None) + timedelta(days=self.days), zone)
        return instant.astimezone(UTC) + timedelta(microseconds=self.microseconds)

    def multiply(self, factor: float) -> Interval:
        """Return this times `factor`, as `interval * double precision` is: what is over goes to the smaller units."""
        months, days = int(self.months * factor), int(self.days * factor)
        days_over = round((self.months * factor - months) * _DAYS_A_MONTH, 6)
        seconds_over = round((self.days * factor - days + days_over - int(days_over)) * _SECONDS_A_DAY, 6)
        whole_days = int(seconds_over / _SECONDS_A_DAY)
        seconds_over -= whole_days * _SECONDS_A_DAY
        microseconds = round(self.microseconds * factor + seconds_over * _MICROSECONDS_A_SECOND)
        return Interval(months, days + int(days_over) + whole_days, microseconds)

    def __str__(self) -> str:
        """Return the interval as Postgres reads it."""
        return f"{self.months} months {self.days} days {self.microseconds} microseconds"


@dataclass(frozen=True)
class Schedule:
    """When a job is due: by `cron` or every `interval`, or by neither, which is by hand alone."""

    cron: str | None = None
    interval: Interval | None = None
    timezone: str = "UTC"
    fixed: bool = True
    initial_start: datetime | None = None
    """The first start, and the slot from which those of a fixed interval are counted."""

    @property
    def zone(self) -> ZoneInfo:
        """The zone by whose clocks cron, days and months go."""
        return ZoneInfo(self.timezone)

    @property
    def has_slots(self) -> bool:
        """Whether the starts are known beforehand, whatever the runs do."""
        return self.cron is not None or (self.fixed and self.interval is not None)

    def next_slot(self, after: datetime) -> datetime | None:
        """Return the first slot later than `after` and not before `initial_start`; None where there are no slots."""
        if not self.has_slots:
            return None
        # Two times of one zone are compared by what its clocks show, which is wrong in the hour that comes twice.
        after = after.astimezone(UTC)
        if self.initial_start is not None:
            after = max(after, self.initial_start.astimezone(UTC) - _MICROSECOND)
        if self.cron is not None:
            return _next_fire(self.cron, self.zone, after)
        assert self.interval is not None  # noqa: S101 (for mypy)
        origin = (
            _ORIGIN if self.initial_start is None else self.initial_start.astimezone(self.zone).replace(tzinfo=None)
        )
        if self.interval.months:
            return _next_month_slot(origin, self.interval.months, self.zone, after)
        return min(slot for slot in _slots_around(origin, self.interval, self.zone, after) if slot > after)


@lru_cache(maxsize=1024)
def check_cron(text: str) -> None:
    """Refuse a cron schedule that cannot be understood, that means another time at each reading, or none at all.

    Raises:
        ValueError: the message is croniter's, or says what is wrong in its way.
    """
    expression = _CRON_PRESETS.get(text, text)
    if len(expression.split()) != _CRON_FIELDS:
        raise ValueError(f"[{text}] has {len(expression.split())} fields, not {_CRON_FIELDS}")
    if _RANDOM_FIELD.search(expression):
        raise ValueError(f"[{text}] holds R or H, which is another time at each reading")
    try:
        _next_fire(text, ZoneInfo("UTC"), _ORIGIN.replace(tzinfo=UTC))
    except (CroniterError, ValueError) as error:
        raise ValueError(str(error)) from None


def first_start(schedule: Schedule, now: datetime) -> datetime | None:
    """Return when a job that has never run is due; None where it is only run by hand."""
    if schedule.cron is not None:
        return schedule.next_slot(now)
    if schedule.interval is None:
        return None
    return _latest(now, schedule.initial_start or now)


def next_start_after_change(schedule: Schedule, *, last_finish: datetime | None, now: datetime) -> datetime | None:
    """Return when a job whose definition has changed is due; `last_finish` is None if it has never run to an end."""
    if last_finish is None:
        return first_start(schedule, now)
    return schedule.next_slot(now) if schedule.has_slots else _next_start(schedule, last_finish, now)


def next_start_after_success(
    schedule: Schedule, *, start: datetime, finish: datetime, now: datetime, own: datetime | None = None
) -> datetime | None:
    """Return when a job that has succeeded is due again; None where it is only run by hand.

    `own` is the next start that the job has set itself, which counts. `start` and `finish` are the run's, by the
    database's clock; a clock that was put back brings no slot a second time. Slots that passed between `finish` and
    `now` are one start, at `now`.
    """
    return own or _next_start(schedule, _latest(start, finish), now)


def next_start_after_failure(
    schedule: Schedule,
    *,
    start: datetime,
    finish: datetime,
    now: datetime,
    failures: int,
    retry_period: Interval,
    jitter: float,
    own: datetime | None = None,
) -> datetime:
    """Return when a job that has failed is tried again: later after each failure, but at its next slot at the latest.

    `failures` are the consecutive ones, this one included. `jitter` is a random number from -1 to 1, so that not all
    jobs that failed at once are tried again at once.
    """
    if own is not None:
        return own
    wait = retry_period.multiply(min(failures, MOST_FAILURES_COUNTED))
    if schedule.interval is not None:
        wait = min(wait, schedule.interval.multiply(MOST_INTERVALS_WAITED), key=lambda interval: interval.estimate)
    retry = wait.multiply(1 + jitter * WIDEST_JITTER).add_to(finish, schedule.zone)
    slot = schedule.next_slot(_latest(start, finish))
    return _latest(now, retry if slot is None else min(retry, slot))


def next_start_after_crash(
    schedule: Schedule, *, now: datetime, crashes: int, retry_period: Interval, jitter: float
) -> datetime:
    """Return when a job that began and never ended is tried again: as after a failure now, 5 minutes at least.

    `crashes` are the consecutive ones, this one included. A next start that the job had set itself does not count.
    """
    retry = next_start_after_failure(
        schedule, start=now, finish=now, now=now, failures=crashes, retry_period=retry_period, jitter=jitter
    )
    return max(retry, now.astimezone(UTC) + LEAST_WAIT_AFTER_CRASH)


def has_exhausted_retries(failures: int, max_retries: int) -> bool:
    """Return whether a job that has failed so many times in a row starts no more; a `max_retries` of -1 has no end."""
    return 0 <= max_retries <= failures


def _next_start(schedule: Schedule, finish: datetime, now: datetime) -> datetime | None:
    if schedule.has_slots:
        slot = schedule.next_slot(finish)
        return slot and _latest(slot, now)
    return None if schedule.interval is None else _latest(schedule.interval.add_to(finish, schedule.zone), now)


def _latest(*instants: datetime) -> datetime:
    return max(instant.astimezone(UTC) for instant in instants)


def _next_fire(cron: str, zone: ZoneInfo, after: datetime) -> datetime:
    """Return the first fire later than `after`.

    Where clocks are put forward, the fires of an hour that is skipped are one, at its end, unless each hour has some.
    Where they are put back, a schedule that names its minute and hour fires the first time alone; one with a `*` there
    goes by real time.
    """
    expression = _CRON_PRESETS.get(cron, cron)
    fires = croniter(expression, after.astimezone(zone))
    by_real_time = any(field.startswith("*") for field in expression.split()[:2])
    while True:
        fire: datetime = fires.get_next(datetime)
        if by_real_time or not fire.fold:
            return fire.astimezone(UTC)


def _next_month_slot(origin: datetime, months: int, zone: ZoneInfo, after: datetime) -> datetime:
    shown = after.astimezone(zone)
    passed = (shown.year - origin.year) * _MONTHS_A_YEAR + shown.month - origin.month
    number = passed // months
    while (slot := read_clock(_add_months(origin, number * months), zone)) <= after:
        number += 1
    return slot


def _slots_around(origin: datetime, interval: Interval, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the slots next to `after`, before and after it: the instants at which the zone's clocks show them.

    Where clocks are put back they are shown twice. Below a day both count; a daily job starts once.
    """
    period = timedelta(days=interval.days, microseconds=interval.microseconds)
    for offset in {after.astimezone(zone).utcoffset(), (after + period).astimezone(zone).utcoffset()}:
        shown = after.astimezone(UTC).replace(tzinfo=None) + (offset or timedelta(0))
        number = (shown - origin) // period
        for place in (number - 1, number, number + 1):
            clock = origin + place * period
            yield read_clock(clock, zone)
            first = clock.replace(tzinfo=zone).astimezone(UTC)
            if period < timedelta(days=1) and first.astimezone(zone).replace(tzinfo=None) == clock:
                yield first


def _add_months(clock: datetime, months: int) -> datetime:
    """Return the clock's time so many months later, on the last day of a month that is too short."""
    year, month = divmod(clock.year * _MONTHS_A_YEAR + clock.month - 1 + months, _MONTHS_A_YEAR)
    first_of_next = datetime(year + (month + 1) // _MONTHS_A_YEAR, (month + 1) % _MONTHS_A_YEAR + 1, 1)  # noqa: DTZ001
    last_day = (first_of_next - timedelta(days=1)).day
    return clock.replace(year=year, month=month + 1, day=min(clock.day, last_day))


def read_clock(clock: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which the zone's clocks show this, as Postgres reads it.

    Of a time that is shown twice, that is the second. One that is never shown is read by the clock before the change.
    """
    return max(clock.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
