"""Calling a procedure of users for a job: found in the catalog, allowed by the policy file, checked, and run.

A job's row only names it. What is called is what the catalog has under that name with exactly the parameters of a job,
and only if the reviewed file lists it: EXECUTE is granted to everybody by default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pg_archiver.domain.procedures import ProcedureName
from pg_archiver.domain.tables import TableName
from pg_archiver.errors import DatabaseInterrupted, JobRefused, Stopped
from pg_archiver.postgres.calls import CallEnd
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Row
from pg_archiver.postgres.statements import TypeName

# How long a check of a config may take, and how long the server may take to end it after that: others wait meanwhile.
CHECK_TIMEOUT = timedelta(seconds=10)
CHECK_PATIENCE_SECONDS = 2.0
# The SQLSTATE of what was cancelled.
CANCELED = "57014"
Allows = Callable[[ProcedureName], bool]
_SIGNATURE = "(job_id integer, config jsonb)"
_SIGNATURE_OF_CHECK = "(config jsonb)"
_KINDS = {"p": "procedure", "f": "function", "a": "aggregate", "w": "window function"}


@dataclass(frozen=True)
class Routine:
    """A procedure or function as the catalog has it, which may be called."""

    name: ProcedureName
    is_procedure: bool
    first_type: str
    security_definer: bool

    @property
    def relation(self) -> TableName:
        """The name for a statement."""
        return TableName(self.name.schema, self.name.name)

    @property
    def note(self) -> str | None:
        """What is to be told of it beside the job's state."""
        if not self.security_definer:
            return None
        return f"{self.name} is SECURITY DEFINER: it runs with the rights of its owner, not of the jobs' login"


def refuse_unlisted(procedure: ProcedureName, allows: Allows) -> None:
    """Refuse what the policy file does not allow.

    Raises:
        JobRefused: it is none of those.
    """
    if not allows(procedure):
        raise JobRefused(
            f"{procedure} is not among the procedures that the policy file allows. Nothing was called. Fix: add it to "
            "procedures in the jobs section of the instance, or let the job name another"
        )


def find_procedure(session: ProceduresSession, name: ProcedureName, allows: Allows) -> Routine:
    """Return the procedure, or function, that a job of this database calls.

    Args:
        session: a session of the procedures' login on the database.
        name: what the job names.
        allows: whether the policy file allows it.

    Raises:
        JobRefused: it is missing, ambiguous, has other parameters, is not allowed, or the login may not call it.
    """
    return _find(session, name, allows, for_check=False)


def check_config(session: ProceduresSession, name: ProcedureName, allows: Allows, config: str) -> None:
    """Let the job's own check look at its config, which is JSON, in a transaction that is read only.

    Raises:
        JobRefused: the check cannot be called, or raised an error, whose words are in `users_words`, or does not end
            even if it is cancelled: then the session is closed.
        DatabaseInterrupted: the connection was lost meanwhile.
        Stopped: the task was told to end meanwhile.
    """
    routine = _find(session, name, allows, for_check=True)
    statement = "jobs/call/check_procedure" if routine.is_procedure else "jobs/call/check_function"
    ended = session.check(
        statement,
        {"routine": routine.relation},
        longest=CHECK_TIMEOUT,
        patience_seconds=CHECK_PATIENCE_SECONDS,
        config=config,
    )
    if ended.error and session.stop():
        raise Stopped(f"the task was told to end while {routine.name} was asked. Nothing was called")
    if ended.error and ended.left and ended.error.sqlerrcode != CANCELED:
        raise DatabaseInterrupted(f"database {session.name}: {ended.error.told}, while {routine.name} was asked")
    if ended.error:
        raise JobRefused(
            f"its check {routine.name} refuses the config ({ended.error.told}). Nothing was called. Fix: correct "
            "config, or the check",
            ended.error.message,
        )


def call(session: ProceduresSession, routine: Routine, job_id: int, config: str, longest: timedelta) -> CallEnd:
    """Call it with the job's number and config, outside of any transaction, and return how it ended.

    Args:
        session: a session of the procedures' login on the database.
        routine: what is called.
        job_id: the job's number.
        config: the job's config, as JSON.
        longest: how long it may take.

    Raises:
        DatabaseInterrupted: the connection was gone before it began.
        Stopped: the task was asked to end before it began.
    """
    session.name_application(f"archiver job {job_id} {session.name}")
    return session.call(
        "jobs/call/procedure" if routine.is_procedure else "jobs/call/function",
        {"routine": routine.relation, "id_type": TypeName(routine.first_type)},
        longest=longest,
        job_id=str(job_id),
        config=config,
    )


def _find(session: ProceduresSession, wanted: ProcedureName, allows: Allows, *, for_check: bool) -> Routine:
    signature = _SIGNATURE_OF_CHECK if for_check else _SIGNATURE
    columns = "check_schema and check_name" if for_check else "proc_schema and proc_name"
    rows = session.fetch_all("jobs/call/routines", schema=wanted.schema, name=wanted.name, for_check=for_check)
    if not rows:
        raise JobRefused(
            f"there is no procedure or function {wanted} in database {session.name}. Nothing was called. Fix: create "
            f"{wanted}{signature} there, or correct {columns} of the job (capitals count)"
        )
    fitting = [row for row in rows if row.fits]
    if not fitting:
        others = "; ".join(f"{_KINDS.get(row.kind, row.kind)} {wanted}({row.arguments})" for row in rows)
        raise JobRefused(
            f"no {wanted} in database {session.name} has the parameters {signature}: there is {others}. Nothing was "
            "called. Fix: create one with just these"
        )
    if len(fitting) > 1:
        others = " and ".join(f"{wanted}({row.arguments})" for row in fitting)
        raise JobRefused(
            f"{wanted} is ambiguous in database {session.name}: there is {others}. Nothing was called. Fix: drop one "
            "of them, or rename it"
        )
    return _require_callable(session.name, wanted, fitting[0], allows)


def _require_callable(database: str, wanted: ProcedureName, row: Row, allows: Allows) -> Routine:
    # As the catalog has it.
    name = ProcedureName(row.schema, row.name)
    refuse_unlisted(name, allows)
    kind = "PROCEDURE" if row.kind == "p" else "FUNCTION"
    for missing, grant in (
        (not row.may_use, f"USAGE ON SCHEMA {wanted.schema}"),
        (not row.may_call, f"EXECUTE ON {kind} {wanted}({row.arguments})"),
    ):
        if missing:
            raise JobRefused(
                f"login {row.login} may not call {wanted} in database {database}. Nothing was called. Fix: GRANT "
                f"{grant} TO {row.login}"
            )
    return Routine(name, row.kind == "p", row.first_type, row.security_definer)
