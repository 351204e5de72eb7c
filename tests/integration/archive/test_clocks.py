"""A worker whose clock is wrong: what goes is never younger than both clocks allow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from pg_archiver.ledger.window_ledger import WindowLedger
from pg_archiver.postgres import clocks
from tests.support.place import EVENTS, Place, hours_ago

DAY = timedelta(days=1)
REAL_NOW = datetime.now


def shifted(monkeypatch: pytest.MonkeyPatch, shift: timedelta) -> None:
    """Puts the clock that the planning worker reads forward, or back."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            moment = REAL_NOW(tz) + shift
            return cls.fromtimestamp(moment.timestamp(), tz=tz)

    monkeypatch.setattr(clocks, "datetime", Clock)


def left(place: Place, run_time: datetime) -> list[int]:
    """Archives all that is due for a run of that time; how many days old the rows are that stayed."""
    for batch in place.plan(keep_days=2, run_time=run_time).batches:
        for window in batch:
            with place.session() as session:
                WindowLedger(session, place.order).migrate()
            place.export(window)
            place.check(window)
            place.delete(window)
    return [row[0] for row in place.sql("SELECT days FROM analytics.events ORDER BY days")]


def a_row_for_each_day(place: Place) -> None:
    place.sql(f"{EVENTS}; ALTER TABLE analytics.events ADD days int")
    for days in range(4):
        place.sql("INSERT INTO analytics.events (triggered_at, days) VALUES (%s, %s)", hours_ago(24 * days + 0.5), days)


@pytest.mark.parametrize(
    ("shift", "stay"),
    [(-DAY, [0, 1, 2]), (timedelta(0), [0, 1]), (DAY, [0, 1]), (400 * DAY, [0, 1])],
    ids=["a day slow", "right", "a day fast", "a year fast"],
)
@pytest.mark.parametrize("of_run", ["of the run too", "of the worker alone"])
def test_a_worker_whose_clock_is_wrong_takes_nothing_that_the_databases_clock_would_not_allow(
    place: Place, monkeypatch: pytest.MonkeyPatch, shift: timedelta, stay: list[int], of_run: str
) -> None:
    a_row_for_each_day(place)
    shifted(monkeypatch, shift)
    wrong = of_run == "of the run too"
    run_time = REAL_NOW(UTC) + shift if wrong or shift > timedelta(0) else REAL_NOW(UTC)
    assert left(place, run_time) == stay
    assert place.archived().total() == 4 - len(stay)
