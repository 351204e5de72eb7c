"""Errors of functions, in two wordings: whole, for the client's database alone, and without any content, for logs."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from pg_archiver.postgres.calls import MOST_KEPT, cut
from pg_archiver.postgres.server_words import tell_drivers_error

_NAME_IN_CODE = re.compile(r"[A-Za-z_][\w.]{0,99}")
_MOST_PLACES = 8


@dataclass(frozen=True)
class Failure:
    """Why a function failed.

    Attributes:
        message: the error's own words and the lines that it came by. It may hold rows and secrets, so it is for the
            client's database alone.
        told: which error it is and where, for a log.
    """

    message: str
    told: str

    @classmethod
    def of(cls, error: BaseException, folder: Path) -> Failure:
        """Describe an error that came out of a function of this folder."""
        words = "".join(traceback.format_exception_only(error)).strip()
        lines = [f"  {Path(file).name}, line {line}, in {name}" for file, line, name in _list_places(error, folder)]
        message = cut("\n".join([words[:MOST_KEPT], *lines[-_MOST_PLACES:]]), MOST_KEPT)
        return cls(message, name_error(error, folder))

    @classmethod
    def said(cls, words: str) -> Failure:
        """Return a failure that is ours to describe: the same words for both."""
        return cls(words, words)


def name_error(error: BaseException, folder: Path) -> str:
    """Return which error it is and where in the folder it was raised, without its words, which may hold anything."""
    name = tell_drivers_error(error) or type(error).__name__
    missing = getattr(error, "name", None) if isinstance(error, ImportError | NameError) else None
    if isinstance(missing, str) and _NAME_IN_CODE.fullmatch(missing):
        name = f"{name} ({missing})"
    places = _list_places(error, folder)
    return f"{name} in {Path(places[-1][0]).name}, line {places[-1][1]}" if places else name


def _list_places(error: BaseException, folder: Path) -> list[tuple[str, int | None, str]]:
    """Return file, line and function of each line of the folder that the error came by, the innermost last."""
    places: list[tuple[str, int | None, str]] = [
        (frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno, "<module>"))
    return [place for place in places if Path(place[0]).is_relative_to(folder)]
