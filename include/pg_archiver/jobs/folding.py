"""Counting runs: each goes into the statistics of its job exactly once, though the two lie in two databases."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pg_archiver.errors import PolicyError
from pg_archiver.jobs.timing import Standing, plan_after
from pg_archiver.ledger.job_runs import EndedRun, JobRunLog
from pg_archiver.ledger.jobs import JobKey, JobsTable, JobState, JobStateRow
from pg_archiver.policies.jobs import Job
from pg_archiver.policies.jobs_settings import JobsSettings

# From the system's own source, so that processes that were forked at once do not draw the same.
_random = random.SystemRandom()


def draw_jitter() -> float:
    """Return a random number from -1 to 1."""
    return _random.uniform(-1, 1)


@dataclass(frozen=True)
class Folder:
    """Takes runs in one database into the statistics of their jobs in another, or in the same."""

    table: JobsTable
    log: JobRunLog
    settings: JobsSettings
    jitter: Callable[[], float] = draw_jitter

    def fold(self, run: EndedRun) -> Standing | None:
        """Count a run and plan the next one; return how its job stands, None if its job is gone or it was counted.

        Whoever dies in between has counted it or not; it is marked as counted only afterwards, and is never counted
        twice.
        """
        key = JobKey(run.job_id, run.database)
        standing = None
        if (state := self.table.find_state(key)) is not None:
            planned = self._plan(run, state)
            if self.table.fold(key, run, planned.next_start, planned.state, planned.reason):
                standing = planned
        self.log.mark_folded(run.id)
        self.log.prune_some()
        return standing

    def _plan(self, run: EndedRun, state: JobStateRow) -> Standing:
        if (row := self.table.find_job(run.job_id)) is not None:
            # One that cannot be used by now is refused by the next plan.
            with suppress(PolicyError):
                job = Job.from_row(row.as_mapping())
                return plan_after(job, run, state, self.settings, now=self.table.now(), jitter=self.jitter())
        return Standing(JobState.IDLE, None, state.reason)
