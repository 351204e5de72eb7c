"""What became of jobs that were at work when their process ended: their runs are counted, or they are given back.

Both locks of a run free means that nobody runs it. The server tells of all its locks in every database, so the database
of a job is opened only where nobody seems to be at work on it; there both locks are taken before anything is judged.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from pg_archiver.errors import ArchiverError, Stopped
from pg_archiver.jobs.folding import Folder
from pg_archiver.jobs.source import JobConnections, JobsSource
from pg_archiver.ledger.job_runs import MOST_UNFOLDED, EndedRun, JobRunLog
from pg_archiver.ledger.jobs import JobKey, JobsTable, JobState, JobStateRow, StateChange
from pg_archiver.ledger.locks import control_lock, execute_lock
from pg_archiver.postgres.session import Session


@dataclass
class Recovered:
    """What came of it: lines for people, and what could not be found out, by the name of the database."""

    notes: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recovery:
    """A look after the jobs of one database that are written as running.

    Attributes:
        source: the database of the jobs.
        table: the jobs.
        connections: how databases are reached.
        databases: those that the server has; a job in another one has nobody at work on it.
        names: the jobs' names by their numbers.
    """

    source: JobsSource
    table: JobsTable
    connections: JobConnections
    databases: Collection[str]
    names: Mapping[int, str]

    def recover(self, states: Sequence[JobStateRow]) -> Recovered:
        """Count the runs of jobs at which nobody is at work any more, and let these be due again."""
        recovered = Recovered()
        running = [state for state in states if state.state is JobState.RUNNING]
        at_work = self.table.list_at_work() if running else set()
        dead = [state for state in running if state.key not in at_work]
        for database in sorted({state.key.database for state in dead}):
            here = [state for state in dead if state.key.database == database]
            if database not in self.databases:
                for state in here:
                    self._give_back(state)
                continue
            try:
                with self.connections.open_archiver(database) as session:
                    recovered.notes += self._recover_in(session, here)
            except Stopped:
                raise
            except ArchiverError as error:
                recovered.problems[database] = str(error)
        return recovered

    def _recover_in(self, session: Session, states: Sequence[JobStateRow]) -> list[str]:
        """Do it in one database; return a line for each job whose process died."""
        with ExitStack() as held:
            free = {
                state.key: state for state in states if held.enter_context(self._both_locks(session, state.key.job_id))
            }
            log = JobRunLog(session)
            notes: list[str] = []
            uncounted = set(free)
            if free and log.exists():
                for run in log.list_open(self.source.database):
                    if JobKey(run.job_id, run.database) in free:
                        log.close_crashed(run.id)
                ended = log.list_unfolded(self.source.database)
                for run_ended in ended:
                    key = JobKey(run_ended.job_id, run_ended.database)
                    if key in free or not self._is_running(key):
                        notes += self._fold(log, run_ended)
                        uncounted.discard(key)
                if len(ended) == MOST_UNFOLDED:
                    # Theirs may be among those that were not listed.
                    uncounted.clear()
            for key in uncounted:
                self._give_back(free[key])
        return notes

    def _fold(self, log: JobRunLog, run: EndedRun) -> list[str]:
        standing = Folder(self.table, log, self.source.instance.settings).fold(run)
        if standing is None or not run.crashed:
            return []
        return [
            f"{run.database} / {self.names.get(run.job_id, run.job_id)}: the process of its run {run.id} died, which "
            f"counts as a crash. Next start: {standing.next_start}"
        ]

    def _is_running(self, key: JobKey) -> bool:
        """Return whether a process of its own is about to count its runs."""
        state = self.table.find_state(key)
        return state is not None and state.state is JobState.RUNNING

    @contextmanager
    def _both_locks(self, session: Session, job_id: int) -> Generator[bool]:
        """Hold both locks of a job's run if they are free; yield whether they were."""
        with session.try_advisory_lock(control_lock(self.source.database, job_id)) as control:
            if not control:
                yield False
                return
            with session.try_advisory_lock(execute_lock(self.source.database, job_id)) as execute:
                yield execute

    def _give_back(self, state: JobStateRow) -> None:
        """Let a job be due whose process died before its run began, or whose run nobody knows any more."""
        if state.airflow_run_id is not None and self.table.release(state.key, state.airflow_run_id):
            self.table.write_states(
                [StateChange(state.key, state.definition, JobState.IDLE, state.reason, self.table.now())]
            )
