"""Running one job that was taken: under two locks, at most once at a time, with a record of how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pg_archiver.errors import ArchiverError, DatabaseInterrupted, DatabaseRefused, JobRefused
from pg_archiver.jobs.call_work import CallSession
from pg_archiver.jobs.folding import Folder
from pg_archiver.jobs.planning import refuse_by_rules
from pg_archiver.jobs.source import Claim, JobConnections, JobsSource
from pg_archiver.jobs.table_work import TableSession
from pg_archiver.jobs.timing import Standing, find_earliest, is_unrehearsed, keep_to_hours, plan_look
from pg_archiver.jobs.work import ActionSession, NotRunError, Outcome, Work
from pg_archiver.ledger.job_runs import JobRunLog, RunEnd, RunStart
from pg_archiver.ledger.jobs import JobKey, JobRow, JobsTable, JobState, JobStateRow, StateChange
from pg_archiver.ledger.locks import control_lock, execute_lock
from pg_archiver.ledger.migrations import LedgerTables
from pg_archiver.policies.jobs import TABLE_ACTIONS, Job
from pg_archiver.postgres.calls import CallError
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)

_MANUAL = "manual"


class Ending(StrEnum):
    """How it ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    # Nothing was run: somebody else runs it, its row has changed or is gone, or it is not the hour for it.
    NOTHING_DONE = "nothing done"
    # It takes rows away, and was rehearsed as it is defined now: what it would do is told, and nothing was done.
    REHEARSED = "rehearsed"
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
    return _Run(claim, source, connections, run).check() if dry_run else _Run(claim, source, connections, run).run()


