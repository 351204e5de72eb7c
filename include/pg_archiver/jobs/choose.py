"""Choosing the jobs that are due: what one look into a database of jobs does before any of them runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import ArchiverError, JobRefused, Stopped
from pg_archiver.jobs.call import Routine, check_config, find_procedure
from pg_archiver.jobs.firing import fire_due_functions
from pg_archiver.jobs.planning import (
    Candidate,
    Refusal,
    judge_job,
    refuse_missing_functions,
    refuse_shared_tables,
    require_procedure,
)
from pg_archiver.jobs.policy_table import mirror_policies
from pg_archiver.jobs.recovery import Recovery
from pg_archiver.jobs.source import POLICIES, Claim, JobConnections, JobsSource
from pg_archiver.ledger.jobs import Choice, JobKey, JobRow, JobsTable, JobState, JobStateRow, StateChange
from pg_archiver.ledger.migrations import EventTables, JobTables
from pg_archiver.policies.jobs import Action
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Session

# How long one database may keep the others waiting. One that was asked is not asked again, so each look gets further.
MOST_SECONDS_A_DATABASE = 30.0


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
# The tables of jobs, by their databases, each with the job whose it is.
TakenTables = dict[tuple[str, TableName], str]


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
    taken: TakenTables | None = None,
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
        taken: the tables of jobs in databases of the instance that were looked into before; those found are added.
        dry_run: write nothing; the claims are then of all jobs that are selected, and none of them is taken.

    Raises:
        ArchiverError: the database of the jobs itself cannot be read or written.
    """
    with connections.open_archiver(source.database) as session:
        tables = EventTables(session) if source.has_events else JobTables(session)
        taken = {} if taken is None else taken
        if dry_run:
            found = JobTables(session).exists()
            return _Look(source, connections, session, selection, taken).list_selected() if found else JobsPlan()
        tables.migrate()
        return _Look(source, connections, session, selection, taken).plan(run_id, most, has_ended)


