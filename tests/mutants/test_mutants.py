"""Each mutant still fits the program, names tests that are there, and stands in the docs beside its promise."""

from __future__ import annotations

import ast
from datetime import date, timedelta

import pytest

from tests.mutants.catalogue import PAGE, ROOT, Mutant, Tree, load, page_of, todays

GUARDS, EQUIVALENT = load("guards"), load("equivalent")
TREE = Tree(ROOT)


@pytest.mark.parametrize("mutant", [*GUARDS, *EQUIVALENT], ids=lambda mutant: mutant.name)
def test_it_applies_exactly_once_and_is_a_program_still(mutant: Mutant) -> None:
    text = TREE.mutated(mutant)
    if mutant.file.endswith(".py"):
        ast.parse(text)


@pytest.mark.parametrize("mutant", GUARDS, ids=lambda mutant: mutant.name)
def test_it_names_tests_that_are_there_and_a_promise(mutant: Mutant) -> None:
    assert [TREE.test(test) for test in mutant.tests]
    assert mutant.promise in TREE.promises


def test_there_are_many_and_few_that_no_test_can_tell() -> None:
    assert len(GUARDS) >= 60
    assert len(EQUIVALENT) <= 5


def test_the_docs_name_them_beside_their_promises() -> None:
    """`python -m tests.mutants --write` writes them there."""
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page_of(TREE, GUARDS)


def test_the_samples_of_the_days_come_round_to_all_of_them() -> None:
    first = date(2026, 1, 31)
    days = [todays(GUARDS, first + timedelta(days=number), 2) for number in range(len(GUARDS))]
    assert {mutant.name for day in days for mutant in day} == {mutant.name for mutant in GUARDS}
    assert all(len(day) == 2 for day in days)
