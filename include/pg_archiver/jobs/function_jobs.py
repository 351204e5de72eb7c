"""Which functions may run for the events of a database: those of jobs that were checked as they are, and no others.

A worker claims events by the names of functions, and passes over those of jobs that are refused or wait for a person.
Of a job that was changed, or is new, the database does not know that: until it was checked, its function runs for no
other job either. What is not known to be allowed waits.
"""

from __future__ import annotations

from dataclasses import dataclass

from pg_archiver.ledger.jobs import JobRow, JobsTable, JobState, JobStateRow
from pg_archiver.ledger.version_events import KEEP_VERSIONS, VersionEvents
from pg_archiver.policies.jobs import Action, Job
from pg_archiver.postgres.session import Session

_NEW, _CHANGED = "was not checked yet", "has changed and was not checked again yet"
_NOT_CHECKED = {_NEW, _CHANGED}


@dataclass(frozen=True)
class FunctionJobs:
    """The functions of one database's jobs.

    Attributes:
        allowed: the functions that may run.
        held: the jobs whose events wait, and those that they keep waiting, each with the reason.
        keeps_versions: whether there are jobs that keep the last versions of tables whose changes are events; then
            `archiver.keep_versions` is among `allowed`.
    """

    allowed: tuple[str, ...]
    held: tuple[str, ...]
    keeps_versions: bool = False

    @property
    def of_users(self) -> tuple[str, ...]:
        """Those that run as soon as somebody is at work: what keeps versions may have hours, or be stopped."""
        return tuple(name for name in self.allowed if name != KEEP_VERSIONS)


def find_function_jobs(session: Session) -> FunctionJobs:
    """Return which functions may run in the database of this session, as the last look of `plan_jobs` has left it.

    Raises:
        ArchiverError: its jobs cannot be read.
    """
    table = JobsTable(session)
    rows = [row for row in table.list_jobs() if row.action == Action.FUNCTION and row.scheduled]
    # A job of a function is one of its own database; of another one it is refused, under that one's name.
    states = {state.key.job_id: state for state in table.list_states()}
    reasons = {row.job_id: _say_why_held(row, states.get(row.job_id)) for row in rows}
    held_names = {row.function_name for row in rows if reasons[row.job_id] in _NOT_CHECKED}
    allowed = sorted({str(row.function_name) for row in rows if not reasons[row.job_id]} - held_names)
    held = [f"{row.job_name} {reasons[row.job_id]}" for row in rows if reasons[row.job_id]]
    held += [
        f"{row.job_name} has the function of another job that was not checked yet"
        for row in rows
        if not reasons[row.job_id] and row.function_name in held_names
    ]
    keeps_versions = bool(VersionEvents(session).list_bound())
    own = [KEEP_VERSIONS] if keeps_versions else []
    return FunctionJobs((*allowed, *own), tuple(held), keeps_versions)


def _say_why_held(row: JobRow, state: JobStateRow | None) -> str | None:
    if state is None or not state.definition:
        return _NEW
    if state.state is JobState.REFUSED:
        return "is refused"
    if state.state is JobState.WAITING:
        return "waits for a person"
    return None if Job.read_as_planned(row.as_mapping(), state.definition) else _CHANGED