class _Look:
    """One look into a database of jobs."""

    def __init__(
        self,
        source: JobsSource,
        connections: JobConnections,
        session: Session,
        selection: Selection,
        taken: TakenTables,
    ) -> None:
        """Read what the server has; the session is the archiver's on the database of the jobs."""
        self._taken = taken
        self._source = source
        self._connections = connections
        self._selection = selection
        self._session = session
        self._table = JobsTable(session)
        self._policies_unknown = False
        databases = session.fetch_all("jobs/choose/databases")
        self._existing = [row.name for row in databases]
        self._usable = [row.name for row in databases if row.usable]
        self._problems: list[Problem] = []
        self._notes: list[str] = []

    def list_selected(self) -> JobsPlan:
        """Return the selected jobs as if they were due; nothing is written."""
        claims = []
        for one in self._judge(self._table.list_jobs(), self._table.list_states()):
            if not self._is_selected(one.row, one.key):
                continue
            if isinstance(one, Refusal):
                self._tell(one.key, one.row, one.reason)
            elif one.job.action is Action.FUNCTION:
                self._notes.append(f"{one.key.database} / {one.row.job_name}: an event would be put into its queue")
            else:
                claims.append(self._claim(one.key, one.row.job_name, one.row.action, "manual", one.definition, ""))
        return JobsPlan(tuple(claims), tuple(self._problems), tuple(self._notes))

    def plan(self, run_id: str, most: int, has_ended: Callable[[str], bool]) -> JobsPlan:
        """Look after the jobs, and take what is due."""
        self._mirror()
        rows, states = self._table.list_jobs(), self._table.list_states()
        names = {row.job_id: row.job_name for row in rows}
        if any(state.state in (JobState.QUEUED, JobState.RUNNING) for state in states):
            self._recover(states, names, run_id, has_ended)
            states = self._table.list_states()
        found = self._judge(rows, states)
        now = self._table.now()
        changes = [one.change for one in found if isinstance(one, Refusal) and one.is_new]
        for one in found:
            if isinstance(one, Refusal) and one.is_new:
                self._tell(one.key, one.row, one.reason)
        changes += self._plan([one for one in found if isinstance(one, Candidate)], now)
        self._table.write_states(changes)
        spoken_of = {one.key for one in found}
        self._table.drop_states([state.key for state in states if state.key not in spoken_of])
        # What is taken comes with its definitions once more, and of thousands of jobs these are megabytes.
        known = [row.job_name for row in rows if row.source != POLICIES]
        del rows, states, found, changes
        claims = self._take(run_id, most, known)
        return JobsPlan(tuple(claims), tuple(self._problems), tuple(self._notes))

    def _mirror(self) -> None:
        """Bring the jobs of the policy file, and of a table of policies, into the table."""
        whole = self._source.instance.is_whole
        if not whole:
            self._notes.append(
                "the policy file cannot be read as a whole, so jobs that it seems to list no more stay as they were"
            )
        for name in self._table.mirror([job.to_row() for job in self._source.file_jobs], whole=whole):
            self._problems.append(
                Problem(
                    f"{self._source.database} / {name}",
                    "the policy file and archiver.jobs both have a job of this name. The file's is not run. Fix: give "
                    "one of them another name",
                )
            )
        policies = mirror_policies(self._source, self._session)
        self._source, self._policies_unknown = policies.source, policies.unknown
        self._problems += [Problem(self._source.database, told) for told in policies.problems]

    def _recover(
        self, states: Sequence[JobStateRow], names: Mapping[int, str], run_id: str, has_ended: Callable[[str], bool]
    ) -> None:
        """Give back what runs of Airflow took that have ended, and count what ended with its process."""
        queued = {state.airflow_run_id for state in states if state.state is JobState.QUEUED} - {run_id, None}
        ended = []
        for taker in sorted(filter(None, queued)):
            try:
                if has_ended(taker):
                    ended.append(taker)
            except Stopped:
                raise
            except ArchiverError as error:
                self._problems.append(Problem(self._source.database, str(error)))
        self._table.requeue(ended)
        found = Recovery(self._source, self._table, self._connections, self._existing, names).recover(states)
        self._notes += found.notes
        self._problems += [
            Problem(database, f"{told}. Jobs that may have ended there are not started again before that is known")
            for database, told in found.problems.items()
        ]

    def _judge(self, rows: Sequence[JobRow], states: Sequence[JobStateRow]) -> list[Candidate | Refusal]:
        """Return what the rows alone say, and forget nothing of jobs that are refused."""
        of_job: dict[int, list[JobStateRow]] = {}
        for state in states:
            of_job.setdefault(state.key.job_id, []).append(state)
        found = [one for row in rows for one in judge_job(self._source, row, self._usable, of_job.get(row.job_id, []))]
        found = refuse_missing_functions(found, self._connections.say_why_no_function)
        return refuse_shared_tables(found, self._source.database, self._taken)

    def _plan(self, candidates: Sequence[Candidate], now: datetime) -> list[StateChange]:
        """Return the plans of those that are new, have changed, or are looked at again.

        What calls a procedure asks its database; what works on a table is rehearsed there.
        """
        run_now = self._selection.run_now
        due = [
            one for one in candidates if one.needs_look(now, run_now=run_now and self._is_selected(one.row, one.key))
        ]
        changes = [one.accept(self._source, None, now) for one in due if not one.calls]
        return changes + self._ask_databases([one for one in due if one.calls], now)

    def _ask_databases(self, candidates: Sequence[Candidate], now: datetime) -> list[StateChange]:
        """Return the plans of those that call procedures: their databases have a say."""
        of_database: dict[str, list[Candidate]] = {}
        for one in candidates:
            of_database.setdefault(one.key.database, []).append(one)
        changes: list[StateChange] = []
        for database, asked in sorted(of_database.items()):
            answers: list[StateChange] = []
            try:
                self._ask_database(database, asked, answers, now)
            except Stopped:
                raise
            except ArchiverError as error:
                self._problems.append(
                    Problem(database, f"{error}. {len(asked) - len(answers):,} of its jobs were not planned")
                )
            changes += answers
            changes += [change for one in asked[len(answers) :] if (change := one.hold())]
        return changes

    def _ask_database(
        self, database: str, asked: Sequence[Candidate], answers: list[StateChange], now: datetime
    ) -> None:
        """Add the answers of one database. Checks of its users that take long keep only its own jobs waiting."""
        found: dict[ProcedureName, Routine] = {}
        deadline = time.monotonic() + MOST_SECONDS_A_DATABASE
        with self._connections.open_procedures(database) as session:
            for one in asked:
                if session.closed or time.monotonic() > deadline:
                    break
                answers.append(self._ask(session, one, found, now))
            given_up = session.process if session.closed else None
        if given_up is not None:
            # What it still runs has no client any more.
            with self._connections.open_procedures(database) as another:
                another.terminate(given_up)
        if left := len(asked) - len(answers):
            self._notes.append(f"{database}: checks of configurations take long; {left:,} jobs wait for the next look")

    def _ask(
        self, session: ProceduresSession, one: Candidate, found: dict[ProcedureName, Routine], now: datetime
    ) -> StateChange:
        """Return the plan of a job, after a look at what it calls; `found` is what others of its database call."""
        allows = self._source.instance.allows_procedure
        try:
            name = require_procedure(one.job)
            if name not in found:
                found[name] = find_procedure(session, name, allows)
            if one.job.check is not None:
                check_config(session, one.job.check, allows, one.row.config_text)
        except JobRefused as refusal:
            # What the check itself says stays in the database that it looked into.
            own = refusal.users_words if one.key.database == self._source.database else ""
            reason = f"{refusal}. It says: {own}" if own else str(refusal)
            before = one.state
            if before is None or (before.state, before.reason) != (JobState.REFUSED, reason):
                self._tell(one.key, one.row, str(refusal))
            return one.refuse(reason, now)
        return one.accept(self._source, found[name].note, now)

    def _take(self, run_id: str, most: int, known: Sequence[str]) -> list[Claim]:
        """Take what is due for this run, with what it had taken before its task was broken off and tried again.

        `known` are the jobs of which it is known that they still hold, where that of policies is not known.
        """
        if most <= 0:
            return []
        chosen = self._selection
        jobs: Sequence[str] | None = chosen.jobs or None
        if self._policies_unknown:
            # The others stay due.
            jobs = known if jobs is None else [name for name in known if name in jobs]
        choice = Choice(jobs, chosen.databases or None, chosen.application_name or None, run_now=chosen.run_now)
        if self._source.has_events:
            self._notes += fire_due_functions(self._session, most, choice, run_id)
        return [
            self._claim(taken.key, taken.job_name, taken.action, taken.caused_by, taken.definition, run_id)
            for taken in self._table.claim_due(run_id, most, choice)
        ]

    def _claim(self, key: JobKey, name: str, action: str, cause: str, definition: str, run_id: str) -> Claim:
        return Claim(self._source.database, key.database, key.job_id, name, cause, definition, run_id, action)

    def _is_selected(self, row: JobRow, key: JobKey) -> bool:
        chosen = self._selection
        return (
            (not chosen.jobs or row.job_name in chosen.jobs)
            and (not chosen.databases or key.database in chosen.databases)
            and chosen.application_name in {None, row.application_name}
        )

    def _tell(self, key: JobKey, row: JobRow, reason: str) -> None:
        if row.source == POLICIES and self._source.policies_trouble:
            # Told once, of their table.
            return
        self._problems.append(Problem(f"{key.database} / {row.job_name}", reason))
