"""The span of a day in which the heavy work may be done, and what is left of it.

The ends are wall-clock times of a time zone. A night's span begins at the first instant at which the clock shows
the start or later, and ends at the first at which it shows the end or later. So where clocks are put forward a span
is shorter, or does not happen at all if it lies inside the hour that is skipped; where they are put back it lasts
until the first time that the end is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EXAMPLE = "01:00-05:00 Europe/Berlin"

_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})\s+(\S+)")
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class OffHours:
    """A span of every day, from `start` to `end` by the clocks of `zone`; over midnight where `end` is the earlier."""

    text: str
    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> OffHours:
        """Return the span that this text means, such as `22:00-04:00 Europe/Berlin`.

        Raises:
            ValueError: it means none; the message says how to write one.
        """
        match = _SPAN.fullmatch(text.strip())
        if not match:
            raise ValueError(f"{text!r} is not a span of a day. Write it as '{EXAMPLE}'")
        start_hour, start_minute, end_hour, end_minute = (int(part) for part in match.groups()[:4])
        try:
            start, end = time(start_hour, start_minute), time(end_hour, end_minute)
        except ValueError:
            raise ValueError(f"{text!r} holds a time that does not exist. Times go from 00:00 to 23:59") from None
        if start == end:
            raise ValueError(f"{text!r} begins and ends at the same time. Give two different times, as in '{EXAMPLE}'")
        try:
            zone = ZoneInfo(match[5])
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{text!r}: {match[5]!r} is not an IANA time zone, such as Europe/Berlin or UTC") from None
        return cls(text.strip(), start, end, zone)

    def remaining(self, now: datetime) -> timedelta | None:
        """Return what is left of the span in real time, None when `now`, which has a time zone, is not in it."""
        today = now.astimezone(self.zone).date()
        for day in (today - _DAY, today, today + _DAY):
            begin, end = self._night(day)
            if begin <= now < end:
                return end - now
        return None

    def next_opening(self, after: datetime) -> datetime:
        """Return `after` if it is in the span, else the first instant later than it that is, in UTC."""
        if self.remaining(after):
            return after
        day = after.astimezone(self.zone).date()
        while True:
            begin, end = self._night(day)
            if begin > after and end > begin:
                return begin
            day += _DAY

    def _night(self, day: date) -> tuple[datetime, datetime]:
        last = day if self.start < self.end else day + _DAY
        return self._first_instant(day, self.start), self._first_instant(last, self.end)

    def _first_instant(self, day: date, clock: time) -> datetime:
        """Return the first instant of that day at which the zone's clocks show this time or a later one, in UTC."""
        shown = datetime.combine(day, clock)
        found = shown.replace(tzinfo=self.zone).astimezone(UTC)
        if self._shown(found) == shown:
            return found
        # Clocks never show this time: the two ways to read it lie around the moment they are put forward.
        before = shown.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        after = found
        while after - before > _SECOND:
            middle = before + ((after - before) / 2 // _SECOND) * _SECOND
            if self._shown(middle) < shown:
                before = middle
            else:
                after = middle
        return after

    def _shown(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def __str__(self) -> str:
        return self.text