@dataclass(frozen=True)
class _Run:
    """One job in hand."""

    claim: Claim
    source: JobsSource
    connections: JobConnections
    airflow: AirflowRun

    def check(self) -> JobResult:
        """Look whether it could be run, without taking anything."""
        try:
            with self._open_table(None) as table, self._open_action() as action:
                row, job = self._read_job(table)
                work = self._find(action, row, job)
                told = work.nothing or work.check()
        except NotRunError as reason:
            return JobResult(self.claim, Ending.NOTHING_DONE, str(reason))
        except JobRefused as refusal:
            return JobResult(self.claim, Ending.FAILED, str(refusal))
        return JobResult(self.claim, Ending.CHECKED, told)

    def run(self) -> JobResult:
        """Run it under both locks, which are held until its end is counted."""
        name, database = self.source.database, self.claim.database
        with ExitStack() as held:
            control = held.enter_context(self.connections.open_archiver(database))
            action = held.enter_context(self._open_action())
            for session, lock in (
                (control, control_lock(name, self.claim.job_id)),
                (action.session, execute_lock(name, self.claim.job_id)),
            ):
                if not held.enter_context(session.try_advisory_lock(lock)):
                    return JobResult(
                        self.claim,
                        Ending.NOTHING_DONE,
                        "another session holds its lock, so it may be at work. Nothing was run; it stays due",
                    )
            try:
                return self._run_locked(control, action)
            except NotRunError as reason:
                return JobResult(self.claim, Ending.NOTHING_DONE, str(reason))

    def _open_action(self) -> AbstractContextManager[ActionSession]:
        kind = TableSession if self.claim.action in TABLE_ACTIONS else CallSession
        return kind.opened(self.claim, self.source, self.connections)

    def _run_locked(self, control: Session, action: ActionSession) -> JobResult:
        LedgerTables(control).migrate()
        with self._open_table(control) as table:
            row, job = self._read_job(table)
            state = table.find_state(self.claim.key)
            rehearses = is_unrehearsed(job, self.claim.definition, state)
            if not rehearses:
                self._keep_to_hours(table, job, state)
            try:
                work = self._find(action, row, job)
            except JobRefused as refusal:
                return self._refuse(table, job, refusal)
            except NotRunError as reason:
                self._put_off(table, plan_look(job, table.now()), str(reason))
                raise
            if not table.begin_run(self.claim.key, self.claim.definition, self.claim.claimed_by):
                raise NotRunError("another run has taken it, or it was planned anew. Nothing was run")
        started = time.monotonic()
        # What there is nothing of cannot be rehearsed: it is once it is there.
        rehearses = rehearses and work.nothing is None
        number = JobRunLog(control).begin(self._describe(row, work.subject, dry_run=rehearses))
        log.info("%s: run %d of %s begins%s", self.claim, number, work.subject, ", a rehearsal" if rehearses else "")
        if work.nothing is not None:
            outcome = Outcome(work.nothing, output=work.nothing)
        else:
            outcome = _rehearse(work) if rehearses else work.do(JobRunLog(control), number)
        seconds = time.monotonic() - started
        standing = self._finish(control, number, outcome)
        told = outcome.told
        if standing and standing.state is JobState.EXHAUSTED:
            told = f"{told}. It has {standing.reason}"
        ending = Ending.REHEARSED if rehearses else Ending.SUCCEEDED
        result = JobResult(self.claim, ending, told, seconds, None, outcome.rows, outcome.bytes)
        if outcome.error is None:
            return result
        return replace(result, ending=Ending.FAILED, sqlerrcode=outcome.error.sqlerrcode)

    @contextmanager
    def _open_table(self, control: Session | None) -> Generator[JobsTable]:
        """Open the table of the job for a moment: in the session that there is, if it is in the same database."""
        if control is not None and self.source.database == self.claim.database:
            yield JobsTable(control)
            return
        with self.connections.open_archiver(self.source.database) as session:
            yield JobsTable(session)

    def _read_job(self, table: JobsTable) -> tuple[JobRow, Job]:
        """Return the job if its row says what it said when it was taken; else give it back to be planned anew."""
        row = table.find_job(self.claim.job_id)
        if row is None:
            raise NotRunError("its row is gone. Nothing was run")
        job = Job.read_as_planned(row.as_mapping(), self.claim.definition)
        if job is None:
            table.release(self.claim.key, self.claim.claimed_by)
            raise NotRunError("its row has changed since it was planned. Nothing was run; it is planned anew")
        return row, job

    def _keep_to_hours(self, table: JobsTable, job: Job, state: JobStateRow | None) -> None:
        """Put off what has waited past the end of its hours, or is due too soon after its rehearsal.

        What a person asks for runs at any hour, and at once after a rehearsal whose end he may have seen.
        """
        now = table.now()
        earliest = find_earliest(job, state, timedelta(minutes=self.source.instance.settings.grace_minutes), now)
        opening = keep_to_hours(job, earliest)
        asked_before_rehearsal = (
            job.action in TABLE_ACTIONS and state is not None and state.due_by == _MANUAL and not _has_seen(state)
        )
        if opening is None or opening <= now or (self.claim.cause == _MANUAL and not asked_before_rehearsal):
            return
        self._put_off(table, opening, None)
        why = "its rehearsal has just ended" if earliest > now else f"it is outside of its run_window {job.run_window}"
        raise NotRunError(f"{why}. Nothing was run; it is put off until {opening:%Y-%m-%d %H:%M} UTC")

    def _put_off(self, table: JobsTable, start: datetime | None, reason: str | None) -> None:
        """Give the job back, due at another time."""
        if table.release(self.claim.key, self.claim.claimed_by):
            table.write_states([StateChange(self.claim.key, self.claim.definition, JobState.IDLE, reason, start)])

    def _find(self, action: ActionSession, row: JobRow, job: Job) -> Work:
        """Return what the job is to do.

        Raises:
            JobRefused: it may not, or cannot.
            NotRunError: not now.
        """
        if reason := refuse_by_rules(self.source, row, job):
            raise JobRefused(reason)
        return action.find(row, job)

    def _refuse(self, table: JobsTable, job: Job, refusal: JobRefused) -> JobResult:
        """Write that the job cannot be run as it is."""
        if table.release(self.claim.key, self.claim.claimed_by):
            table.write_states(
                [
                    StateChange(
                        self.claim.key,
                        self.claim.definition,
                        JobState.REFUSED,
                        str(refusal),
                        plan_look(job, table.now()),
                    )
                ]
            )
        return JobResult(self.claim, Ending.FAILED, str(refusal))

    def _describe(self, row: JobRow, subject: str, *, dry_run: bool) -> RunStart:
        return RunStart(
            job_name=row.job_name,
            source=row.source,
            action=row.action,
            caused_by=self.claim.cause,
            database=self.claim.database,
            job_id=row.job_id,
            source_database=self.source.database,
            subject=subject,
            dry_run=dry_run,
            worker=self.airflow.worker,
            dag_id=self.airflow.dag_id,
            run_id=self.airflow.run_id,
        )

    def _finish(self, control: Session, number: int, outcome: Outcome) -> Standing | None:
        """Write the end, by another session if the first is lost, and count the run."""
        try:
            return self._record(control, number, outcome)
        except DatabaseInterrupted:
            if not control.closed:
                raise
            with self.connections.open_archiver(self.claim.database) as another:
                return self._record(another, number, outcome)

    def _record(self, control: Session, number: int, outcome: Outcome) -> Standing | None:
        runs = JobRunLog(control)
        if not _end(runs, number, outcome):
            log.warning("%s: run %d had its end already, or was closed as a crash; it stays so", self.claim, number)
        standing = None
        with self._open_table(control) as table:
            folder = Folder(table, runs, self.source.instance.settings)
            # Earlier ones too: whoever counted one may have died before it could mark it.
            for run in runs.list_unfolded(self.source.database):
                if JobKey(run.job_id, run.database) == self.claim.key:
                    own = outcome if run.id == number else Outcome("")
                    told = replace(run, kept_by=own.kept_by, highest_version=own.highest_version)
                    standing = folder.fold(told) or standing
        return standing


def _rehearse(work: Work) -> Outcome:
    """Return what came of a rehearsal; one that fails is a run that failed."""
    try:
        told = work.check()
    except ArchiverError as error:
        return Outcome(str(error), CallError(None, str(error), str(error)))
    return Outcome(told, output=told)


def _has_seen(state: JobStateRow) -> bool:
    """Return whether a start was asked for after the rehearsal had ended, and not blindly before."""
    if state.asked_at is None or state.rehearsed_at is None:
        return False
    return state.asked_at > state.rehearsed_at


def _end(runs: JobRunLog, number: int, outcome: Outcome) -> bool:
    """Write the end of a run; where the database's encoding lacks characters of its words, without these."""
    error = outcome.error or CallError(None, "", "")
    succeeded, message = outcome.error is None, error.message or None
    # Rows were counted in the transactions in which they went.
    end = RunEnd(succeeded, None, outcome.bytes, error.sqlerrcode, message, outcome.output)
    try:
        return runs.end(number, end)
    except DatabaseRefused:
        return runs.end(number, replace(end, err_message=_as_ascii(end.err_message), output=_as_ascii(end.output)))


def _as_ascii(text: str | None) -> str | None:
    return text and text.encode("ascii", "replace").decode()
