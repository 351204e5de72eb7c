"""The folder of functions: each of its modules is loaded under a name of its own, and nothing else is.

A name in a database never leads to an import. It is looked up among the functions that the folder's modules registered
when they were loaded, and a module that cannot be loaded takes nothing but its own functions with it.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import ModuleType

from pg_archiver.errors import FunctionRefused, SettingError
from pg_archiver.events.failures import name_error
from pg_archiver.events.functions import EventFunction, collect_functions

VARIABLE = "ARCHIVER_FUNCTIONS"
DEFAULT_FOLDER = Path(__file__).parents[2] / "functions"
_TESTS = re.compile(r"test_.*|.*_test|conftest")
_numbers = count(1)


@dataclass(frozen=True)
class Functions:
    """What a folder has registered.

    Attributes:
        folder: the folder.
        by_name: the functions that can be used.
        refused: why those cannot whose name two functions have.
        broken: what is wrong with each module that could not be loaded, and so registers nothing.
    """

    folder: Path
    by_name: Mapping[str, EventFunction]
    refused: Mapping[str, str]
    broken: tuple[str, ...]

    def find(self, name: str) -> EventFunction:
        """Return the function of this name.

        Raises:
            FunctionRefused: there is none, or it cannot be used.
        """
        if (found := self.by_name.get(name)) is not None:
            return found
        if name in self.refused:
            raise FunctionRefused(self.refused[name])
        message = (
            f"there is no function {_cut(name)!r} in {self.folder}. Its events wait. Fix: register one there with "
            "@event_function, or correct function_name of the job"
        )
        if self.broken:
            message += f". It may be in what could not be loaded: {'; '.join(self.broken)}"
        raise FunctionRefused(message)


def functions_folder() -> Path:
    """Return the folder of functions: the one that ARCHIVER_FUNCTIONS names, else include/functions."""
    return Path(os.environ.get(VARIABLE) or DEFAULT_FOLDER)


def load_functions(folder: Path) -> Functions:
    """Load every module of a folder and return what they register.

    Files whose names begin with `_` are for the others to import (`from . import _shared`), and tests are left alone.

    Raises:
        SettingError: there is no such folder.
    """
    if not folder.is_dir():
        raise SettingError(
            f"the folder of functions {folder} is not there. No function was loaded. Fix: create it, or let "
            f"{VARIABLE} name another"
        )
    root = folder.resolve()
    package = _make_package(root)
    broken: dict[str, str] = {}
    with collect_functions() as found:
        for path in sorted(root.glob("*.py")):
            if path.stem.startswith("_") or _TESTS.fullmatch(path.stem):
                continue
            if reason := _refuse_file(root, path) or _load(root, f"{package}.{path.stem}"):
                broken[f"{package}.{path.stem}"] = f"{path.name}: {reason}"
    usable = [function for function in found if function.module not in broken]
    by_name, refused = _divide(usable)
    return Functions(folder, by_name, refused, tuple(broken.values()))


def _make_package(root: Path) -> str:
    """Make a package of which the folder's modules are the members, under a name that nobody else has."""
    package = ModuleType(f"archiver_functions_{next(_numbers)}")
    package.__path__ = [str(root)]
    sys.modules[package.__name__] = package
    # What was written a moment ago is to be seen.
    importlib.invalidate_caches()
    return package.__name__


def _refuse_file(root: Path, path: Path) -> str | None:
    if not path.stem.isidentifier():
        return "its name is no name of a module. It was not loaded. Fix: take letters, digits and '_'"
    if not path.resolve().is_relative_to(root):
        return "it is a link to a file outside of the folder. It was not loaded. Fix: put the file itself there"
    return None


def _load(root: Path, name: str) -> str | None:
    """Import a module; return what is wrong with it, None if nothing is."""
    try:
        importlib.import_module(name)
    except FunctionRefused as refusal:
        return str(refusal)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever a module of users may raise is that module's own)
        return (
            f"{name_error(error, root)} when it was imported. None of its functions can be used, and their events "
            "wait. Fix: correct it, so that a test of yours can import it"
        )
    return None


def _divide(functions: list[EventFunction]) -> tuple[dict[str, EventFunction], dict[str, str]]:
    """Return those whose name is theirs alone, and why the others cannot be used."""
    same: defaultdict[str, list[EventFunction]] = defaultdict(list)
    for function in functions:
        same[function.name].append(function)
    refused = {
        name: f"{len(found)} functions have the name {name!r}: {'; '.join(one.place for one in found)}. None of them "
        "is run, and their events wait. Fix: give each a name of its own"
        for name, found in same.items()
        if len(found) > 1
    }
    return {name: found[0] for name, found in same.items() if len(found) == 1}, refused


def _cut(text: str) -> str:
    return text if len(text) <= 2 * 100 else text[: 2 * 100] + "..."
