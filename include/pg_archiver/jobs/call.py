"""Calling a procedure of users for a job: found in the catalog, allowed by the policy file, checked, and run.

A job's row only names it. What is called is what the catalog has under that name with exactly the parameters of a job,
and only if the reviewed file lists it: EXECUTE is granted to everybody by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

from pg_archiver.domain.tables import TableName
from pg_archiver.errors import JobRefused
from pg_archiver.policies.settings import parse_table
from pg_archiver.postgres.calls import CallEnd
from pg_archiver.postgres.procedures_session import ProceduresSession
from pg_archiver.postgres.session import Row
from pg_archiver.postgres.statements import TypeName

# How long a check of a config may take.
CHECK_TIMEOUT = timedelta(seconds=30)
_SIGNATURE = "(job_id integer, config jsonb)"
_SIGNATURE_OF_CHECK = "(config jsonb)"
_KINDS = {"p": "procedure", "f": "function", "a": "aggregate", "w": "window function"}


@dataclass(frozen=True)
class Routine:
    """A procedure or function as the catalog has it, which may be called."""

    name: TableName
    is_procedure: bool
    first_type: str
    security_definer: bool

    @property
    def note(self) -> str | None:
        """What is to be told of it beside the job's state."""
        if not self.security_definer:
            return None
        return f"{self.name} is SECURITY DEFINER: it runs with the rights of its owner, not of the jobs' login"


def find_procedure(session: ProceduresSession, schema: str | None, name: str, allowed: Sequence[str]) -> Routine:
    """Return the procedure, or function, that a job of this database calls.

    Args:
        session: a session of the procedures' login on the database.
        schema: the schema that the job names; without one the session's search path counts.
        name: the name.
        allowed: the patterns of the policy file.

    Raises:
        JobRefused: it is missing, ambiguous, has other parameters, is not allowed, or the login may not call it.
    """
    return _find(session, schema, name, allowed, for_check=False)


def check_config(
    session: ProceduresSession,
    schema: str | None,
    name: str,
    allowed: Sequence[str],
    config: str,
) -> None:
    """Let the job's own check look at its config, in a transaction that is read only.

    Raises:
        JobRefused: the check cannot be called, or raised an error, whose words are in `users_words`.
    """
    routine = _find(session, schema, name, allowed, for_check=True)
    statement = "jobs/call/check_procedure" if routine.is_procedure else "jobs/call/check_function"
    ended = session.check(statement, {"routine": routine.name}, longest=CHECK_TIMEOUT, config=config)
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
        {"routine": routine.name, "id_type": TypeName(routine.first_type)},
        longest=longest,
        job_id=str(job_id),
        config=config,
    )


def is_allowed(routine: TableName, allowed: Sequence[str]) -> bool:
    """Return whether one of these patterns, `schema.name` with wildcards in either part, speaks of it."""
    patterns = [parse_table(pattern) for pattern in allowed]
    return any(
        fnmatchcase(routine.schema, pattern.schema) and fnmatchcase(routine.name, pattern.name) for pattern in patterns
    )


def _find(
    session: ProceduresSession, schema: str | None, name: str, allowed: Sequence[str], *, for_check: bool
) -> Routine:
    wanted = f"{schema}.{name}" if schema else name
    signature = _SIGNATURE_OF_CHECK if for_check else _SIGNATURE
    columns = "check_schema and check_name" if for_check else "proc_schema and proc_name"
    rows = session.fetch_all("jobs/call/routines", schema=schema, name=name, for_check=for_check)
    if not rows:
        raise JobRefused(
            f"there is no procedure or function {wanted} in database {session.name}. Nothing was called. Fix: create "
            f"{wanted}{signature} there, or correct {columns} of the job (capitals count)"
        )
    fitting = [row for row in rows if row.fits]
    if not fitting:
        others = "; ".join(f"{_KINDS.get(row.kind, row.kind)} {row.schema}.{row.name}({row.arguments})" for row in rows)
        raise JobRefused(
            f"no {wanted} in database {session.name} has the parameters {signature}: there is {others}. Nothing was "
            "called. Fix: create one with just these"
        )
    if len(fitting) > 1:
        others = " and ".join(f"{row.schema}.{row.name}({row.arguments})" for row in fitting)
        raise JobRefused(
            f"{wanted} is ambiguous in database {session.name}: there is {others}. Nothing was called. Fix: drop one "
            "of them, or rename it"
        )
    return _require_callable(session.name, fitting[0], allowed)


def _require_callable(database: str, row: Row, allowed: Sequence[str]) -> Routine:
    name = TableName(row.schema, row.name)
    if not is_allowed(name, allowed):
        raise JobRefused(
            f"{name} is not among the procedures that the policy file allows (jobs: procedures: "
            f"{list(allowed) or 'none'}). Nothing was called. Fix: list it there, or let the job name another"
        )
    kind = "PROCEDURE" if row.kind == "p" else "FUNCTION"
    for missing, privilege in ((not row.may_use, f"USAGE ON SCHEMA {row.schema}"), (not row.may_call, "")):
        if missing:
            grant = privilege or f"EXECUTE ON {kind} {name}({row.arguments})"
            raise JobRefused(
                f"login {row.login} may not call {name} in database {database}. Nothing was called. Fix: GRANT {grant} "
                f"TO {row.login}"
            )
    return Routine(name, row.kind == "p", row.first_type, row.security_definer)
