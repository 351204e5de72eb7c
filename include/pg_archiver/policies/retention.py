"""N, the days to keep: what a person may write for it, and a value with where it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pg_archiver.errors import SettingError

KEEP_EVERYTHING = -1
DEFAULT_KEEP_DAYS = 2
# `keep_days` of a table whose N may come from the client's own Variable alone.
FROM_VARIABLE: Literal["variable"] = "variable"
MOST_KEEP_DAYS = 36_500

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class KeepDays:
    """N and where it came from."""

    days: int
    source: str

    @property
    def everything(self) -> bool:
        """Whether nothing is ever due."""
        return self.days == KEEP_EVERYTHING


def parse_keep_days(value: object, source: str) -> int:
    """Return N, the days to keep, from whatever a person wrote.

    Raises:
        SettingError: it is neither -1 nor a whole number from 0 to 36500; the message names `source`.
    """
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    days = int(text) if _WHOLE_NUMBER.fullmatch(text) else None
    # "-0" may be a slip of the pen for -1, which keeps everything.
    if days is None or not (text == str(KEEP_EVERYTHING) or (0 <= days <= MOST_KEEP_DAYS and text[0] != "-")):
        raise SettingError(
            f"{source} is {value!r}, which is not a number of days to keep. Nothing was archived or deleted. Fix: set "
            f"it to -1 to keep everything, or to a whole number of days from 0 to {MOST_KEEP_DAYS}"
        )
    return days
