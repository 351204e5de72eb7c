"""What of a server's error may be told: the core's own words, and of all that may hold a row only what it was.

The server's message names objects and limits where the core speaks of a statement of ours. Below functions of users it
may hold a row in any shape and language: a name made of a value, a value that could not be cast, the text of a RAISE.
The server says where it was: each call leaves a line in the error's context, whatever the language. Then the SQLSTATE
is told, and the outermost function, by the last line of the context, which the server makes of the catalog.
"""

from __future__ import annotations

import re

import psycopg
from psycopg import errors

# Texts without a place for a value. Who raises one of them by hand says nothing by it.
_FIXED = frozenset(
    {
        "canceling statement due to lock timeout",
        "canceling statement due to statement timeout",
        "canceling statement due to user request",
        "could not obtain lock on row",
        "deadlock detected",
        "out of memory",
        "out of shared memory",
        "terminating connection because of crash of another server process",
        "terminating connection due to administrator command",
        "terminating connection due to idle-in-transaction timeout",
        "tuple to be deleted was already modified by an operation triggered by the current command",
        "tuple to be updated was already modified by an operation triggered by the current command",
    }
)
# Where the core was: a row for which it waited, a block that it read. No function of users leaves such lines alone.
_CORES_LINE = (
    r'(?:while [a-z0-9 (),]+(?:index "[^"\n]*" )?(?:in|of) relation "[^"\n]*"(?: to \d+ blocks)?|parallel worker)'
)
_CORES_OWN = re.compile(rf"{_CORES_LINE}(?:\n{_CORES_LINE})*")
# The functions of the server by which languages raise what their users wrote.
_RAISING = frozenset(
    {"exec_stmt_raise", "exec_stmt_assert", "PLy_elog_impl", "PLy_output", "plperl_call_perl_func", "throw_tcl_error"}
)
# Classes of SQLSTATE whose texts name objects and limits: connections, constraints, states of a transaction, triggers
# in each other's way, serialization, resources, limits, states of an object, interventions, the system.
_NAMING = frozenset({"08", "23", "25", "27", "40", "53", "54", "55", "57", "58"})
_SYNTAX = "42601"
_NAME = r'(?:"(?:[^"\n]|"")+"|[^\W\d][\w$]*)'
# A call with its arguments' types and the line in it, as PL/pgSQL has it in any language of the server.
_CALL = re.compile(
    rf"[^\"\n(]*PL/[^\"\n(]*?(?P<name>(?:{_NAME}\.)?{_NAME}\([^()\n]*(?:\(\))?[^()\n]*\))(?:\D*(?P<line>\d+)[^\"\n]*)?"
)
# A bare name in quotes of any kind: PL/Perl's and PL/Python's end there, SQL's has the number of a statement after it.
_QUOTED = re.compile(
    r"(?:[^\"«»„“”\n]*PL/[^\"«»„“”\n]*[\"«»„“”]\s?(?P<name>[^\W\d][\w$]*)\s?[\"«»“”]"
    r"|[^\"«»„“”\n]*SQL[^\"«»„“”\n]*[\"«»„“”]\s?(?P<sql>[^\W\d][\w$]*)\s?[\"«»“”][^\"«»„“”\n]+)"
)
# What the driver has against a commit or a rollback within `Connection.transaction()`.
_IN_TRANSACTION = "forbidden within a Transaction context"
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_COPY_PLACE = re.compile(r"^COPY .*?, line (\d+), column (.*?): ", re.DOTALL | re.MULTILINE)
_COPY = re.compile(r"^COPY ", re.MULTILINE)


