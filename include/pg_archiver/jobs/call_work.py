"""The action `call`: a procedure of the database's users, by a login of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from pg_archiver.errors import ArchiverError
from pg_archiver.jobs.call import CANCELED, Routine, call, check_config, find_procedure
from pg_archiver.jobs.planning import require_procedure
from pg_archiver.jobs.source import Claim, JobConnections, JobsSource
from pg_archiver.jobs.work import Outcome
from pg_archiver.ledger.job_runs import JobRunLog
from pg_archiver.ledger.jobs import JobRow
from pg_archiver.policies.jobs import Job
from pg_archiver.postgres.calls import CallEnd, CallError
from pg_archiver.postgres.procedures_session import ProceduresSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallSession:
    """A session of the procedures' login."""

    session: ProceduresSession
    claim: Claim
    source: JobsSource
    connections: JobConnections

    @classmethod
    @contextmanager
    def opened(cls, claim: Claim, source: JobsSource, connections: JobConnections) -> Generator[CallSession]:
        """Open it on the database in which the job acts."""
        with connections.open_procedures(claim.database) as session:
            yield cls(session, claim, source, connections)

    def find(self, row: JobRow, job: Job) -> CallWork:
        """Look for the procedure.

        Raises:
            JobRefused: it is missing, ambiguous, not allowed, or takes other parameters.
        """
        routine = find_procedure(self.session, require_procedure(job), self.source.instance.allows_procedure)
        return CallWork(self, routine, row, job)


@dataclass(frozen=True)
class CallWork:
    """A procedure that is to be called."""

    opened: CallSession
    routine: Routine
    row: JobRow
    job: Job
    nothing: None = None

    @property
    def subject(self) -> str:
        """The procedure as the row names it."""
        return f"{self.row.proc_schema}.{self.row.proc_name}"

    def check(self) -> str:
        """Let the job's own check look at its config."""
        if self.job.check is not None:
            allows = self.opened.source.instance.allows_procedure
            check_config(self.opened.session, self.job.check, allows, self.row.config_text)
        return f"{self.routine.name} could be called; a dry run calls nothing"

    def do(self, runs: JobRunLog, run: int) -> Outcome:  # noqa: ARG002 (the caller writes what came of it)
        """Call it."""
        process, started = self.opened.session.process, time.monotonic()
        try:
            ended = call(self.opened.session, self.routine, self.row.job_id, self.row.config_text, self.job.longest_run)
        except ArchiverError as error:
            ended = CallEnd("", CallError(None, str(error), str(error)))
        seconds = time.monotonic() - started
        if ended.left:
            self._terminate(process)
        return Outcome(self._tell(ended, seconds), ended.error, ended.output or None, ended.left)

    def _tell(self, ended: CallEnd, seconds: float) -> str:
        if ended.error is None:
            return f"{self.routine.name} returned"
        if self.opened.session.stop():
            return f"{ended.error.told}. The task was told to end"
        if ended.error.sqlerrcode == CANCELED and seconds >= self.job.longest_run.total_seconds():
            return f"{ended.error.told}. It may take {self.job.longest_run}, by max_runtime"
        return ended.error.told

    def _terminate(self, process: int) -> None:
        """End what still runs on the server although this side has given it up: it holds the lock of the job."""
        claim = self.opened.claim
        try:
            with self.opened.connections.open_procedures(claim.database) as another:
                another.terminate(process)
        except ArchiverError as error:
            log.warning(
                "%s: its server process %d may still run, and is not started again before: %s", claim, process, error
            )
