"""The mutants: guards of the program, each of which is taken away in one small file of this folder.

A file in `guards/` says which text is taken away (`before`, which must stand exactly once in `file`), what is put in
its place (`after`), which promise of docs/guarantees-tests.md breaks without it, and the tests that must go red. One in
`equivalent/` says why no test can. Files and tests are named by the end of their path, enough of it to be the only
one, so that a mutant goes with a folder that moves.
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = Path("docs") / "guarantees-tests.md"
BEGIN, END = "<!-- mutants -->\n", "<!-- end of the mutants -->\n"
# A folder of these names holds nothing that the program is made of.
LEFT_OUT = {
    ".git",
    ".venv",
    ".state",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".import_linter_cache",
    "__pycache__",
}
_PROMISES_END = "\n## What is taken away to see a test fail"
_ALL = {"guard", "file", "before", "after"}
_OF_GUARDS, _OF_EQUIVALENT = {*_ALL, "promise", "tests"}, {*_ALL, "reason"}


class NoLongerAppliesError(Exception):
    """The mutant and the tree do not fit together any more; the message says what to mend."""


@dataclass(frozen=True)
class Mutant:
    """One guard that is taken away; `reason` is why no test can tell, for one that is equivalent to the program."""

    name: str
    guard: str
    file: str
    before: str
    after: str
    promise: str = ""
    tests: tuple[str, ...] = ()
    reason: str = ""


def load(folder: str) -> list[Mutant]:
    """The mutants of `guards` or `equivalent`, by name.

    Raises:
        NoLongerAppliesError: a file does not say what it has to.
    """
    wanted = _OF_GUARDS if folder == "guards" else _OF_EQUIVALENT
    found = []
    for path in sorted((HERE / folder).rglob("*.toml")):
        name = path.relative_to(HERE / folder).with_suffix("").as_posix()
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        if {key for key, value in said.items() if value or key == "after"} != wanted:
            raise NoLongerAppliesError(f"{name}: a mutant has {', '.join(sorted(wanted))}, and nothing else")
        tests = tuple(said.pop("tests", ()))
        found.append(Mutant(name=name, tests=tests, **said))
    return found


class Tree:
    """A folder with the project's files."""

    def __init__(self, root: Path) -> None:
        """Lists them once."""
        self.root = root
        self._tests: dict[Path, set[str]] = {}
        self._files = [
            (Path(folder) / name).relative_to(root).as_posix() for folder, _, names in _walk(root) for name in names
        ]

    def path(self, ending: str) -> Path:
        """The one file whose path ends so.

        Raises:
            NoLongerAppliesError: none does, or several.
        """
        found = [name for name in self._files if f"/{name}".endswith(f"/{ending}")]
        if len(found) != 1:
            raise NoLongerAppliesError(f"{ending!r} is the end of {len(found)} paths ({', '.join(found[:3])})")
        return self.root / found[0]

    def mutated(self, mutant: Mutant) -> str:
        """The text of the mutant's file without the guard.

        Raises:
            NoLongerAppliesError: the guard does not stand there exactly once.
        """
        text = self.path(mutant.file).read_text(encoding="utf-8")
        times = text.count(mutant.before)
        if times != 1:
            raise NoLongerAppliesError(
                f"{mutant.name}: its 'before' stands {times} times in {mutant.file}; if the guard was rewritten, "
                f"rewrite the mutant, and if it is gone, say in the commit what holds its promise now"
            )
        return text.replace(mutant.before, mutant.after)

    def test(self, name: str) -> str:
        """The test's id for pytest, from the end of its file's path, `::` and its function, maybe with parameters.

        Raises:
            NoLongerAppliesError: there is no such test.
        """
        ending, _, function = name.partition("::")
        path = self.path(ending)
        if function.partition("[")[0] not in self._functions(path):
            raise NoLongerAppliesError(f"{ending} has no test {function}")
        return f"{path.relative_to(self.root).as_posix()}::{function}"

    def _functions(self, path: Path) -> set[str]:
        if path not in self._tests:
            parsed = ast.parse(path.read_text(encoding="utf-8"))
            self._tests[path] = {node.name for node in parsed.body if isinstance(node, ast.FunctionDef)}
        return self._tests[path]

    @cached_property
    def promises(self) -> list[str]:
        """The promises of docs/guarantees-tests.md, as its tables word them."""
        text = (self.root / PAGE).read_text(encoding="utf-8").partition(_PROMISES_END)[0]
        rows = re.findall(r"^\| (.+?) \| .*`test_.*\|$", text, flags=re.MULTILINE)
        return [row.strip() for row in rows]


def _walk(root: Path) -> list[tuple[str, list[str], list[str]]]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        found.append((folder, folders, names))
    return found


def todays(mutants: list[Mutant], day: date, most: int) -> list[Mutant]:
    """Some of the mutants; those of the days one after the other are all of them."""
    first = day.toordinal() * most
    return [mutants[(first + number) % len(mutants)] for number in range(min(most, len(mutants)))]


def page_of(tree: Tree, mutants: list[Mutant]) -> str:
    """docs/guarantees-tests.md with the list of the mutants of each promise."""
    before, _, rest = (tree.root / PAGE).read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    lines = [
        f"| {promise} | {', '.join(f'`{mutant.name}`' for mutant in mutants if mutant.promise == promise)} |\n"
        for promise in tree.promises
        if any(mutant.promise == promise for mutant in mutants)
    ]
    return f"{before}{BEGIN}| promise | mutants |\n|---|---|\n{''.join(lines)}{END}{after}"