def tell_error(error: psycopg.Error, *, users: bool = False) -> str:
    """Return the error in one line, without anything that may be a row's content.

    Args:
        error: what psycopg raised.
        users: whether functions, checks and casts of users may have run in the statement: then an error that names
            what is not there may have the name from a value.
    """
    if isinstance(error, errors.UntranslatableCharacter | errors.CharacterNotInRepertoire):
        return (
            "a name, a value or a parameter of the run holds a character that UTF-8 or the encoding of the database "
            "does not have. Fix: rename it, correct the value, or use a database in UTF8"
        )
    words = " ".join((error.diag.message_primary or str(error)).strip().splitlines())
    function = _function(error)
    if function:
        said = words if words in _FIXED else f"SQLSTATE {error.sqlstate}"
        return f"function {function[0]} raised an error of its own making{function[1]} ({said})"
    if isinstance(error, errors.DataError):
        return f"{tell_copy_place(error)}a value does not fit its column"
    if words in _FIXED or not (is_of_users(error) or _may_name_a_value(error, users=users)):
        return words
    return f"an error whose words may hold a row, and are in the server's log (SQLSTATE {error.sqlstate})"


def tell_failure(error: psycopg.Error) -> str:
    """Return what a routine of users ended with, in one line for a log: the SQLSTATE, its name, function and line."""
    state = error.sqlstate or "no SQLSTATE"
    try:
        name = _CAPITAL.sub("_", errors.lookup(state).__name__).lower()
    except KeyError:
        name = "an error of its own making"
    function = _function(error)
    return f"{state} {name} in {function[0]}{function[1]}" if function else f"{state} {name}"


def tell_drivers_error(error: BaseException) -> str | None:
    """Return what a function of users ended with, if it is an error of the database or of the driver; None else."""
    if not isinstance(error, psycopg.Error):
        return None
    if _IN_TRANSACTION in str(error):
        return (
            "commit() or rollback(), though its work is committed with the end of its event. Fix: take it out, or let "
            "the binding say transaction => 'own'"
        )
    return tell_failure(error) if error.sqlstate else f"psycopg's {type(error).__name__}"


def is_of_users(error: psycopg.Error, *, in_copy: bool = False) -> bool:
    """Return whether the error came from below functions of users, so that its words and its names may be anything.

    With `in_copy` a row of a COPY alone, which has its place in the context too, does not count.
    """
    diag = error.diag
    context = diag.context or ""
    if _CORES_OWN.fullmatch(context) or (in_copy and context.startswith("COPY ")):
        context = ""
    return bool(context or diag.internal_query or diag.source_function in _RAISING)


def is_in_function(error: psycopg.Error, name: str) -> bool:
    """Return whether a function of this bare name, called by nobody but our statement, raised the error."""
    function = _function(error)
    alone = "\n" not in (error.diag.context or "")
    return bool(function and alone and function[0].rpartition(".")[2] == f"{name}()")


def is_in_copy(error: psycopg.Error) -> bool:
    """Return whether the server was at a row of a COPY."""
    return bool(_COPY.search(error.diag.context or ""))


def tell_copy_place(error: psycopg.Error) -> str:
    """Return where in a COPY a value stands, for the beginning of a sentence; empty if that is not told."""
    found = _COPY_PLACE.search(error.diag.context or "")
    return f"line {found[1]}, column {found[2]}: " if found else ""


def _function(error: psycopg.Error) -> tuple[str, str] | None:
    """Return the outermost function, and where in it; None if the last line tells none.

    Lines before it may hold statements and values, of any number of lines; one of COPY ends with a value.
    """
    context = error.diag.context or ""
    if is_in_copy(error):
        return None
    last = context.rpartition("\n")[2]
    if found := _CALL.fullmatch(last):
        return found["name"], f", in line {found['line']}" if found["line"] else ""
    if found := _QUOTED.fullmatch(last):
        return found["name"] or found["sql"], ""
    return None


def _may_name_a_value(error: psycopg.Error, *, users: bool) -> bool:
    """Return whether a value may be in the words of an error that the core raised while a statement ran.

    A name that is missing in the statement itself comes with its place. A missing privilege is always on an object.
    Syntax without a place is always that of a value, as of a column that is generated when it is read.
    """
    state = error.sqlstate or ""
    if not state or error.diag.statement_position is not None or isinstance(error, errors.InsufficientPrivilege):
        return False
    return state == _SYNTAX or (users and state[:2] not in _NAMING)
