"""The folder of functions as Airflow's tasks see it: loaded once a process, and again when a file of it has changed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pg_archiver.errors import ArchiverError
from pg_archiver.events.loading import Functions, functions_folder, load_functions

_Stamp = tuple[tuple[str, int], ...]


def load_event_functions() -> Functions:
    """Return what the folder of functions has registered: the one that ARCHIVER_FUNCTIONS names, or include/functions.

    Raises:
        SettingError: there is no such folder.
    """
    folder = functions_folder()
    try:
        stamp = tuple(sorted((path.name, path.stat().st_mtime_ns) for path in folder.glob("*.py")))
    except OSError:
        stamp = ()
    return _load(folder, stamp)


def say_why_no_function(name: str) -> str | None:
    """Return why no function of this name can run, None if it can."""
    try:
        load_event_functions().find(name)
    except ArchiverError as error:
        return str(error)
    return None


@lru_cache(maxsize=1)
def _load(folder: Path, _stamp: _Stamp) -> Functions:
    return load_functions(folder)
