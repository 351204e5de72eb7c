"""When a job is due: its schedule's rules, and the hours of the day in which it may run at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pg_archiver.domain.schedules import (
    has_exhausted_retries,
    next_start_after_change,
    next_start_after_crash,
    next_start_after_failure,
    next_start_after_success,
)
from pg_archiver.domain.wording import say_count
from pg_archiver.ledger.job_runs import EndedRun
from pg_archiver.ledger.jobs import JobState, JobStateRow
from pg_archiver.policies.jobs import TABLE_ACTIONS, Action, Job
from pg_archiver.policies.jobs_settings import JobsSettings

REHEARSED_FIRST = "it is rehearsed before it acts"


@dataclass(frozen=True)
class Standing:
    """How a job stands after a run: its state, when it is due again, and why nothing starts it, if nothing does."""

    state: JobState
    next_start: datetime | None = None
    reason: str | None = None


def plan_first(job: Job, state: JobStateRow | None, now: datetime) -> datetime | None:
    """Return when a job is due that is new, or whose definition has changed; None for one that is run by hand alone."""
    if not job.scheduled:
        return None
    last_finish = state.last_finish if state else None
    return keep_to_hours(job, next_start_after_change(job.timing, last_finish=last_finish, now=now))


def is_unrehearsed(job: Job, definition: str, state: JobStateRow | None) -> bool:
    """Return whether a job takes rows away and was not rehearsed as it is defined: then it is, before it acts."""
    return job.action in TABLE_ACTIONS and (state is None or state.rehearsed_definition != definition)


def find_earliest(job: Job, state: JobStateRow | None, grace: timedelta, now: datetime) -> datetime:
    """Return from when on a job may act by its schedule: one that takes rows away, `grace` after its rehearsal."""
    if job.action not in TABLE_ACTIONS or state is None or state.rehearsed_at is None:
        return now
    return max(now, state.rehearsed_at + grace)


def plan_look(job: Job, now: datetime) -> datetime | None:
    """Return when a job that is refused would be due, and so is looked at again."""
    return keep_to_hours(job, next_start_after_change(job.timing, last_finish=now, now=now)) if job.scheduled else None


def plan_after(
    job: Job, run: EndedRun, state: JobStateRow, settings: JobsSettings, *, now: datetime, jitter: float
) -> Standing:
    """Return how a job stands after a run that the statistics have not taken in yet.

    Args:
        job: the job as it is defined now.
        run: how it ended.
        state: how it stood before.
        settings: what the instance says of rehearsals.
        now: the database's clock.
        jitter: a number from -1 to 1, by which those that failed at once are not tried again at once.
    """
    timing = job.timing
    reason = run.told if job.action in TABLE_ACTIONS else state.reason
    if run.dry_run and not run.crashed:
        return _plan_after_rehearsal(job, run, state, settings, now=now, jitter=jitter)
    if run.crashed:
        start = next_start_after_crash(
            timing, now=now, crashes=state.consecutive_crashes + 1, retry_period=job.retry_period, jitter=jitter
        )
    elif run.succeeded:
        after = next_start_after_success(timing, start=run.started_at, finish=run.finished_at, now=now)
        return Standing(JobState.IDLE, keep_to_hours(job, after), reason)
    else:
        failures = state.consecutive_failures + 1
        if has_exhausted_retries(failures, job.max_retries):
            return Standing(JobState.EXHAUSTED, None, _tell_exhausted(job, run, failures))
        start = next_start_after_failure(
            timing,
            start=run.started_at,
            finish=run.finished_at,
            now=now,
            failures=failures,
            retry_period=job.retry_period,
            jitter=jitter,
        )
    return Standing(JobState.IDLE, keep_to_hours(job, start), reason)


def _plan_after_rehearsal(
    job: Job, run: EndedRun, state: JobStateRow, settings: JobsSettings, *, now: datetime, jitter: float
) -> Standing:
    """Return when a job acts that was rehearsed, or is rehearsed again where that failed."""
    if not run.succeeded:
        again = next_start_after_failure(
            job.timing,
            start=run.started_at,
            finish=run.finished_at,
            now=now,
            failures=1,
            retry_period=job.retry_period,
            jitter=jitter,
        )
        return Standing(JobState.IDLE, again, "its rehearsal failed, so it has not acted; it is rehearsed again")
    earliest = run.finished_at + timedelta(minutes=settings.grace_minutes)
    start = next_start_after_change(job.timing, last_finish=state.last_finish, now=earliest)
    waits = Action(job.action) in settings.approve and state.approved_definition != state.definition
    return Standing(JobState.WAITING if waits else JobState.IDLE, keep_to_hours(job, start), run.told)


def plan_after_fire(job: Job, now: datetime) -> datetime | None:
    """Return when a function's job is due again that has just been put into the queue."""
    return keep_to_hours(job, next_start_after_success(job.timing, start=now, finish=now, now=now))


def keep_to_hours(job: Job, start: datetime | None) -> datetime | None:
    """Return the first instant from `start` on at which the job's `run_window` lets it run."""
    hours = job.off_hours
    return start if start is None or hours is None else hours.next_opening(start)


def _tell_exhausted(job: Job, run: EndedRun, failures: int) -> str:
    return (
        f"failed {say_count(failures, 'time')} in a row, and max_retries is {job.max_retries}; archiver.job_errors in "
        f"database {run.database} says why"
    )
