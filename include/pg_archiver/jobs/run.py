"""Running one job that was taken: under two locks, at most once at a time, with a record of how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from pg_archiver.errors import ArchiverError, DatabaseInterrupted, DatabaseRefused, JobRefused, PolicyError
from pg_archiver.jobs.call import CANCELED, Routine, call, check_config, find_procedure
from pg_archiver.jobs.folding import Folder
from pg_archiver.jobs.planning import refuse_by_rules, require_procedure
from pg_archiver.jobs.source import Claim, JobConnections, JobsSource
from pg_archiver.jobs.timing import Standing, keep_to_hours, plan_look
from pg_archiver.ledger.job_runs import JobRunLog, RunEnd, RunStart
from pg_archiver.ledger.jobs import JobKey, JobRow, JobsTable, JobState, StateChange
from pg_archiver.ledger.locks import control_lock, execute_lock
from pg_archiver.ledger.migrations import LedgerTables
from pg_archiver.policies.jobs import Job
from pg_archiver.postgres.calls import CallEnd, CallError
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Session

log = logging.getLogger(__name__)

_MANUAL = "manual"


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
    return _Run(claim, source, connections, run).check() if dry_run else _Run(claim, source, connections, run).run()


class _NotRunError(Exception):
    """Nothing is run, for a reason that is no fault; the message says which."""


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
            with self._open_table(None) as table, self.connections.open_procedures(self.claim.database) as executing:
                row, job = self._read_job(table)
                routine = self._find(executing, row, job)
                if job.check is not None:
                    check_config(executing, job.check, self.source.instance.allows_procedure, row.config_text)
        except _NotRunError as reason:
            return JobResult(self.claim, Ending.NOTHING_DONE, str(reason))
        except JobRefused as refusal:
            return JobResult(self.claim, Ending.FAILED, str(refusal))
        return JobResult(self.claim, Ending.CHECKED, f"{routine.name} could be called; a dry run calls nothing")

    def run(self) -> JobResult:
        """Run it under both locks, which are held until its end is counted."""
        name, database = self.source.database, self.claim.database
        with ExitStack() as held:
            control = held.enter_context(self.connections.open_archiver(database))
            executing = held.enter_context(self.connections.open_procedures(database))
            for session, lock in (
                (control, control_lock(name, self.claim.job_id)),
                (executing, execute_lock(name, self.claim.job_id)),
            ):
                if not held.enter_context(session.try_advisory_lock(lock)):
                    return JobResult(
                        self.claim,
                        Ending.NOTHING_DONE,
                        "another session holds its lock, so it may be at work. Nothing was run; it stays due",
                    )
            try:
                return self._run_locked(control, executing)
            except _NotRunError as reason:
                return JobResult(self.claim, Ending.NOTHING_DONE, str(reason))

    def _run_locked(self, control: Session, executing: ProceduresSession) -> JobResult:
        LedgerTables(control).migrate()
        with self._open_table(control) as table:
            row, job = self._read_job(table)
            self._keep_to_hours(table, job)
            try:
                routine = self._find(executing, row, job)
            except JobRefused as refusal:
                return self._refuse(table, job, refusal)
            if not table.begin_run(self.claim.key, self.claim.definition, self.claim.claimed_by):
                raise _NotRunError("another run has taken it, or it was planned anew. Nothing was run")
        started = time.monotonic()
        number = JobRunLog(control).begin(self._describe(row))
        log.info("%s: run %d of %s begins", self.claim, number, routine.name)
        ended = self._call(executing, routine, row, job)
        seconds = time.monotonic() - started
        if ended.left:
            self._terminate(executing.process)
        standing = self._finish(control, number, ended)
        if ended.error is None:
            return JobResult(self.claim, Ending.SUCCEEDED, f"{routine.name} returned", seconds)
        told = ended.error.told
        if executing.stop():
            told = f"{told}. The task was told to end"
        elif ended.error.sqlerrcode == CANCELED and seconds >= job.longest_run.total_seconds():
            told = f"{told}. It may take {job.longest_run}, by max_runtime"
        if standing and standing.state is JobState.EXHAUSTED:
            told = f"{told}. It has {standing.reason}"
        return JobResult(self.claim, Ending.FAILED, told, seconds, ended.error.sqlerrcode)

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
            raise _NotRunError("its row is gone. Nothing was run")
        try:
            job = Job.from_row(row.as_mapping())
        except PolicyError:
            job = None
        if job is None or job.digest() != self.claim.definition:
            table.release(self.claim.key, self.claim.claimed_by)
            raise _NotRunError("its row has changed since it was planned. Nothing was run; it is planned anew")
        return row, job

    def _keep_to_hours(self, table: JobsTable, job: Job) -> None:
        """Put off what has waited past the end of its hours; what a person asks for runs at any hour."""
        now = table.now()
        if self.claim.cause == _MANUAL or (opening := keep_to_hours(job, now)) == now:
            return
        if table.release(self.claim.key, self.claim.claimed_by):
            table.write_states([StateChange(self.claim.key, self.claim.definition, JobState.IDLE, None, opening)])
        raise _NotRunError(
            f"it is outside of its run_window {job.run_window}. Nothing was run; it is put off until then"
        )

    def _find(self, executing: ProceduresSession, row: JobRow, job: Job) -> Routine:
        """Return what the job calls.

        Raises:
            JobRefused: it may not, or cannot.
        """
        if reason := refuse_by_rules(self.source, row, job):
            raise JobRefused(reason)
        return find_procedure(executing, require_procedure(job), self.source.instance.allows_procedure)

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

    def _describe(self, row: JobRow) -> RunStart:
        return RunStart(
            job_name=row.job_name,
            source=row.source,
            action=row.action,
            caused_by=self.claim.cause,
            database=self.claim.database,
            job_id=row.job_id,
            source_database=self.source.database,
            subject=f"{row.proc_schema}.{row.proc_name}",
            worker=self.airflow.worker,
            dag_id=self.airflow.dag_id,
            run_id=self.airflow.run_id,
        )

    def _call(self, executing: ProceduresSession, routine: Routine, row: JobRow, job: Job) -> CallEnd:
        """Call it; what keeps it from being called is an end like any other, since the run has begun."""
        try:
            return call(executing, routine, row.job_id, row.config_text, job.longest_run)
        except ArchiverError as error:
            return CallEnd("", CallError(None, str(error), str(error)))

    def _terminate(self, process: int) -> None:
        """End what still runs on the server although this side has given it up: it holds the lock of the job."""
        try:
            with self.connections.open_procedures(self.claim.database) as another:
                another.terminate(process)
        except ArchiverError as error:
            log.warning(
                "%s: its server process %d may still run, and is not started again before: %s",
                self.claim,
                process,
                error,
            )

    def _finish(self, control: Session, number: int, ended: CallEnd) -> Standing | None:
        """Write the end, by another session if the first is lost, and count the run."""
        try:
            return self._record(control, number, ended)
        except DatabaseInterrupted:
            if not control.closed:
                raise
            with self.connections.open_archiver(self.claim.database) as another:
                return self._record(another, number, ended)

    def _record(self, control: Session, number: int, ended: CallEnd) -> Standing | None:
        runs = JobRunLog(control)
        if not _end(runs, number, ended):
            log.warning("%s: run %d had its end already, or was closed as a crash; it stays so", self.claim, number)
        standing = None
        with self._open_table(control) as table:
            folder = Folder(table, runs)
            # Earlier ones too: whoever counted one may have died before it could mark it.
            for run in runs.list_unfolded(self.source.database):
                if JobKey(run.job_id, run.database) == self.claim.key:
                    standing = folder.fold(run) or standing
        return standing


def _end(runs: JobRunLog, number: int, ended: CallEnd) -> bool:
    """Write the end of a run; where the database's encoding lacks characters of its words, without these."""
    error = ended.error or CallError(None, "", "")
    end = RunEnd(ended.error is None, None, None, error.sqlerrcode, error.message or None, ended.output or None)
    try:
        return runs.end(number, end)
    except DatabaseRefused:
        return runs.end(number, replace(end, err_message=_as_ascii(end.err_message), output=_as_ascii(end.output)))


def _as_ascii(text: str | None) -> str | None:
    return text and text.encode("ascii", "replace").decode()
