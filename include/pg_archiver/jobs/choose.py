"""Choosing the jobs that are due: what one look into a database of jobs does before any of them runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pg_archiver.jobs.source import Claim, JobConnections, JobsSource


@dataclass(frozen=True)
class Selection:
    """What the form of a run asks for; empty means all.

    Attributes:
        jobs: names of jobs.
        databases: databases in which they act.
        application_name: the application whose jobs are meant.
        run_now: whether the chosen ones are due now, whatever their schedule says.
    """

    jobs: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    application_name: str | None = None
    run_now: bool = False


EVERYTHING = Selection()


@dataclass(frozen=True)
class Problem:
    """What turns the run red: a job that is refused since this look, or a database that could not be looked into."""

    subject: str
    told: str

    def as_dict(self) -> dict[str, str]:
        """Return plain values, for XCom."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it in a human-readable form."""
        return f"{self.subject}: {self.told}"


@dataclass(frozen=True)
class JobsPlan:
    """What came of one look: what to run now, what is wrong, and what was noticed."""

    claims: tuple[Claim, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for XCom."""
        return asdict(self)


def plan_jobs(
    source: JobsSource,
    connections: JobConnections,
    *,
    run_id: str,
    most: int,
    has_ended: Callable[[str], bool],
    selection: Selection = EVERYTHING,
    dry_run: bool = False,
) -> JobsPlan:
    """Look after the jobs of one database, and take those that are due for this Airflow run.

    Jobs of the file are mirrored; new and changed rows are checked and planned, or refused with a reason; runs that
    ended are counted; those whose process died are counted as crashes; jobs that a run of Airflow took which has ended
    are given back. What cannot be found out about one job or one database is a problem of that one alone.

    Args:
        source: the database of the jobs.
        connections: how databases are reached.
        run_id: what stands for the Airflow run that takes what is due, among all DAGs.
        most: how many jobs it takes at most; 0 only looks after them.
        has_ended: tells whether the Airflow run of such an id has ended, or is gone. Where it raises an ArchiverError,
            that run counts as going on, and it is a problem.
        selection: what the form asks for.
        dry_run: write nothing; the claims are then of all jobs that are selected, and none of them is taken.

    Raises:
        ArchiverError: the database of the jobs itself cannot be read or written.
    """
    raise NotImplementedError
