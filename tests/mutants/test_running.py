"""A mutant is killed only by a test that it names and that goes red for want of the guard, on a small program."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.catalogue import Mutant
from tests.mutants.running import Trials, Verdict

PROGRAM = """
def may_go(days: int) -> bool:
    return days > 2 and days < 100
"""
TESTS = """
from program import may_go

def test_young():
    assert not may_go(1)

def test_due():
    assert may_go(3)
"""
YOUNG, DUE, GONE = (f"test_program.py::test_{name}" for name in ("young", "due", "gone"))
MUTANTS = {
    "a guard that a test holds": (Verdict.KILLED, "days > 2", "True", (YOUNG,), ""),
    "a guard that no test holds": (Verdict.SURVIVED, "days < 100", "True", (YOUNG, DUE), "taken away: a guard"),
    "one whose own test does not tell": (Verdict.SURVIVED, "days > 2", "True", (YOUNG, DUE), "test_due stays green"),
    "a guard that is there no more": (Verdict.FAULTY, "days > 7", "True", (YOUNG,), "stands 0 times"),
    "a test that is there no more": (
        Verdict.FAULTY,
        "days > 2",
        "True",
        ("test_program.py::test_x",),
        "no test test_x",
    ),
    "a name that means nothing": (Verdict.FAULTY, "days > 2", "dais > 2", (YOUNG,), "it breaks the program: NameError"),
    "no program at all": (Verdict.FAULTY, "days > 2", "days >", (YOUNG,), "SyntaxError"),
}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    root = tmp_path_factory.mktemp("program")
    (root / "program.py").write_text(PROGRAM)
    (root / "test_program.py").write_text(TESTS)
    return Trials(root, tmp_path_factory.mktemp("copies"))


def mutant_of(before: str, after: str, tests: tuple[str, ...]) -> Mutant:
    return Mutant("one", "a guard", "program.py", before, after, promise="a promise", tests=tests)


@pytest.mark.parametrize("which", MUTANTS)
def test_what_becomes_of(which: str, trials: Trials) -> None:
    verdict, before, after, tests, words = MUTANTS[which]
    outcome = trials.try_one(mutant_of(before, after, tests))
    assert outcome.verdict is verdict, outcome.words
    assert words in outcome.words


def test_tests_that_are_red_anyway_are_told_first(trials: Trials, tmp_path: Path) -> None:
    assert trials.red_already([mutant_of("days > 2", "True", (YOUNG, DUE))]) is None
    (tmp_path / "program.py").write_text(PROGRAM.replace("2", "0"))
    (tmp_path / "test_program.py").write_text(TESTS)
    wrong = Trials(tmp_path, tmp_path.parent / f"{tmp_path.name}-copies")
    assert "must be green on the tree as it is" in (wrong.red_already([mutant_of("days", "x", (YOUNG,))]) or "")
