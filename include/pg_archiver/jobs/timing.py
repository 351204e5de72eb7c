"""When a job is due: its schedule's rules, and the hours of the day in which it may run at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pg_archiver.domain.schedules import (
    has_exhausted_retries,
    next_start_after_change,
    next_start_after_crash,
    next_start_after_failure,
    next_start_after_success,
)
from pg_archiver.ledger.job_runs import EndedRun
from pg_archiver.ledger.jobs import JobState, JobStateRow
from pg_archiver.policies.jobs import Job


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


def plan_look(job: Job, now: datetime) -> datetime | None:
    """Return when a job that is refused would be due, and so is looked at again."""
    return keep_to_hours(job, next_start_after_change(job.timing, last_finish=now, now=now)) if job.scheduled else None


def plan_after(job: Job, run: EndedRun, state: JobStateRow, *, now: datetime, jitter: float) -> Standing:
    """Return how a job stands after a run that the statistics have not taken in yet.

    Args:
        job: the job as it is defined now.
        run: how it ended.
        state: how it stood before.
        now: the database's clock.
        jitter: a number from -1 to 1, by which those that failed at once are not tried again at once.
    """
    timing = job.timing
    if run.crashed:
        start = next_start_after_crash(
            timing, now=now, crashes=state.consecutive_crashes + 1, retry_period=job.retry_period, jitter=jitter
        )
    elif run.succeeded:
        after = next_start_after_success(timing, start=run.started_at, finish=run.finished_at, now=now)
        return Standing(JobState.IDLE, keep_to_hours(job, after), state.reason)
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
    return Standing(JobState.IDLE, keep_to_hours(job, start), state.reason)


def keep_to_hours(job: Job, start: datetime | None) -> datetime | None:
    """Return the first instant from `start` on at which the job's `run_window` lets it run."""
    hours = job.off_hours
    return start if start is None or hours is None else hours.next_opening(start)


def _tell_exhausted(job: Job, run: EndedRun, failures: int) -> str:
    return (
        f"failed {failures} times in a row, and max_retries is {job.max_retries}; archiver.job_errors in database "
        f"{run.database} says why"
    )
