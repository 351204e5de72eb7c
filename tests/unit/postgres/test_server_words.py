"""What of a server's error is told, in any language of the server: never a word that may be a row's.

The contexts are those of Postgres 15's own catalogs, the errors of PL/Perl and PL/Python as they came from a server.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors
from psycopg.pq import DiagnosticField as Field

from pg_archiver.errors import DatabaseInterrupted, DatabaseRefused, LockWait, ReferenceRefused, ValueRefused
from pg_archiver.postgres.error_translation import refuse_value, translate
from pg_archiver.postgres.server_words import tell_error, tell_failure

SECRET = "secretjohndoe4711"
ENGLISH = "PL/pgSQL function telling() line 7 at RAISE"
CALLS = {
    "en": ENGLISH,
    "de": "PL/pgSQL-Funktion telling() Zeile 7 bei RAISE",
    "es": "función PL/pgSQL telling() en la línea 7 en RAISE",
    "fr": "fonction PL/pgSQL telling(), ligne 7 à RAISE",
    "ru": "функция PL/pgSQL telling(), строка 7, оператор RAISE",
    "ja": "PL/pgSQL関数telling()の7行目 - RAISE",
}
# Of these the function cannot be told for certain.
UNNAMED = {
    "ko": 'PL/pgSQL 함수 "telling()" 의 7번째 RAISE',
    "pl/tcl": f'{SECRET}\n    while executing\n"error {SECRET}"\n    (procedure "__PLTcl_proc_1" line 2)',
    "other": "v8 anonymous line",
}
NAMED = {
    "perl": 'PL/Perl function "telling"',
    "perl in German": "PL/Perl-Funktion »telling«",
    "python": f'Traceback:\n  PL/Python function "x", line 2\n    {SECRET}\nPL/Python function "telling"',
    "python in French": "fonction PL/python « telling »",
    "SQL": 'SQL function "telling" statement 1',
    "SQL in Japanese": 'SQL関数"telling"の行番号 1',
}


def raised(
    state: str, words: str = f"not {SECRET}", context: str | None = None, source: str = "errfunction", **more: str
) -> psycopg.Error:
    """An error as the server sends it."""
    fields = {
        Field.SQLSTATE: state,
        Field.MESSAGE_PRIMARY: words,
        Field.CONTEXT: context,
        Field.SOURCE_FUNCTION: source,
        **{Field[name.upper()]: value for name, value in more.items()},
    }
    info: Any = {field: value.encode() for field, value in fields.items() if value is not None}
    kind = errors.lookup(state) if state != "AR001" else psycopg.DatabaseError
    error = kind(words, info=info)
    error.sqlstate = state
    return error


@pytest.mark.parametrize("language", CALLS)
@pytest.mark.parametrize("state", ["P0001", "42703", "23503", "22P02", "40001", "57014", "55P03", "42501", "XX000"])
def test_an_error_below_a_function_tells_the_function_its_line_and_the_state(language: str, state: str) -> None:
    error = raised(state, context=f'SQL statement "{SECRET}"\n{CALLS[language]}', constraint_name=SECRET)
    told = translate(error, "d")
    assert SECRET not in str(told)
    assert "telling() raised an error of its own making, in line 7 (SQLSTATE" in str(told)
    assert not isinstance(told, ReferenceRefused)


@pytest.mark.parametrize("language", NAMED)
def test_languages_that_tell_a_bare_name(language: str) -> None:
    told = tell_error(raised("38000", context=NAMED[language]))
    assert told == "function telling raised an error of its own making (SQLSTATE 38000)"


@pytest.mark.parametrize("language", UNNAMED)
def test_where_the_function_cannot_be_told_the_state_is_all(language: str) -> None:
    told = tell_error(raised("P0001", context=UNNAMED[language]))
    assert told == "an error whose words may hold a row, and are in the server's log (SQLSTATE P0001)"


@pytest.mark.parametrize("source", ["exec_stmt_raise", "PLy_elog_impl", "throw_tcl_error"])
def test_what_a_language_raises_is_known_without_a_context(source: str) -> None:
    assert SECRET not in tell_error(raised("P0001", source=source))


@pytest.mark.parametrize("forged", [f"PL/pgSQL function {SECRET}() line 1 at RAISE", f'PL/Perl function "{SECRET}"'])
def test_a_statement_that_ends_like_a_call_is_none(forged: str) -> None:
    for statement in (f'SQL statement "SELECT 1 -- \n{forged}"', f"SQL-Anweisung »SELECT 1 -- \n{forged}«"):
        told = tell_error(raised("42P01", context=f"{statement}\n{ENGLISH}"))
        assert SECRET not in told
        assert "telling()" in told
    assert SECRET not in tell_error(raised("42P01", context=f'SQL statement "{SECRET}"'))


@given(st.text(), st.text())
def test_no_text_of_a_statement_or_a_value_is_ever_told(statement: str, value: str) -> None:
    marked = f"{statement}{SECRET}{value}"
    for context in (
        f'SQL statement "{marked}"\n{ENGLISH}',
        f"{marked}\n{ENGLISH}",
        f'COPY t, line 3, column x: "{marked}"',
    ):
        for state in ("P0001", "42P01", "23505", "22P02", "40001"):
            error = raised(state, f"what of {marked}", context, message_detail=marked, constraint_name=marked)
            assert SECRET not in str(translate(error, "d", users=True))
            assert SECRET not in str(refuse_value(error, "d"))


def test_a_wait_of_the_cores_own_is_told_in_its_words() -> None:
    context = 'while deleting tuple (0,3) in relation "events"'
    told = translate(raised("55P03", "canceling statement due to lock timeout", context), "d")
    assert isinstance(told, LockWait)
    assert str(told).startswith("database d: canceling statement due to lock timeout. Another session")
    told = translate(raised("40P01", "Verklemmung entdeckt", context), "d")
    assert str(told) == "database d: Verklemmung entdeckt"
    assert isinstance(told, DatabaseInterrupted)


def test_a_damaged_page_under_vacuum_is_told_in_the_cores_words() -> None:
    words = "invalid page in block 7 of relation base/5/16384"
    context = 'while scanning block 7 of relation "public.events"'
    assert tell_error(raised("XX001", words, context)) == words


def test_a_name_that_a_statement_of_ours_lacks_is_told() -> None:
    missing = raised("42P01", 'relation "a.b" does not exist', statement_position="15")
    assert tell_error(missing, users=True) == 'relation "a.b" does not exist'
    assert tell_error(raised("42P01", 'relation "a.b" does not exist')) == 'relation "a.b" does not exist'


@pytest.mark.parametrize("state", ["42P01", "42704", "42601", "3F000", "0A000", "22023"])
def test_a_name_that_a_value_names_is_not_told_where_checks_of_users_ran(state: str) -> None:
    assert SECRET not in tell_error(raised(state, f'relation "{SECRET}" does not exist'), users=True)


def test_syntax_without_a_place_in_the_statement_is_that_of_a_value() -> None:
    assert SECRET not in tell_error(raised("42601", f'syntax error in tsquery: "{SECRET}"'))
    assert tell_error(raised("42601", 'syntax error at or near "x"', statement_position="3")).endswith('near "x"')


def test_a_foreign_key_of_the_table_is_told_by_its_names() -> None:
    names = {"schema_name": "public", "table_name": "lines", "constraint_name": "lines_fkey"}
    told = translate(raised("23503", "violates foreign key constraint", **names), "d", users=True)
    assert isinstance(told, ReferenceRefused)
    assert (told.table, told.constraint) == ("public.lines", "lines_fkey")


def test_only_the_ledgers_own_function_says_that_the_ledger_is_newer() -> None:
    function = "PL/pgSQL function archiver.refuse_programs_older_than_this_ledger() line 20 at RAISE"
    told = translate(raised("AR001", "x", function, "exec_stmt_raise", message_detail="3"), "d")
    assert "may be written only by ledger version 3 or later" in str(told)
    for context in (ENGLISH, f"{function}\n{ENGLISH}"):
        told = translate(raised("AR001", "x", context, "exec_stmt_raise", message_detail="4711"), "d")
        assert "4711" not in str(told)
        assert type(told) is DatabaseRefused


def test_a_value_that_a_domains_function_refuses_is_one_that_does_not_come_in() -> None:
    context = f'PL/pgSQL function telling() line 1 at EXECUTE\nCOPY staged, line 3, column name: "{SECRET}"'
    told = refuse_value(raised("42703", context=context), "d")
    assert isinstance(told, ValueRefused)
    assert str(told) == "database d: line 3, column name: a value is refused by a function (SQLSTATE 42703)"


@given(st.text(), st.sampled_from(["P0001", "22012", "42P01", "AR001", "57014"]))
def test_what_a_routine_ended_with_is_told_without_its_words(value: str, state: str) -> None:
    marked = f"{value}{SECRET}"
    for context in (*CALLS.values(), *NAMED.values(), *UNNAMED.values(), f'SQL statement "{marked}"\n{ENGLISH}'):
        told = tell_failure(raised(state, marked, context, message_detail=marked, message_hint=marked))
        assert SECRET not in told
        assert told.startswith(f"{state} ")


def test_a_failure_is_told_by_its_number_its_name_its_function_and_its_line() -> None:
    assert tell_failure(raised("22012", context=ENGLISH)) == "22012 division_by_zero in telling(), in line 7"
    assert tell_failure(raised("57014", context=NAMED["perl"])) == "57014 query_canceled in telling"
    assert tell_failure(raised("AR001")) == "AR001 an error of its own making"
