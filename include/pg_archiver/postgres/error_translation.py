"""The server's errors in our own words, sorted by what helps.

psycopg's messages may quote key values and rows (`DETAIL`), so only the primary message, which names objects and
limits, is ever passed on, and that only where it cannot be a row's content either (`server_words`).
"""

from __future__ import annotations

import psycopg
from psycopg import errors

from pg_archiver.domain.ledger_version import LEDGER_VERSION
from pg_archiver.errors import (
    Damaged,
    DatabaseInterrupted,
    DatabaseRefused,
    LockWait,
    ReferenceRefused,
    RightMissing,
    TriggerRefused,
    ValueRefused,
)
from pg_archiver.postgres.server_words import is_in_copy, is_in_function, is_of_users, tell_copy_place, tell_error

# What the ledger's triggers raise, with the lowest version that may write to it alone in the DETAIL.
_OLDER_PROGRAM = ("AR001", "refuse_programs_older_than_this_ledger")
# Classes of SQLSTATE, and single ones, that time may fix: lost connections (08), transactions that met others (40),
# a server short of something (53), somebody's intervention (57), the system around the server (58).
_PASSING_CLASSES = {"08", "40", "53", "57", "58"}
_PASSING = {
    "25P03",  # idle in a transaction for too long
    "25P04",  # a transaction took too long
    "55006",  # the object is in use
    "55P03",  # a lock was not to be had
    "HV000",  # what a foreign server said
    "HV001",  # a foreign server is out of memory
    "HV00N",  # a foreign server cannot be reached
}
# Of these classes: a limit that is set for each session alone, and a library or file that is not there.
_FINAL = {"53400", "58P01", "58P02", "58P03"}
# Only this function says that somebody else detaches the partition, whatever the language of the message.
_BEING_DETACHED = ("55000", "MarkInheritDetached")
_LIMIT_CLASS = "54"
# A value of more than 1 GB on its way, which the server's memory manager refuses as an error of its own.
_TOO_LARGE = ("XX000", "mcxt.c")


def ledger_is_newer(name: str, lowest: str) -> DatabaseRefused:
    """Return the refusal to write to a ledger to which only later versions of this program may write."""
    return DatabaseRefused(
        f"the ledger of database {name} may be written only by ledger version {lowest} or later. This program has "
        f"{LEDGER_VERSION}. Nothing more was deleted. Fix: update this worker"
    )


def translate(
    error: psycopg.Error,
    name: str,
    seconds: float = 0.0,
    longest: float = 0.0,
    setting: str = "",
    *,
    users: bool = False,
) -> DatabaseRefused | DatabaseInterrupted:
    """Return the error in our words.

    Args:
        error: what psycopg raised.
        name: the database, for the message.
        seconds: how long the statement took.
        longest: how long one may take in this session.
        setting: what says so.
        users: whether user-defined code may have run in the statement.
    """
    message = f"database {name}: {tell_error(error, users=users)}"
    refused_login = error.sqlstate is None and any(
        words in message
        for words in ("authentication failed", "does not exist", "no pg_hba.conf entry", "permission denied")
    )
    if isinstance(error, errors.InsufficientPrivilege):
        return RightMissing(f"{message}. Fix: grant that privilege to the role of the Airflow connection")
    if refused_login:
        return DatabaseRefused(f"{message}. Fix: check the Airflow connection, and the database in the policy file")
    if isinstance(error, errors.LockNotAvailable):
        return LockWait(f"{message}. Another session holds a lock on it (see pg_locks)")
    if isinstance(error, errors.QueryCanceled):
        return DatabaseInterrupted(f"{message}. {_why_cancelled(seconds, longest, setting)}")
    return DatabaseInterrupted(message) if _may_pass(error) else _refusal_of(error, name, message)


def refuse_value(error: psycopg.Error, name: str) -> ValueRefused | None:
    """Return what a COPY has against a value: one that does not fit, or names a role, a table or a type that is gone.

    The words of the server quote it; only where it stands and the error's number are told. None if it is not the value.
    """
    if isinstance(error, errors.InsufficientPrivilege) or _may_pass(error) or not is_in_copy(error):
        return None
    place, state = f"database {name}: {tell_copy_place(error)}", f"(SQLSTATE {error.sqlstate})"
    if isinstance(error, errors.DataError):
        return ValueRefused(f"{place}a value does not fit its column {state}")
    if is_of_users(error, in_copy=True):
        return ValueRefused(f"{place}a value is refused by a function {state}")
    return ValueRefused(f"{place}a value names what no longer exists {state}")


def _refusal_of(error: psycopg.Error, name: str, message: str) -> DatabaseRefused:
    if error.sqlstate == _OLDER_PROGRAM[0] and is_in_function(error, _OLDER_PROGRAM[1]):
        lowest = error.diag.message_detail or ""
        return ledger_is_newer(name, lowest if lowest.isdigit() else "unknown")
    state = f"(SQLSTATE {error.sqlstate})"
    return _refusal(error, message if message.endswith(state) else f"{message} {state}")


def _may_pass(error: psycopg.Error) -> bool:
    """Return whether the same statement may succeed later, without anybody changing something."""
    if error.sqlstate is None:
        # The driver's own: the connection is gone, or its protocol was broken.
        return isinstance(error, errors.OperationalError | errors.InterfaceError)
    if (error.sqlstate, error.diag.source_function) == _BEING_DETACHED:
        return True
    return error.sqlstate in _PASSING or (error.sqlstate[:2] in _PASSING_CLASSES and error.sqlstate not in _FINAL)


def _refusal(error: psycopg.Error, message: str) -> DatabaseRefused:
    if isinstance(error, errors.IndexCorrupted | errors.DataCorrupted):
        return Damaged(message)
    if isinstance(error, errors.TriggeredDataChangeViolation):
        return TriggerRefused(message)
    # Below a function of users it may be anything, whatever it says that it is and whatever it names.
    return _refusal_of_names(error, message, cores=not is_of_users(error))


def _refusal_of_names(error: psycopg.Error, message: str, *, cores: bool) -> DatabaseRefused:
    if cores and isinstance(error, errors.ForeignKeyViolation | errors.RestrictViolation):
        table = f"{error.diag.schema_name}.{error.diag.table_name}"
        return ReferenceRefused(message, table, str(error.diag.constraint_name))
    if cores and isinstance(error, errors.CheckViolation) and not error.diag.constraint_name:
        return ValueRefused(
            f"{message}. Fix: create a partition for those rows, or restore into a new table with 'into'"
        )
    if isinstance(error, errors.IntegrityError | errors.DataError):
        return ValueRefused(message)
    if str(error.sqlstate).startswith(_LIMIT_CLASS) or (error.sqlstate, error.diag.source_file) == _TOO_LARGE:
        return ValueRefused(
            f"{message}. It is a limit of Postgres itself, so trying again will not help: a row has at most 1 GB as "
            "text, a table 1,600 columns. Fix: make that row or table smaller"
        )
    return DatabaseRefused(message)


def _why_cancelled(seconds: float, longest: float, setting: str) -> str:
    """Return why; the server names its limit only in its own language, so the time has to tell."""
    if seconds < longest:
        return f"Someone cancelled it, after {seconds:.1f} of at most {longest:g} seconds"
    return f"The limit is {longest:g} seconds a statement, by {setting}. What it had done is rolled back"
