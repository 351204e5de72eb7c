"""`make test`, `make test-more` and `make test-rare` run every test between them, and CI runs the first two."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
MARKS = {"tests": '-m "not more and not rare"', "test-more": '-m "more and not rare"', "test-rare": "-m rare"}
TARGETS = ["test", "test-more"]


def test_each_test_is_in_one_of_the_three() -> None:
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
