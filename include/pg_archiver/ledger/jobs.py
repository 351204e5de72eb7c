"""The jobs of one database, and how each stands: rows, plans, claims and statistics. The database's clock decides.

Whatever concerns many jobs is one statement over all of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from pg_archiver.domain.schedules import Interval
from pg_archiver.ledger.job_runs import EndedRun
from pg_archiver.postgres.session import Row, Session

_INTERVALS = ("schedule_interval", "max_runtime", "retry_period")


class JobState(StrEnum):
    """How a job stands in one database."""

    IDLE = "idle"
    # A person has to approve it first.
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    REFUSED = "refused"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, order=True)
class JobKey:
    """One job in one database that it speaks of."""

    job_id: int
    database: str


@dataclass(frozen=True)
class JobRow:
    """A row of `archiver.jobs`.

    `next_start` is what somebody asked for last, and says nothing of what holds. `config` is an object; one that cannot
    be read, as of too many digits or levels, is its text instead. `config_text` is that text, digit by digit.
    """

    job_id: int
    job_name: str
    application_name: str
    source: str
    action: str
    database_name: str | None
    proc_schema: str | None
    proc_name: str | None
    check_schema: str | None
    check_name: str | None
    function_name: str | None
    config: Any
    cron_schedule: str | None
    schedule_interval: Interval | None
    timezone: str
    fixed_schedule: bool
    initial_start: datetime | None
    only_if_idle: bool
    run_window: str | None
    max_runtime: Interval
    max_retries: int
    retry_period: Interval
    scheduled: bool
    owner: str
    created_at: datetime
    updated_at: datetime
    next_start: datetime | None
    config_text: str

    def as_mapping(self) -> Mapping[str, Any]:
        """Return the row by the names of its columns."""
        return dict(vars(self))


@dataclass(frozen=True)
class JobStateRow:
    """How a job stands in one database.

    `definition` is the digest of the row that `next_start` was worked out from, empty without a plan: then `next_start`
    is what somebody asked for, which a plan leaves as it is.
    """

    key: JobKey
    definition: str
    state: JobState
    reason: str | None
    next_start: datetime | None
    due_by: str
    queued_at: datetime | None
    airflow_run_id: str | None
    approved_definition: str | None
    rehearsed_at: datetime | None
    rehearsed_definition: str | None
    asked_at: datetime | None
    last_start: datetime | None
    last_finish: datetime | None
    last_run_success: bool | None
    consecutive_failures: int
    consecutive_crashes: int


@dataclass(frozen=True)
class StateChange:
    """What a plan says of one job in one database."""

    key: JobKey
    definition: str
    state: JobState
    reason: str | None = None
    next_start: datetime | None = None


@dataclass(frozen=True)
class ClaimedJob:
    """A job that a run of Airflow has taken; `definition` is the digest of its row when it was planned.

    `caused_by` says why it is due: schedule, retry, event or manual.
    """

    key: JobKey
    job_name: str
    action: str
    definition: str
    next_start: datetime | None
    caused_by: str


@dataclass(frozen=True)
class Choice:
    """Which jobs a claim may take; None is all. With `run_now` those chosen are due, also the paused and exhausted."""

    jobs: Collection[str] | None = None
    databases: Collection[str] | None = None
    application_name: str | None = None
    run_now: bool = False


class JobsTable:
    """The jobs whose rows are in one database."""

    def __init__(self, session: Session) -> None:
        """Read and write through this connection."""
        self._session = session

    def now(self) -> datetime:
        """Return the database's clock."""
        return cast(datetime, self._session.fetch_one("ledger/jobs/clock").now)

    def list_jobs(self) -> list[JobRow]:
        """Return all jobs, by their ids."""
        return [_make_job(row) for row in self._session.fetch_all("ledger/jobs/list_jobs", job_id=None)]

    def find_job(self, job_id: int) -> JobRow | None:
        """Return one job as it is now, None if it is gone."""
        rows = self._session.fetch_all("ledger/jobs/list_jobs", job_id=job_id)
        return _make_job(rows[0]) if rows else None

    def list_states(self) -> list[JobStateRow]:
        """Return how all jobs stand."""
        return [_make_state(row) for row in self._session.fetch_all("ledger/jobs/list_states", job_id=None)]

    def find_state(self, key: JobKey) -> JobStateRow | None:
        """Return how a job stands in one database, None if it was never planned there, or is gone."""
        rows = self._session.fetch_all("ledger/jobs/list_states", job_id=key.job_id)
        return next((state for state in map(_make_state, rows) if state.key == key), None)

    def mirror(self, jobs: Sequence[Mapping[str, Any]], *, source: str = "file", whole: bool = True) -> list[str]:
        """Bring the rows of a source to these: those that are gone from it go, with their statistics.

        Args:
            jobs: definitions by the names of the table's columns, lengths of time as `Interval`.
            source: where they come from, 'file' or 'policies'.
            whole: whether these are all; if not, a job that is missing may not be gone, and stays.

        Returns:
            The names that rows of other sources have taken; these stay, and jobs of those names are not there.
        """
        rows = [
            {name: str(value) if isinstance(value, Interval) else value for name, value in job.items()} for job in jobs
        ]
        text = json.dumps(rows, default=datetime.isoformat)
        taken = self._session.fetch_all("ledger/jobs/mirror", jobs=text, source=source, whole=whole)
        return [row.job_name for row in taken]

    def write_states(self, changes: Sequence[StateChange]) -> int:
        """Write what a plan has worked out; return for how many.

        Jobs that are taken or at work are left alone, and so is a next start that was asked for before the plan.
        """
        if not changes:
            return 0
        written = self._session.fetch_one(
            "ledger/jobs/write_states",
            **_split(change.key for change in changes),
            definitions=[change.definition for change in changes],
            states=[str(change.state) for change in changes],
            reasons=[change.reason for change in changes],
            next_starts=[change.next_start for change in changes],
        )
        return int(written.written)

    def drop_states(self, keys: Sequence[JobKey]) -> int:
        """Forget databases of which their jobs no longer speak, with their statistics, but for what is at work."""
        return self._session.execute("ledger/jobs/drop_states", **_split(keys)) if keys else 0

    def claim_due(self, airflow_run_id: str, most: int, choice: Choice | None = None) -> list[ClaimedJob]:
        """Take what is due for this run of Airflow, what has waited longest first; nobody else gets it then."""
        choice = choice or Choice()
        rows = self._session.fetch_all(
            "ledger/jobs/claim_due",
            run_id=airflow_run_id,
            most=most,
            jobs=None if choice.jobs is None else list(choice.jobs),
            databases=None if choice.databases is None else list(choice.databases),
            application=choice.application_name,
            run_now=choice.run_now,
        )
        return [
            ClaimedJob(
                JobKey(row.job_id, row.database_name),
                row.job_name,
                row.action,
                row.definition,
                row.next_start,
                row.caused_by,
            )
            for row in rows
        ]

    def count_due(self) -> int:
        """Return how many jobs are due that nobody has taken."""
        return int(self._session.fetch_one("ledger/jobs/count_due").due)

    def list_exhausted(self) -> list[Row]:
        """Return id, name, database and reason of the jobs that have failed as often as they may."""
        return self._session.fetch_all("ledger/jobs/list_exhausted")

    def count_waiting_for_slot(self) -> int:
        """Return how many jobs were taken ten minutes ago or longer and have not begun, while none is at work."""
        return int(self._session.fetch_one("ledger/jobs/count_waiting_for_slot").jobs)

    def list_waiting(self) -> list[Row]:
        """Return the jobs that wait for a person's approval: key, definition, name, action, owner and what is run."""
        return self._session.fetch_all("ledger/jobs/list_waiting")

    def reject(self, key: JobKey, definition: str, reason: str) -> bool:
        """Write that a person does not want this definition of a job that waits; return False if none does."""
        changed = self._session.execute(
            "ledger/jobs/reject", job_id=key.job_id, database=key.database, definition=definition, reason=reason
        )
        return changed == 1

    def list_at_work(self) -> set[JobKey]:
        """Return the jobs whose runs hold a lock in the databases where they act, as the whole server's locks say."""
        return {JobKey(row.job_id, row.database_name) for row in self._session.fetch_all("ledger/jobs/at_work")}

    def requeue(self, ended_runs: Sequence[str]) -> int:
        """Give back what was taken by runs of Airflow that have ended, and never begun; return how many."""
        return self._session.execute("ledger/jobs/requeue", run_ids=list(ended_runs)) if ended_runs else 0

    def release(self, key: JobKey, airflow_run_id: str) -> bool:
        """Give back what this run of Airflow has taken, to be planned anew; return False if it is not its own."""
        changed = self._session.execute(
            "ledger/jobs/release", job_id=key.job_id, database=key.database, run_id=airflow_run_id
        )
        return changed == 1

    def begin_run(self, key: JobKey, definition: str, airflow_run_id: str) -> bool:
        """Write that a taken job runs; return False if it is not this run's, or is another job by now.

        A next start is from here on what the job itself or a person asks for meanwhile.
        """
        changed = self._session.execute(
            "ledger/jobs/begin_run",
            job_id=key.job_id,
            database=key.database,
            definition=definition,
            run_id=airflow_run_id,
        )
        return changed == 1

    def fold(
        self, key: JobKey, run: EndedRun, next_start: datetime | None, state: JobState, reason: str | None = None
    ) -> bool:
        """Take a run into the statistics, once, and write how the job stands now; return False if it was in, or gone.

        Args:
            key: the job.
            run: how it ended; those of one job in the order of their ids.
            next_start: when it is due again, unless somebody has asked for another start meanwhile.
            state: how it stands now.
            reason: why, where it is refused or exhausted.
        """
        folded = self._session.fetch_one(
            "ledger/jobs/fold",
            job_id=key.job_id,
            database=key.database,
            run=run.id,
            started_at=run.started_at,
            finished_at=run.finished_at,
            succeeded=run.succeeded,
            crashed=run.crashed,
            dry_run=run.dry_run,
            counts=not run.dry_run,
            rows=run.rows,
            bytes=run.bytes,
            kept_by=run.kept_by,
            highest_version=run.highest_version,
            next_start=next_start,
            state=str(state),
            reason=reason,
        )
        return bool(folded.folded)

    def approve(self, key: JobKey, definition: str) -> bool:
        """Write that a person has approved this definition of a job that waits for it; return False if none does."""
        changed = self._session.execute(
            "ledger/jobs/approve", job_id=key.job_id, database=key.database, definition=definition
        )
        return changed == 1


def _split(keys: Iterable[JobKey]) -> dict[str, list[Any]]:
    listed = list(keys)
    return {"job_ids": [key.job_id for key in listed], "databases": [key.database for key in listed]}


def _make_job(row: Row) -> JobRow:
    values = {name: getattr(row, name) for name in JobRow.__dataclass_fields__ if name != "config_text"}
    values["config_text"] = row.config
    for name in _INTERVALS:
        values[name] = None if values[name] is None else Interval(*values[name])
    with suppress(ValueError, RecursionError):
        values["config"] = json.loads(row.config)
    return JobRow(**values)


def _make_state(row: Row) -> JobStateRow:
    values = {name: getattr(row, name) for name in JobStateRow.__dataclass_fields__ if name not in ("key", "state")}
    return JobStateRow(key=JobKey(row.job_id, row.database_name), state=JobState(row.state), **values)
