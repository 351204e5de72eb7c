"""Trying mutants: each in a copy of the tree of its own, by a pytest of its own with servers of its own."""

from __future__ import annotations

import compileall
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from tests.mutants.catalogue import LEFT_OUT, Mutant, NoLongerAppliesError, Tree

AT_ONCE = 2
# The longest of the tests that are named takes a tenth of this by itself.
LONGEST_SECONDS = 240.0
# A mutant of a statement that no server takes would be killed by anything.
STATEMENTS = "test_statements.py::test_every_statement_runs_on_a_real_server"
# A mutant that raises one of these is no program without a guard, but no program.
_BROKEN = re.compile(
    r'^(failed on \w+ with ")?(SyntaxError|IndentationError|ImportError|ModuleNotFoundError|NameError|'
    r"UnboundLocalError|(\w+\.)*StatementError)\b"
)
_TESTS_FAILED = 1
_NOTHING_RUN = 5


class Verdict(StrEnum):
    """What became of a mutant: only the first is well."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    FAULTY = "FAULTY"


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant, in words, and how long it took."""

    mutant: Mutant
    verdict: Verdict
    words: str
    seconds: float

    def __str__(self) -> str:
        line = f"{self.verdict:<8}  {self.mutant.name:<44} {self.seconds:5.1f} s"
        return line if self.verdict is Verdict.KILLED else f"{line}  {self.words}"


@dataclass(frozen=True)
class _Case:
    module: str
    name: str
    error: str | None

    def is_of(self, test: str) -> bool:
        """Whether it is this test, or one of its cases if the test is named without parameters."""
        path, _, function = test.partition("::")
        module = path.removesuffix(".py").replace("/", ".")
        return self.module == module and function in {self.name, self.name.partition("[")[0]}


class Trials:
    """Tries mutants of one tree."""

    def __init__(self, root: Path, folder: Path, at_once: int = AT_ONCE) -> None:
        """Copies go below `folder`, `at_once` of them."""
        self._at_once = at_once
        self._folder = folder
        self._original = folder / "original"
        _copy(root, self._original)

    def compile_ahead(self) -> None:
        """Pays where there are many mutants to try."""
        # These hold good for exactly the text that they were made of, however fast a copy of it is changed.
        compileall.compile_dir(self._original, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)

    def red_already(self, mutants: Sequence[Mutant]) -> str | None:
        """What is wrong with the mutants' tests on the tree as it is; None if all of them are green."""
        tree = Tree(self._original)
        tests = sorted({tree.test(test) for mutant in mutants for test in mutant.tests})
        done = self._run(self._original, [*tests, "--numprocesses", str(self._at_once)], LONGEST_SECONDS * len(tests))
        return f"{done.words}\nthese tests must be green on the tree as it is" if done.status else None

    def broken_statements(self, mutants: Sequence[Mutant]) -> str | None:
        """What a server has against the statements without their guards; None if it takes all of them.

        Several files are changed at once, and of each of them one guard at a time.
        """
        left = [mutant for mutant in mutants if mutant.file.endswith(".sql") and "migrations/" not in mutant.file]
        while left:
            some = list({mutant.file: mutant for mutant in left}.values())
            left = [mutant for mutant in left if mutant not in some]
            with self._copied() as root:
                tree = Tree(root)
                for mutant in some:
                    tree.path(mutant.file).write_text(tree.mutated(mutant), encoding="utf-8")
                done = self._run(root, [tree.test(STATEMENTS)], LONGEST_SECONDS)
                if done.status:
                    return f"{done.words}\na server does not take one of {', '.join(mutant.name for mutant in some)}"
        return None

    def tried(self, mutants: Sequence[Mutant]) -> Iterator[Outcome]:
        """What became of each, in the order in which they are done."""
        with ThreadPoolExecutor(self._at_once) as threads:
            yield from (one.result() for one in as_completed(threads.submit(self.try_one, one) for one in mutants))

    def try_one(self, mutant: Mutant) -> Outcome:
        """Takes the guard away in a copy and runs its tests there."""
        began = time.monotonic()
        with self._copied() as root:
            try:
                verdict, words = self._judged(Tree(root), mutant)
            except NoLongerAppliesError as reason:
                verdict, words = Verdict.FAULTY, str(reason)
        return Outcome(mutant, verdict, words, time.monotonic() - began)

    @contextmanager
    def _copied(self) -> Iterator[Path]:
        with TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as folder:
            root = Path(folder) / "tree"
            _copy(self._original, root, keep_compiled=True)
            yield root

    def _judged(self, tree: Tree, mutant: Mutant) -> tuple[Verdict, str]:
        tests = [tree.test(test) for test in mutant.tests]
        text, path = tree.mutated(mutant), tree.path(mutant.file)
        path.write_text(text, encoding="utf-8")
        first = ["-x"] if len(tests) == 1 else []
        done = self._run(tree.root, [*first, *tests], LONGEST_SECONDS)
        if done.status != _TESTS_FAILED:
            survived = not done.status and done.cases
            return (Verdict.SURVIVED, f"taken away: {mutant.guard}") if survived else (Verdict.FAULTY, done.words)
        for case in done.cases:
            if case.error and _BROKEN.match(case.error):
                return Verdict.FAULTY, f"it breaks the program: {case.error[:200]}"
        red = [test for test in tests if any(case.error and case.is_of(test) for case in done.cases)]
        if missing := [test for test in tests if test not in red]:
            return Verdict.SURVIVED, f"{', '.join(missing)} stays green without {mutant.guard}"
        return Verdict.KILLED, ""

    def _run(self, root: Path, arguments: Sequence[str], longest: float) -> _Done:
        with TemporaryDirectory(dir=self._folder) as folder:
            report = Path(folder) / "report.xml"
            command = [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--junitxml={report}", *arguments]
            try:
                ended = subprocess.run(
                    command, cwd=root, env=_environment(), capture_output=True, text=True, timeout=longest, check=False
                )
            except subprocess.TimeoutExpired:
                return _Done(_NOTHING_RUN, (), f"its tests had not ended after {longest:.0f} s")
            cases = tuple(_cases(report)) if report.exists() else ()
            return _Done(ended.returncode, cases, ended.stdout[-2000:] + ended.stderr[-1000:])


@dataclass(frozen=True)
class _Done:
    status: int
    cases: tuple[_Case, ...]
    words: str


def _cases(report: Path) -> Iterator[_Case]:
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (our own pytest wrote it)
        wrong = [part for part in case if part.tag in {"failure", "error"}]
        error = wrong[0].get("message", "") or "no message" if wrong else None
        yield _Case(case.get("classname", ""), case.get("name", ""), error)


def _copy(root: Path, to: Path, *, keep_compiled: bool = False) -> None:
    left_out = LEFT_OUT - {"__pycache__"} if keep_compiled else LEFT_OUT
    shutil.copytree(root, to, ignore=shutil.ignore_patterns(*left_out), symlinks=True)


def _environment() -> dict[str, str]:
    """That of a pytest which nobody has started from within another one, and which leaves nothing behind."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "AIRFLOW"))}
    return {**ours, "PYTHONDONTWRITEBYTECODE": "1"}
