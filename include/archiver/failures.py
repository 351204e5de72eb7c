"""What failed of several windows, so that one bad window keeps no other one from its turn.

The step goes on with the windows that are left, and fails at its end with what each of them said. It goes on only
while that makes sense: not when the connection is gone, or what failed concerns the whole table or bucket.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from include.archiver.database import Database
from include.archiver.errors import (
    ArchiverError,
    Busy,
    Interrupted,
    LockWait,
    SettingError,
    Stopped,
    StorageInterrupted,
    StorageRefused,
    TableRefused,
    Unfinished,
)
from include.archiver.models import DueWindow

log = logging.getLogger(__name__)

_OF_ALL_WINDOWS = (SettingError, StorageRefused, TableRefused, Stopped)
# S3 that cannot be reached, or a lock that is not given up, makes each window wait for minutes.
_WAITED_FOR = (StorageInterrupted, Busy, LockWait)
_MOST_IN_A_ROW = 3


@dataclass
class Turn:
    """One window's turn: whether it came to a good end."""

    passed: bool = False


class Failures:
    """The failures of one step over several windows."""

    def __init__(self, database: Database) -> None:
        """None so far; `database` is the connection without which no window can go on."""
        self._database = database
        self._failures: list[ArchiverError] = []
        self._in_a_row = 0

    @contextmanager
    def of(self, window: DueWindow) -> Generator[Turn]:
        """Around the work on one window: what it raises is kept for the end, where the next one can still go on.

        Raises:
            ArchiverError: the next one cannot; it speaks of the failures before as well.
        """
        turn = Turn()
        try:
            yield turn
        except ArchiverError as failure:
            self._failures.append(failure)
            self._in_a_row = self._in_a_row + 1 if isinstance(failure, _WAITED_FOR) else 0
            if self._is_hopeless(failure):
                raise _together(self._failures) from None
            # The message is whole; a trace would bury it.
            log.error("window %s: %s", window, failure)  # noqa: TRY400
        else:
            turn.passed = True
            self._in_a_row = 0

    def settle(self) -> None:
        """At the end: fails if any window did.

        Raises:
            ArchiverError: the one failure there was; of several, `Interrupted` if any of them may pass by itself.
        """
        if self._failures:
            raise _together(self._failures)

    def _is_hopeless(self, failure: ArchiverError) -> bool:
        return isinstance(failure, _OF_ALL_WINDOWS) or self._database.closed or self._in_a_row >= _MOST_IN_A_ROW


def _together(failures: Sequence[ArchiverError]) -> ArchiverError:
    last = failures[-1]
    if len(failures) == 1 or isinstance(last, Stopped):
        return last
    kinds = {type(failure) for failure in failures}
    text = "; ".join(dict.fromkeys(map(str, failures)))
    if len(kinds) == 1 and type(last).__init__ is ArchiverError.__init__:
        return type(last)(text)
    return Interrupted(text) if any(isinstance(one, Interrupted) for one in failures) else Unfinished(text)
