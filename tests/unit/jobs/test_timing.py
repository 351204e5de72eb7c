"""How a job stands after a run, and when it is due: in its hours, by its schedule, or no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pg_archiver.jobs.timing import (
    find_earliest,
    is_unrehearsed,
    keep_to_hours,
    plan_after,
    plan_first,
    plan_look,
)
from pg_archiver.ledger.job_runs import EndedRun
from pg_archiver.ledger.jobs import JobKey, JobState, JobStateRow
from pg_archiver.policies.jobs import Action, Job
from pg_archiver.policies.jobs_settings import JobsSettings

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
KEY = JobKey(1000, "acme")
HOUR = timedelta(hours=1)
SETTINGS = JobsSettings(actions=(Action.ARCHIVE, Action.DELETE), grace_minutes=5)


def job(**changes: Any) -> Job:
    raw = {"name": "rollup", "action": "call", "procedure": "app.job", "interval": "1h", "fixed_schedule": False}
    return Job.from_file({name: value for name, value in {**raw, **changes}.items() if value is not None}, "the test")


def ended(*, succeeded: bool, crashed: bool = False) -> EndedRun:
    start = NOW - timedelta(minutes=10)
    return EndedRun(1, KEY.job_id, KEY.database, False, start, NOW - timedelta(minutes=1), succeeded, crashed)


def state(failures: int = 0, crashes: int = 0, last_finish: datetime | None = None) -> JobStateRow:
    return JobStateRow(
        key=KEY,
        definition="digest",
        state=JobState.RUNNING,
        reason="a note",
        next_start=None,
        due_by="schedule",
        queued_at=None,
        airflow_run_id="run 1",
        approved_definition=None,
        rehearsed_at=None,
        rehearsed_definition=None,
        asked_at=None,
        last_start=None,
        last_finish=last_finish,
        last_run_success=None,
        consecutive_failures=failures,
        consecutive_crashes=crashes,
    )


def test_after_a_success_the_schedule_goes_on_and_the_note_stays() -> None:
    standing = plan_after(job(), ended(succeeded=True), state(), SETTINGS, now=NOW, jitter=0)
    assert (standing.state, standing.reason) == (JobState.IDLE, "a note")
    assert standing.next_start == NOW - timedelta(minutes=1) + HOUR


@pytest.mark.parametrize(("failures", "minutes"), [(0, 5), (1, 10), (3, 20)])
def test_after_a_failure_it_waits_longer_each_time(failures: int, minutes: int) -> None:
    standing = plan_after(job(interval="1d"), ended(succeeded=False), state(failures), SETTINGS, now=NOW, jitter=0)
    assert standing.next_start == NOW - timedelta(minutes=1) + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("most", "failures", "exhausted"), [(-1, 100, False), (0, 0, True), (3, 1, False), (3, 2, True)]
)
def test_it_gives_up_after_as_many_failures_as_it_may_have(most: int, failures: int, exhausted: bool) -> None:
    standing = plan_after(job(max_retries=most), ended(succeeded=False), state(failures), SETTINGS, now=NOW, jitter=0)
    assert (standing.state is JobState.EXHAUSTED) is exhausted
    assert (standing.next_start is None) is exhausted
    times = "time" if failures == 0 else "times"
    assert not exhausted or f"failed {failures + 1} {times} in a row, and max_retries is {most}" in str(standing.reason)


def test_a_crash_is_no_failure_that_is_counted_and_waits_five_minutes() -> None:
    crashed = ended(succeeded=False, crashed=True)
    standing = plan_after(job(max_retries=0, retry_period="1s"), crashed, state(), SETTINGS, now=NOW, jitter=-1)
    assert (standing.state, standing.next_start) == (JobState.IDLE, NOW + timedelta(minutes=5))


@pytest.mark.parametrize("run", [ended(succeeded=True), ended(succeeded=False), ended(succeeded=False, crashed=True)])
def test_whatever_comes_next_comes_in_its_hours(run: EndedRun) -> None:
    standing = plan_after(job(run_window="01:00-02:00 UTC"), run, state(), SETTINGS, now=NOW, jitter=0)
    assert standing.next_start == datetime(2026, 6, 11, 1, 0, tzinfo=UTC)


def test_a_new_job_is_due_by_its_schedule_and_a_paused_one_never() -> None:
    assert plan_first(job(), None, NOW) == NOW
    assert plan_first(job(interval=None, schedule="0 1 * * *", fixed_schedule=True), None, NOW) == NOW + 13 * HOUR
    assert plan_first(job(interval=None), None, NOW) is None
    assert plan_first(job(scheduled=False), None, NOW) is None
    assert plan_first(job(), state(last_finish=NOW - HOUR / 2), NOW) == NOW + HOUR / 2


def test_a_refused_job_is_looked_at_again_when_it_would_be_due_and_not_at_once() -> None:
    assert plan_look(job(), NOW) == NOW + HOUR
    assert plan_look(job(interval=None, schedule="0 1 * * *", fixed_schedule=True), NOW) == NOW + 13 * HOUR
    assert plan_look(job(interval=None), NOW) is None
    assert plan_look(job(scheduled=False), NOW) is None


def test_without_hours_any_time_will_do() -> None:
    assert keep_to_hours(job(), NOW) == NOW
    assert keep_to_hours(job(run_window="12:00-13:00 UTC"), NOW) == NOW
    assert keep_to_hours(job(run_window="13:00-14:00 UTC"), NOW) == NOW + HOUR
    assert keep_to_hours(job(run_window="13:00-14:00 UTC"), None) is None


def table_job(action: str = "archive", **changes: Any) -> Job:
    table = {"table": "app.events", "keep_days": 30}
    return Job.from_file({"name": "old events", "action": action, "schedule": "0 * * * *", **table, **changes}, "")


def rehearsal(*, succeeded: bool = True, crashed: bool = False) -> EndedRun:
    return replace(ended(succeeded=succeeded, crashed=crashed), dry_run=True, told="34 windows would go")


def test_what_takes_rows_away_is_rehearsed_as_it_is_defined_and_nothing_else_is() -> None:
    known = replace(state(), rehearsed_definition="digest", rehearsed_at=NOW)
    assert is_unrehearsed(table_job(), "digest", None)
    assert is_unrehearsed(table_job(), "digest", state())
    assert is_unrehearsed(table_job("delete"), "another digest", known)
    assert not is_unrehearsed(table_job(), "digest", known)
    assert not is_unrehearsed(job(), "digest", None)


def test_it_acts_at_its_first_slot_that_is_so_long_after_its_rehearsal() -> None:
    # The rehearsal ended at 11:59, and the next slot is at 12:00: a minute later.
    standing = plan_after(table_job(), rehearsal(), state(), SETTINGS, now=NOW, jitter=0)
    assert standing.next_start == NOW + HOUR
    at_once = SETTINGS.model_copy(update={"grace_minutes": 0})
    assert plan_after(table_job(), rehearsal(), state(), at_once, now=NOW, jitter=0).next_start == NOW
    assert (standing.state, standing.reason) == (JobState.IDLE, "34 windows would go")


@pytest.mark.parametrize(
    ("action", "approved", "expected"),
    [
        ("delete", None, JobState.WAITING),
        ("delete", "another digest", JobState.WAITING),
        ("delete", "digest", JobState.IDLE),
        ("archive", None, JobState.IDLE),
    ],
)
def test_after_its_rehearsal_a_person_is_asked_about_it(action: str, approved: str | None, expected: JobState) -> None:
    before = replace(state(), approved_definition=approved)
    assert plan_after(table_job(action), rehearsal(), before, SETTINGS, now=NOW, jitter=0).state is expected


def test_a_rehearsal_that_fails_or_dies_is_held_again_and_nothing_acts() -> None:
    failed = plan_after(table_job(), rehearsal(succeeded=False), state(), SETTINGS, now=NOW, jitter=0)
    assert (failed.state, failed.next_start) == (JobState.IDLE, NOW)
    assert "its rehearsal failed" in str(failed.reason)
    died = plan_after(table_job(), rehearsal(succeeded=False, crashed=True), state(), SETTINGS, now=NOW, jitter=0)
    assert died.next_start == NOW + timedelta(minutes=5)


def test_a_run_of_a_table_tells_what_it_did() -> None:
    done = replace(ended(succeeded=True), told="12 rows")
    assert plan_after(table_job(), done, state(), SETTINGS, now=NOW, jitter=0).reason == "12 rows"


def test_the_grace_holds_for_what_takes_rows_away() -> None:
    known = replace(state(), rehearsed_definition="digest", rehearsed_at=NOW - timedelta(minutes=2))
    assert find_earliest(table_job(), known, timedelta(minutes=5), NOW) == NOW + timedelta(minutes=3)
    assert find_earliest(table_job(), known, timedelta(minutes=1), NOW) == NOW
    assert find_earliest(job(), known, timedelta(minutes=5), NOW) == NOW
