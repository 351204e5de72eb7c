"""The plan: exactly the hours that hold due rows, oldest first, in batches, and never a row too young."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pg_archiver.airflow.archive import TableWork
from pg_archiver.archive.plan import Plan, plan
from pg_archiver.archive.run_span import Limits
from pg_archiver.domain.windows import DueWindow, Window
from pg_archiver.errors import SettingError
from pg_archiver.policies.retention import KEEP_EVERYTHING, KeepDays
from pg_archiver.policies.yaml_file import Client, Policies
from tests.support.place import EVENTS, NOW, Place, hours_ago
from tests.support.task_context import connect_airflow, context_of, set_variables

EVENTS_WITHOUT_INDEX = EVENTS.rpartition(";")[0]


def windows(found: Plan) -> list[DueWindow]:
    return [window for batch in found.batches for window in batch]


def starts(found: Plan) -> list[datetime]:
    return [window.cell.start for window in windows(found)]


def one_a_day(place: Place, days: int) -> Place:
    place.sql(EVENTS)
    place.events(*(hours_ago(24 * day + 0.5) for day in range(days)))
    return place


@pytest.mark.parametrize("creation", [EVENTS, EVENTS_WITHOUT_INDEX], ids=["by index", "by scan"])
@pytest.mark.parametrize("hours", [1, 3, 24, 168])
def test_the_plan_holds_the_distinct_hours_that_hold_rows_and_no_others(
    place: Place, creation: str, hours: int
) -> None:
    place.sql(creation)
    chance = random.Random(hours)  # noqa: S311 (no secret)
    places_ = chance.sample(range(30 * 24), 60)
    place.events(*(hours_ago(at) + timedelta(seconds=chance.randrange(3600)) for at in places_ for _ in range(3)))
    place.events(*(hours_ago(at) for at in places_[:10]))
    expected = place.sql(
        "SELECT DISTINCT date_bin(make_interval(hours => %s), triggered_at, '0001-01-01') FROM analytics.events"
        " WHERE triggered_at < %s ORDER BY 1",
        hours,
        hours_ago(48),
    )
    found = place.with_policy(window_hours=hours).plan()
    assert starts(found) == [row[0] for row in expected]
    assert not found.more
    assert all(window.span.end <= hours_ago(48) for window in windows(found))


@pytest.mark.parametrize("creation", [EVENTS, EVENTS_WITHOUT_INDEX], ids=["by index", "by scan"])
def test_one_row_of_1970_costs_one_window(place: Place, creation: str) -> None:
    place.sql(creation)
    place.events(datetime(1970, 1, 1), hours_ago(60))  # noqa: DTZ001
    assert starts(place.plan()) == [datetime(1970, 1, 1), hours_ago(60)]  # noqa: DTZ001


def test_an_empty_table_and_one_with_nothing_due_give_no_windows(place: Place) -> None:
    place.sql(EVENTS)
    assert windows(place.plan()) == []
    place.events(hours_ago(47.9))
    assert windows(place.plan()) == []


def test_the_hour_that_the_cutoff_cuts_is_planned_up_to_it(place: Place) -> None:
    place.sql(EVENTS)
    cut = hours_ago(59.5)
    place.events(hours_ago(59.75), hours_ago(59.25))
    found = place.plan(run_time=(NOW - timedelta(hours=59.5 - 48)))
    assert windows(found) == [DueWindow(Window(hours_ago(60), hours_ago(59)), Window(hours_ago(60), cut))]
    (window,) = windows(found)
    place.windows()
    place.export(window)
    place.check(window)
    assert place.delete(window).rows == 1
    assert len(place.live()) == 1
    assert [deleted.rows for deleted in place.archive()] == [1]
    assert place.ledger("generation, rows") == [(1, 1), (2, 1)]


def test_a_run_takes_the_oldest_windows_first_and_says_that_there_are_more(place: Place) -> None:
    place = one_a_day(place, 12).with_policy(max_mapped_windows=2, windows_per_task=3)
    first = place.plan()
    assert [len(batch) for batch in first.batches] == [3, 3]
    assert first.more
    assert starts(first) == [hours_ago(24 * day + 1) for day in range(11, 5, -1)]
    exactly = place.with_policy(windows_per_task=5).plan()
    assert exactly.windows == 10
    assert not exactly.more


def test_one_window_a_task_while_there_are_few_and_more_in_a_backlog(place: Place) -> None:
    place = one_a_day(place, 12)
    assert {len(batch) for batch in place.plan().batches} == {1}
    backlog = place.with_policy(max_mapped_windows=4).plan()
    assert [len(batch) for batch in backlog.batches] == [3, 3, 3, 1]
    assert starts(backlog) == starts(place.plan())


def test_a_file_of_many_tables_puts_more_windows_into_a_task(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place = one_a_day(place, 30)
    connect_airflow(place, monkeypatch)
    set_variables(monkeypatch)
    context = context_of(dry_run=True)

    def sizes(clients: int) -> list[int]:
        ours = Client(place.database, "rds_main", place.database, (place.policy,))
        policies = Policies("the test", (ours, *[replace(ours, name="other")] * (clients - 1)), {})
        batches, _summary = TableWork(ours, place.policy, policies).plan(context)
        return [len(batch["windows"]) for batch in batches]

    assert sizes(100) == [1] * 28
    assert sizes(1000) == [12, 12, 4]
    chosen = place.with_policy(windows_per_task=7)
    assert [len(batch) for batch in chosen.plan().batches] == [7] * 4


def test_the_longest_automatic_batch_bounds_a_run(place: Place) -> None:
    place = one_a_day(place, 60).with_policy(max_mapped_windows=1)
    found = place.plan()
    assert [len(batch) for batch in found.batches] == [48]
    assert found.more


def test_runs_one_after_the_other_come_to_the_end_of_a_backlog(place: Place) -> None:
    place = one_a_day(place, 12).with_policy(max_mapped_windows=2, windows_per_task=2)
    before = place.csv_of_table()
    assert [len(place.archive()) for _ in range(4)] == [4, 4, 2, 0]
    assert place.archived() + place.csv_of_table() == before


def test_start_and_end_make_the_span_smaller(place: Place) -> None:
    place = one_a_day(place, 12)
    assert starts(place.plan(start=hours_ago(24 * 8))) == [hours_ago(24 * day + 1) for day in range(7, 1, -1)]
    assert starts(place.plan(end=hours_ago(24 * 8))) == [hours_ago(24 * day + 1) for day in range(11, 7, -1)]
    both = place.plan(start=hours_ago(24 * 8), end=hours_ago(24 * 6))
    assert starts(both) == [hours_ago(24 * day + 1) for day in (7, 6)]
    assert both.due == Window(hours_ago(24 * 8), hours_ago(24 * 6))


def test_limits_with_an_offset_mean_that_instant(place: Place) -> None:
    place = one_a_day(place, 12)
    offset = datetime.fromisoformat("2024-01-01T00:00:00+05:30").tzinfo
    end = hours_ago(24 * 8).replace(tzinfo=UTC).astimezone(offset)
    assert windows(place.plan(end=end)) == windows(place.plan(end=hours_ago(24 * 8)))


@pytest.mark.parametrize("end", [hours_ago(0), hours_ago(-24 * 365), hours_ago(-24 * 365).replace(tzinfo=UTC)])
def test_an_end_after_the_cutoff_never_makes_more_due(place: Place, end: datetime) -> None:
    place = one_a_day(place, 5)
    assert windows(place.plan(end=end)) == windows(place.plan())


def test_a_start_after_the_cutoff_makes_nothing_due(place: Place) -> None:
    found = one_a_day(place, 5).plan(start=hours_ago(10))
    assert windows(found) == []
    assert found.due is None


@pytest.mark.parametrize("end", [hours_ago(100), hours_ago(90)])
def test_an_end_that_is_not_after_the_start_is_refused(place: Place, end: datetime) -> None:
    place = one_a_day(place, 5)
    with pytest.raises(SettingError, match=r"parameter end .* is not after start"):
        place.plan(start=hours_ago(90), end=end)


def test_one_limit_may_have_an_offset_and_the_other_none(place: Place) -> None:
    place = one_a_day(place, 5)
    found = place.plan(start=hours_ago(24 * 4).replace(tzinfo=UTC), end=hours_ago(24 * 3))
    assert starts(found) == [hours_ago(24 * 3 + 1)]


def test_a_run_dated_in_the_future_makes_nothing_due_early(place: Place) -> None:
    place = one_a_day(place, 5)
    future = place.plan(run_time=NOW + timedelta(days=365))
    assert all(
        window.span.end <= datetime.now(UTC).replace(tzinfo=None) - timedelta(days=2) for window in windows(future)
    )
    assert starts(future) == starts(place.plan())


def test_a_run_dated_in_the_past_makes_due_what_was_due_then(place: Place) -> None:
    place = one_a_day(place, 12)
    past = place.plan(run_time=NOW - timedelta(days=5))
    assert starts(past) == [hours_ago(24 * day + 1) for day in range(11, 6, -1)]


def test_days_to_keep_of_nought_make_everything_before_the_run_due(place: Place) -> None:
    place = one_a_day(place, 3)
    place.events(datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=2))
    assert place.plan(keep_days=0).windows == 3
    place.archive(keep_days=0)
    assert len(place.live()) == 1


def test_a_plan_for_keeping_everything_holds_nothing(place: Place) -> None:
    place = one_a_day(place, 12)
    found = Plan.nothing(KeepDays(KEEP_EVERYTHING, "the test"))
    assert (windows(found), found.due, found.cutoff, found.more) == ([], None, None, False)
    with pytest.raises(ValueError, match="no cutoff for keep_days -1"):
        place.plan(keep_days=KEEP_EVERYTHING)


@pytest.mark.first_run
def test_a_plan_writes_nothing(place_on_both: Place) -> None:
    place = one_a_day(place_on_both, 5)
    before = place.live()
    assert place.plan().windows == 3
    assert not place.has_ledger()
    assert place.keys() == []
    assert place.live() == before
    assert place.client.list_multipart_uploads(Bucket=place.bucket).get("Uploads", []) == []


def test_what_an_earlier_run_left_unfinished_is_planned_again_although_its_rows_are_gone(place: Place) -> None:
    place.sql(EVENTS)
    place.events(hours_ago(60), hours_ago(70))
    (older, newer) = place.windows()
    place.export(older)
    place.check(older)
    place.sql("DELETE FROM analytics.events WHERE triggered_at = %s", hours_ago(70))
    assert windows(place.plan()) == [older, newer]
    assert [deleted.rows for deleted in place.archive()] == [0, 1]
    assert windows(place.plan()) == []


def test_a_server_whose_clock_is_asked_bounds_the_cutoff(place: Place) -> None:
    place = one_a_day(place, 5)
    with place.session() as session:
        found = plan(
            session,
            place.store,
            place.order,
            place.policy,
            KeepDays(2, "the test"),
            Limits(datetime.max.replace(tzinfo=UTC), None, None),
        )
        now = session.fetch_one("postgres/session/clock").now
    assert found.cutoff is not None
    assert found.cutoff <= now - timedelta(days=2)
