"""Some mutants, other ones each day, are tried whenever the tests run; `make mutants` tries all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.mutants.catalogue import ROOT, load, todays
from tests.mutants.running import Trials, Verdict

A_DAY = 2


def test_todays_mutants_are_noticed(tmp_path: Path) -> None:
    """`python -m tests.mutants --only NAME` tries one of them again."""
    mutants = todays(load("guards"), datetime.now(UTC).date(), A_DAY)
    outcomes = list(Trials(ROOT, tmp_path, at_once=1).tried(mutants))
    assert len(outcomes) == A_DAY
    assert [str(one) for one in outcomes if one.verdict is not Verdict.KILLED] == []
