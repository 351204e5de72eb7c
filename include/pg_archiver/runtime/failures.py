"""What failed of several windows or partitions, so that a bad one keeps no other one from its turn.

The step continues with the windows that are left, and fails at its end with what each of them said. It continues only
while that makes sense: not when the connection is gone, or what failed concerns the whole table or bucket.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pg_archiver.domain.tables import Partition
from pg_archiver.domain.windows import DueWindow
from pg_archiver.errors import (
    ArchiverError,
    Busy,
    CheckFailed,
    Interrupted,
    LockWait,
    NotEnabled,
    OwnedElsewhere,
    SettingError,
    Stopped,
    StorageInterrupted,
    StorageRefused,
    TableRefused,
    Unfinished,
)

log = logging.getLogger(__name__)

_OF_ALL_WINDOWS = (NotEnabled, OwnedElsewhere, SettingError, StorageRefused, TableRefused)
# S3 that cannot be reached, or a lock that is not released, makes each window wait for minutes, and a statement that
# meets its limit for an hour.
_WAITED_FOR = (StorageInterrupted, Busy, LockWait)
_LONG_SECONDS = 60.0
_MOST_LONG = 3
_MOST_TOLD = 10


class Connection(Protocol):
    """What every window needs, and without which none can continue."""

    @property
    def closed(self) -> bool:
        """Whether it has ended, or was lost."""
        ...


@dataclass
class Turn:
    """One window's turn: whether it succeeded."""

    passed: bool = False


class Failures:
    """The failures of one step over several windows."""

    def __init__(self, session: Connection) -> None:
        """Start without failures."""
        self._session = session
        self._failures: list[ArchiverError] = []
        self._long = 0

    @contextmanager
    def collect(self, window: DueWindow | Partition) -> Generator[Turn]:
        """Wrap the work on one window or partition: what it raises is kept for the end, if the next one can continue.

        Raises:
            Stopped: the work was told to stop, which is no failure.
            ArchiverError: the next one cannot continue; it speaks of the failures before as well.
        """
        turn, began = Turn(), time.monotonic()
        try:
            yield turn
        except Stopped:
            raise
        except ArchiverError as failure:
            self._failures.append(failure)
            # A refusal that took long had much to read, and says nothing of the windows after it.
            long = isinstance(failure, Interrupted) and time.monotonic() - began > _LONG_SECONDS
            waited = isinstance(failure, _WAITED_FOR) or long
            self._long += waited
            if self._is_hopeless(failure):
                raise _join_failures(self._failures) from None
            # The message is whole; a trace would bury it.
            name = str(window) if isinstance(window, Partition) else f"window {window}"
            log.error("%s", failure if str(window) in str(failure) else f"{name}: {failure}")  # noqa: TRY400
        else:
            turn.passed = True

    def end_with(self, work: Callable[[], None]) -> None:
        """Do what ends the step for all windows; if it fails, that is told with their failures, and hides none of them.

        Raises:
            Stopped: the work was told to stop, which is no failure.
        """
        try:
            work()
        except Stopped:
            raise
        except ArchiverError as failure:
            self._failures.append(failure)

    def settle(self, *others: Failures) -> None:
        """Fail at the end if any window did, in this step or in one of the others.

        Raises:
            ArchiverError: the one failure there was; of several, `Interrupted` if any of them may pass by itself.
        """
        if failures := [failure for one in (self, *others) for failure in one._failures]:  # noqa: SLF001 (its own kind)
            raise _join_failures(failures)

    def _is_hopeless(self, failure: ArchiverError) -> bool:
        return isinstance(failure, _OF_ALL_WINDOWS) or self._session.closed or self._long >= _MOST_LONG


def _join_failures(failures: Sequence[ArchiverError]) -> ArchiverError:
    last = failures[-1]
    if len(failures) == 1:
        return last
    kinds = {type(failure) for failure in failures}
    told = list(dict.fromkeys(map(str, failures)))
    more = [f"and {len(told) - _MOST_TOLD} more, which the log above has"] if len(told) > _MOST_TOLD else []
    text = "; ".join([*told[:_MOST_TOLD], *more])
    if len(kinds) == 1 and type(last).__init__ is ArchiverError.__init__:
        return type(last)(text)
    if any(isinstance(one, CheckFailed) for one in failures):
        # What came back damaged has been noted down by now, and a further try would find nothing wrong with it.
        return CheckFailed(text)
    return Interrupted(text) if any(isinstance(one, Interrupted) for one in failures) else Unfinished(text)
