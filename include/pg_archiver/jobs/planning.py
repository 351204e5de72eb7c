"""Which databases a job speaks of, and what its row alone says of it: whether it may be planned, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import JobRefused, PolicyError
from pg_archiver.jobs.call import refuse_unlisted
from pg_archiver.jobs.source import POLICIES, JobsSource
from pg_archiver.jobs.timing import REHEARSED_FIRST, find_earliest, is_unrehearsed, plan_first, plan_look
from pg_archiver.ledger.jobs import JobKey, JobRow, JobState, JobStateRow, StateChange
from pg_archiver.policies.jobs import EVERY_DATABASE, TABLE_ACTIONS, Action, Job
from pg_archiver.policies.table_jobs import TableJob

# Beside a definition that was not even looked at in its database, so that it is as soon as it may be.
_UNSEEN = "refused "


@dataclass(frozen=True)
class Candidate:
    """A job in one database that its row and the policy file allow, and how it stood when it was read."""

    key: JobKey
    row: JobRow
    job: Job
    definition: str
    state: JobStateRow | None
    table: TableJob | None = None

    @property
    def calls(self) -> bool:
        """Whether it calls a procedure, which its database has to be asked about before it is planned."""
        return self.job.action is Action.CALL

    def accept(self, source: JobsSource, note: str | None, now: datetime) -> StateChange:
        """Return its plan, now that its database allows it too. What takes rows away is rehearsed first, at once."""
        if is_unrehearsed(self.job, self.definition, self.state):
            start = now if self.job.scheduled else None
            return StateChange(self.key, self.definition, JobState.IDLE, REHEARSED_FIRST, start)
        approved = self.state is not None and self.state.approved_definition == self.definition
        waits = self.job.action in source.instance.settings.approve and not approved
        state = JobState.WAITING if waits else JobState.IDLE
        return StateChange(self.key, self.definition, state, note, self._next_start(source, now))

    def refuse(self, reason: str, now: datetime) -> StateChange:
        """Return that it is refused by its database, until it would be due, when it is looked at again."""
        return StateChange(self.key, self.definition, JobState.REFUSED, reason, plan_look(self.job, now))

    def hold(self) -> StateChange | None:
        """Return that it is not to start before it could be looked at; None if nothing would start it anyway."""
        if self.state is None or not self.state.definition or self.state.state is not JobState.IDLE:
            return None
        return StateChange(self.key, "", JobState.IDLE)

    def needs_look(self, now: datetime, *, run_now: bool) -> bool:
        """Return whether its database has to be asked: it is new, has changed, or was refused and is due."""
        if self.state is None or self.state.definition != self.definition:
            return True
        return self.state.state is JobState.REFUSED and (run_now or _is_due(self.state, now))

    def _next_start(self, source: JobsSource, now: datetime) -> datetime | None:
        if self.state and self.state.definition == self.definition and _is_due(self.state, now):
            # It was refused when it was due.
            return self.state.next_start
        grace = timedelta(minutes=source.instance.settings.grace_minutes)
        return plan_first(self.job, self.state, find_earliest(self.job, self.state, grace, now))


@dataclass(frozen=True)
class Refusal:
    """A job that its row or the policy file keeps from being planned; `is_new` if it was not known to be refused so."""

    key: JobKey
    row: JobRow
    change: StateChange
    is_new: bool

    @property
    def reason(self) -> str:
        """Why."""
        return str(self.change.reason)


def require_procedure(job: Job) -> ProcedureName:
    """Return what a job calls.

    Raises:
        JobRefused: it calls nothing.
    """
    if job.procedure is None:
        raise JobRefused(f"job {job.name!r} calls no procedure. Nothing was run. Fix: set proc_schema and proc_name")
    return job.procedure


def refuse_by_rules(source: JobsSource, row: JobRow, job: Job) -> str | None:
    """Return what the policy file has against a job as it is now, None if nothing."""
    if row.source == "table" and not source.reads_rows:
        return (
            f"job {row.job_name!r}: rows of archiver.jobs in database {source.database} do not count. Nothing was run. "
            "Fix: set own_jobs: true at its client in the policy file, or list the job there"
        )
    if row.source == POLICIES and source.policy_table is None:
        return (
            f"job {row.job_name!r}: it comes from a table of policies, and policies_from names none. Nothing was run. "
            "Fix: none is needed, the next look takes it away"
        )
    if row.source == POLICIES and source.policies_trouble:
        return f"job {row.job_name!r}: {source.policies_trouble}"
    if reason := source.instance.say_why_refused(job, source.database):
        return reason
    for routine in (job.procedure, job.check):
        if routine is not None:
            try:
                refuse_unlisted(routine, source.instance.allows_procedure)
            except JobRefused as refusal:
                return str(refusal)
    return None


def judge_job(
    source: JobsSource, row: JobRow, databases: Collection[str], states: Sequence[JobStateRow]
) -> list[Candidate | Refusal]:
    """Return what its row alone says of a job, for each database that it speaks of.

    Args:
        source: where the row is.
        row: the row.
        databases: those that the server has.
        states: how this job stands where it was planned.
    """
    try:
        job = Job.from_row(row.as_mapping())
    except PolicyError as error:
        return [*_refuse(source, row, _UNSEEN + _digest_row(row), str(error), states)]
    definition = job.digest()
    if reason := refuse_by_rules(source, row, job) or _refuse_missing(source, job, databases):
        return [*_refuse(source, row, _UNSEEN + definition, reason, states)]
    known = {state.key: state for state in states}
    found: list[Candidate | Refusal] = []
    for database in _list_targets(source, job, databases):
        key = JobKey(row.job_id, database)
        try:
            table = find_table(source, row, job, database)
        except PolicyError as error:
            found.append(_refuse_one(key, row, _UNSEEN + definition, str(error), known.get(key)))
        else:
            found.append(Candidate(key, row, job, definition, known.get(key), table))
    return found


def find_table(source: JobsSource, row: JobRow, job: Job, database: str) -> TableJob | None:
    """Return the table from which a job takes rows away, None if it is not of that kind.

    Raises:
        PolicyError: the reviewed file has something against it, or its settings cannot be used.
    """
    if job.action not in TABLE_ACTIONS:
        return None
    return source.instance.find_table(job, database, from_file=row.source == "file")


def refuse_shared_tables(
    found: Sequence[Candidate | Refusal], source_database: str, taken: dict[tuple[str, TableName], str]
) -> list[Candidate | Refusal]:
    """Return the same, but refuse jobs that work on one table: whose N counts is not known.

    Args:
        found: what was judged of all jobs of a database.
        source_database: that database.
        taken: the tables of jobs in other databases of the instance, each with its job; those of this one are added.
    """
    of_table: dict[tuple[str, TableName], list[str]] = {}
    for one in found:
        if isinstance(one, Candidate) and one.table:
            of_table.setdefault((one.key.database, one.table.table), []).append(one.row.job_name)
    judged: list[Candidate | Refusal] = []
    for one in found:
        others: list[str] = []
        if isinstance(one, Candidate) and one.table:
            place = one.key.database, one.table.table
            others = [f"job {name!r}" for name in of_table[place] if name != one.row.job_name]
            others += [taken[place]] if place in taken else []
            if others:
                reason = (
                    f"job {one.row.job_name!r}: table {one.table.table} of database {one.key.database} is also that of "
                    f"{others[0]}, so whose days count is not known. Nothing was done. Fix: delete one of them"
                )
                judged.append(_refuse_one(one.key, one.row, _UNSEEN + one.definition, reason, one.state))
                continue
        judged.append(one)
    taken |= {
        place: f"job {names[0]!r} in database {source_database}"
        for place, names in of_table.items()
        if place not in taken
    }
    return judged


def refuse_missing_functions(
    found: Sequence[Candidate | Refusal], say_why_missing: Callable[[str], str | None]
) -> list[Candidate | Refusal]:
    """Return the same, but refuse jobs whose function is not there, or cannot be used; their events wait."""
    judged: list[Candidate | Refusal] = []
    for one in found:
        if isinstance(one, Candidate) and one.job.function and (reason := say_why_missing(one.job.function)):
            told = f"job {one.row.job_name!r}: {reason}"
            judged.append(_refuse_one(one.key, one.row, _UNSEEN + one.definition, told, one.state))
        else:
            judged.append(one)
    return judged


def _is_due(state: JobStateRow, now: datetime) -> bool:
    return state.next_start is not None and state.next_start <= now


def _refuse(
    source: JobsSource, row: JobRow, definition: str, reason: str, states: Sequence[JobStateRow]
) -> Iterator[Refusal]:
    """Yield the refusal wherever the job was planned before, so that its statistics stay, or else where it would be."""
    known: dict[JobKey, JobStateRow | None] = {state.key: state for state in states}
    for key, state in (known or {JobKey(row.job_id, row.database_name or source.database): None}).items():
        yield _refuse_one(key, row, definition, reason, state)


def _refuse_one(key: JobKey, row: JobRow, definition: str, reason: str, state: JobStateRow | None) -> Refusal:
    before = state and (state.state, state.definition, state.reason)
    change = StateChange(key, definition, JobState.REFUSED, reason)
    return Refusal(key, row, change, before != (change.state, change.definition, change.reason))


def _refuse_missing(source: JobsSource, job: Job, databases: Collection[str]) -> str | None:
    """Return that the server has no database in which the job could act."""
    if _list_targets(source, job, databases):
        return None
    if job.database == EVERY_DATABASE:
        return (
            f"job {job.name!r}: database_name is '*', and the server has none of databases: "
            f"{', '.join(source.instance.databases) or 'none'}. Nothing was run. Fix: correct databases in the jobs "
            f"section of instance {source.instance.conn_id}"
        )
    return (
        f"job {job.name!r}: database {job.database} does not exist on the server of instance "
        f"{source.instance.conn_id}, or takes no connections. Nothing was run. Fix: create it, or correct database_name"
    )


def _list_targets(source: JobsSource, job: Job, databases: Collection[str]) -> list[str]:
    if job.database == EVERY_DATABASE:
        return [name for name in databases if source.instance.allows_database(name)]
    return [name for name in (job.database or source.database,) if name in databases]


def _digest_row(row: JobRow) -> str:
    """Return what stands for a row of which no job can be made."""
    left_out = {"updated_at", "next_start"}
    kept = {name: value for name, value in row.as_mapping().items() if name not in left_out}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()
