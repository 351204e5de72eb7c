"""Between them `make test` and `make test-more` run every test, and CI runs both."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
MARKS = {"tests": '-m "not more"', "test-more": "-m more"}
TARGETS = ["test", "test-more"]


def test_each_test_is_in_one_of_the_two() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^([a-z-]+):[^\n]*\n((?:\t[^\n]*\n)+)", makefile, flags=re.MULTILINE))
    for target, mark in MARKS.items():
        (command,) = recipes[target].splitlines()
        assert re.fullmatch(rf"\t\$\(RUN\) -m pytest {mark} --numprocesses [23] --no-loadscope-reorder", command)
    # The tests, and the checks of the code beside them.
    assert recipes["test"].split()[-2:] == ["lint", "tests"]


def test_ci_runs_both() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line.split()[-1] for line in lines if "make" in line] == TARGETS
