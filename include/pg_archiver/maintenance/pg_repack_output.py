"""What the client of pg_repack says: which of its lines may be told, and whether what it failed at may pass."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import IO

log = logging.getLogger(__name__)

_LEVEL = re.compile(r"(?:INFO|NOTICE|LOG|WARNING|ERROR|FATAL|PANIC): .*")
_QUERY_FAILED = re.compile(r"(.*query failed: )(.*)")
# What the server says by itself, as an index expression of a user may have it say: the driver passes it on with two
# spaces, where the client's own lines have one.
_SERVERS = re.compile(r"((?:INFO|NOTICE|LOG|WARNING):)  .*")
# Of what the server answers to a statement, only words that cannot hold a row's content. Time may fix these ...
_PASSING = re.compile(
    r"ERROR:\s+(?:canceling statement .*|deadlock detected|could not extend file .*|could not write .*|"
    r".*No space left on device|out of (?:shared )?memory)|FATAL:\s+terminating connection .*|"
    r"server closed the connection .*"
)
# ... and nothing but a person these.
_LASTING = re.compile(
    r"ERROR:\s+(?:permission denied .*|must be .*|row is too big: size \d+, maximum size \d+|"
    r'index row (?:size|requires) \d+ .*|could not create unique index "[^"]*"|'
    r"invalid page in block \d+ of relation \S+|could not read blocks? .*|"
    r"(?:missing|unexpected) chunk number \d+ .*for toast value \d+ in pg_toast_\d+)"
)
_UNTOLD = "the server's words may hold a row, and are in its own log"


@dataclass
class Output:
    """What the client said; the threads that read it and those that judge it do so one after the other.

    `lasting` tells whether a statement failed for a reason by which it would fail again, or for one that is not known.
    """

    lines: list[str] = field(default_factory=list)
    lasting: bool = False

    def has_said(self, pattern: re.Pattern[str]) -> bool:
        """Return whether a line has this in it."""
        return any(pattern.search(line) for line in self.lines)

    @property
    def last(self) -> str:
        """The last trouble it told of."""
        troubles = [line for line in self.lines if line.startswith(("ERROR", "FATAL", "WARNING", "PANIC"))]
        return troubles[-1] if troubles else "it did not say why"

    def read(self, stream: IO[str], what: str, secret: str) -> None:
        """Take in all lines until the client has ended, and put those into the log that may be told."""
        with stream:
            for line in stream:
                if told := self._censor(line.rstrip("\n"), secret):
                    self.lines.append(told)
                    log.info("%s: %s", what, told)

    def _censor(self, line: str, secret: str) -> str | None:
        """Return what of a line may be told: no further lines, which quote statements and rows, and no secret."""
        if not _LEVEL.fullmatch(line):
            return None
        if failed := _QUERY_FAILED.fullmatch(line):
            passing, lasting = _PASSING.fullmatch(failed[2]), _LASTING.fullmatch(failed[2])
            self.lasting = not passing
            line = f"{failed[1]}{failed[2] if passing or lasting else _UNTOLD}"
        elif servers := _SERVERS.fullmatch(line):
            line = f"{servers[1]} {_UNTOLD}"
        return line.replace(secret, "***") if secret else line
