"""What a run of a job does: by an action of its own, under the locks and in the record that all runs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pg_archiver.ledger.job_runs import JobRunLog
from pg_archiver.ledger.jobs import JobRow
from pg_archiver.policies.jobs import Job
from pg_archiver.postgres.calls import CallError
from pg_archiver.postgres.session import Session


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        told: for people and for Airflow's log; it never holds a row's content.
        error: how it failed; None if it succeeded.
        output: what is kept beside the run, in the database that was worked on alone; it may hold rows.
        left: whether the server may still be at work on it although this side has given it up.
        rows: how many rows went, where that is known.
        bytes: how many bytes were written for them; of versions that were deleted, how many they had.
        kept_by: what binds, of all that keeps versions; None where nothing does.
        highest_version: the highest version that went.
    """

    told: str
    error: CallError | None = None
    output: str | None = None
    left: bool = False
    rows: int | None = None
    bytes: int | None = None
    kept_by: str | None = None
    highest_version: str | None = None


class Work(Protocol):
    """What one job is about to do: looked for, found, and allowed."""

    @property
    def subject(self) -> str:
        """What is worked on, for people."""

    @property
    def nothing(self) -> str | None:
        """Why there is nothing to work on, which is no fault; None if there is something."""

    def check(self) -> str:
        """Return what it would do; nothing is taken, and nothing that stays is written.

        Raises:
            JobRefused: it cannot be done.
            ArchiverError: that could not be found out.
        """

    def do(self, runs: JobRunLog, run: int) -> Outcome:
        """Do it. An error is an outcome like any other, since the run has begun.

        Args:
            runs: the record of runs, by a session that does nothing else meanwhile.
            run: the run's number there.
        """


class ActionSession(Protocol):
    """A session on the database of a job, by the login that its action has, which holds one of the job's two locks."""

    @property
    def session(self) -> Session:
        """The session."""

    def find(self, row: JobRow, job: Job) -> Work:
        """Look for what the job works on.

        Raises:
            JobRefused: it may not, or cannot, be worked on.
            NotRunError: nothing is done now, for a reason that is no fault.
        """


class NotRunError(Exception):
    """Nothing is run, for a reason that is no fault; the message says which."""
