"""Running one job that was taken: under two locks, at most once at a time, with a record of how it ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pg_archiver.jobs.source import Claim, JobConnections, JobsSource


class Ending(StrEnum):
    """How it ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    # Nothing was run: somebody else runs it, its row has changed or is gone, or it is not the hour for it.
    NOTHING_DONE = "nothing done"
    # A dry run: everything was checked, nothing was called.
    CHECKED = "checked"


@dataclass(frozen=True)
class AirflowRun:
    """Which task of which Airflow run is at work, for the record of the run."""

    dag_id: str
    run_id: str
    worker: str


@dataclass(frozen=True)
class JobResult:
    """How one job ended: `told` is for people and for Airflow's log, and never holds a row's content.

    What the procedure itself said is in `archiver.job_errors` and `archiver.job_runs` of `database` alone.
    """

    claim: Claim
    ending: Ending
    told: str
    seconds: float = 0.0
    sqlerrcode: str | None = None
    rows: int | None = None
    bytes: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the task is to be red."""
        return self.ending is Ending.FAILED

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for XCom."""
        return {**asdict(self), "ending": str(self.ending)}


def run_claimed(
    claim: Claim,
    source: JobsSource,
    connections: JobConnections,
    run: AirflowRun,
    *,
    dry_run: bool = False,
) -> JobResult:
    """Run a job that `plan_jobs` took, if it still is what it was then, and count how it ended.

    A job that fails is a result, not an error: its record says why, and its next start is planned.

    Args:
        claim: the job.
        source: the database that it came from, as it was given to `plan_jobs`.
        connections: how databases are reached. When their sessions are told to stop, the call is cancelled.
        run: which task this is.
        dry_run: check everything, call nothing.

    Raises:
        ArchiverError: a database could not be reached, read or written, so that it is not known how the job ended, or
            it did not begin. The next look of `plan_jobs` finds out.
        Stopped: the task was asked to end before it began. A call that is cancelled by it is a job that failed.
    """
    raise NotImplementedError
