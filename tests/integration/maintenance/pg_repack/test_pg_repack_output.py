"""What of pg_repack's output may be told, and what of it is no reason to try again."""

from __future__ import annotations

import io

import pytest

from pg_archiver.maintenance.pg_repack_output import Output

pytestmark = pytest.mark.more
UNTOLD = "the server's words may hold a row, and are in its own log"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('INFO: repacking table "a.b"', 'INFO: repacking table "a.b"'),
        ("DETAIL: Key (id)=(5) is duplicated.", None),
        ("(id, name) = (5, x)", None),
        (
            'ERROR: could not connect to database with "s3cret": no',
            'ERROR: could not connect to database with "***": no',
        ),
        ("WARNING:  what a user's function raises", f"WARNING: {UNTOLD}"),
        ("WARNUNG:  was eine Funktion meldet", None),
    ],
)
def test_what_quotes_a_row_or_a_secret_does_not_reach_the_log(line: str, told: str | None) -> None:
    output = Output()
    output.read(io.StringIO(f"{line}\n"), "pg_repack", "s3cret")
    assert output.lines == ([told] if told else [])


@pytest.mark.parametrize(
    ("words", "told", "lasting"),
    [
        ('ERROR:  invalid input syntax for type integer: "5"', False, True),
        ("FEHLER:  Zeile ist zu gross", False, True),
        ("ERROR:  row is too big: size 12904, maximum size 8160", True, True),
        ("ERROR:  permission denied for schema repack", True, True),
        ("ERROR:  deadlock detected", True, False),
        ("ERROR:  canceling statement due to lock timeout", True, False),
        ('ERROR:  could not extend file "base/5/1": No space left on device', True, False),
        ("FATAL:  terminating connection due to administrator command", True, False),
    ],
)
def test_words_that_cannot_hold_a_row_are_told_and_what_lasts_is_known(words: str, told: bool, lasting: bool) -> None:
    output = Output()
    output.read(io.StringIO(f"ERROR: query failed: {words}\n"), "pg_repack", "")
    assert output.last == f"ERROR: query failed: {words if told else UNTOLD}"
    assert output.lasting is lasting
