"""One call of a routine of users, as this side of the connection lives through it.

It may take hours, print without end, raise errors that hold rows, and refuse to be cancelled. So the answer is waited
for piece by piece: of what it says only the beginning is kept, and whoever does not end when told to is left behind.
"""

from __future__ import annotations

import os
import re
import resource
import selectors
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import ExecStatus

from pg_archiver.postgres.server_words import tell_failure
from pg_archiver.runtime.stopping import Stop

# Of what a call prints, and of the error that it ends with, in bytes of UTF-8.
MOST_KEPT = 8192
# What is kept of each part of an error at least, so that a long message leaves room for where it came from.
_LEAST_OF_PART = 1024
# How much a single message may make this process grow: the driver takes each into memory whole.
MOST_GROWN_BYTES = 128 << 20
# The driver reads on as long as there is something to read; so there must not be much at a time.
_RECEIVED_AT_A_TIME = 1 << 16
_POLL_SECONDS = 0.1
_SENDING_SECONDS = 0.01
_CANCEL_SECONDS = 1.0
_CANCEL_AGAIN_SECONDS = 1.0
# Airflow kills a task's process five seconds after it asked it to end, and the end is to be recorded before.
PATIENCE_OF_STOPPED_SECONDS = 2.0
_PARAMETER = re.compile(rb"%%|%\((\w+)\)s")
_LOST = "08006"
_CANCELLED = "57014"
_TOO_MUCH = "54000"


@dataclass(frozen=True)
class CallError:
    """What a call ended with.

    Attributes:
        sqlerrcode: the SQLSTATE; None where the server was not asked.
        message: the server's words with their detail, hint and context. It may hold rows: for the database alone in
            which the routine ran.
        told: SQLSTATE, its name, the function and the line, for a log.
    """

    sqlerrcode: str | None
    message: str
    told: str


@dataclass(frozen=True)
class CallEnd:
    """How a call ended: without `error` it succeeded. `output` is what it printed, and may hold rows as well.

    `left` says that the routine may still run: the connection was given up.
    """

    output: str
    error: CallError | None = None
    left: bool = False


def cut(text: str, most: int) -> str:
    """Return so much of a text that it has this many bytes in UTF-8 at most, and that it was cut."""
    text = text.replace("\x00", "")
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return encoded.decode()
    told = " … (cut)"
    return encoded[: most - len(told.encode())].decode("utf-8", "ignore") + told


class _Output:
    """What the call prints, as much as is kept of it."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._bytes = 0
        self._left_out = 0

    def add(self, diag: errors.Diagnostic) -> None:
        """Take a notice in."""
        if self._bytes >= MOST_KEPT:
            self._left_out += 1
            return
        parts = (diag.message_primary, diag.message_detail, diag.message_hint)
        line = f"{diag.severity_nonlocalized or diag.severity}: " + " | ".join(part for part in parts if part)
        # Even of a text of megabytes no more than this is encoded.
        line = cut(line[:MOST_KEPT], MOST_KEPT)
        self._lines.append(line)
        self._bytes += len(line.encode()) + 1

    def __str__(self) -> str:
        told = f"\n… and {self._left_out} more" if self._left_out else ""
        return cut("\n".join(self._lines), MOST_KEPT - len(told.encode())) + told


class Call:
    """A call that runs on a connection."""

    def __init__(self, connection: psycopg.Connection[Any], stop: Stop, longest_seconds: float) -> None:
        """Prepare for one call, of which this side waits so long for an end."""
        self._connection = connection
        self._stop = stop
        self._deadline = time.monotonic() + longest_seconds
        self._output = _Output()
        self._error: CallError | None = None
        self._cancelled_at: float | None = None

    def run(self, text: bytes, values: Mapping[str, str]) -> CallEnd:
        """Send the statement and return how it ended.

        Args:
            text: the statement as the driver has it, with `%(name)s` for values.
            values: what stands for these.

        Raises:
            psycopg.Error: the statement could not even be sent.
        """
        sent, parameters = _number_parameters(text, values)
        self._connection.add_notice_handler(self._output.add)
        try:
            self._connection.pgconn.send_query_params(sent, parameters)
            left = self._await_end()
        except psycopg.Error as error:
            # The connection is gone. An error that came before it says why.
            self._error = self._error or _lost(error)
            left = True
        finally:
            self._connection.remove_notice_handler(self._output.add)
        if left:
            self._connection.close()
        return CallEnd(str(self._output), self._error, left)

    def _await_end(self) -> bool:
        """Read until the server has no more to say; return whether it was given up before."""
        pgconn = self._connection.pgconn
        _receive_little_at_a_time(pgconn.socket)
        most = _peak_bytes() + MOST_GROWN_BYTES
        with selectors.DefaultSelector() as selector:
            selector.register(pgconn.socket, selectors.EVENT_READ)
            while True:
                # A command that does not fit the socket is sent on.
                selector.select(_POLL_SECONDS if not pgconn.flush() else _SENDING_SECONDS)
                pgconn.consume_input()
                while not pgconn.is_busy():
                    if (result := pgconn.get_result()) is None:
                        return False
                    if result.status == ExecStatus.FATAL_ERROR:
                        self._error = _describe(errors.error_from_result(result, encoding="utf-8"))
                if _peak_bytes() > most:
                    self._error = _own_error(_TOO_MUCH, "one message of it is too large to be taken in")
                    return True
                if self.is_late():
                    self._error = _own_error(_CANCELLED, "it does not end although it was cancelled")
                    return True

    def is_late(self) -> bool:
        """Cancel the call if the task has to end; return whether it should have ended by now."""
        now = time.monotonic()
        if self._stop() and (self._cancelled_at is None or now - self._cancelled_at >= _CANCEL_AGAIN_SECONDS):
            if self._cancelled_at is None:
                self._deadline = min(self._deadline, now + PATIENCE_OF_STOPPED_SECONDS)
            self._cancelled_at = now
            with suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
        return now > self._deadline


def _number_parameters(text: bytes, values: Mapping[str, str]) -> tuple[bytes, list[bytes]]:
    """Return a statement as the server reads it, and its values in their order."""
    parameters: list[bytes] = []

    def number(place: re.Match[bytes]) -> bytes:
        if place[1] is None:
            return b"%"
        parameters.append(values[place[1].decode()].encode())
        return b"$%d" % len(parameters)

    return _PARAMETER.sub(number, text), parameters


def _receive_little_at_a_time(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_AT_A_TIME)


def _peak_bytes() -> int:
    """Return the most memory that this process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _describe(error: psycopg.Error) -> CallError:
    diag = error.diag
    parts = [
        (diag.message_primary or str(error), ""),
        (diag.message_detail, "DETAIL:  "),
        (diag.message_hint, "HINT:  "),
        (diag.context, "CONTEXT:  "),
    ]
    present = [f"{title}{text[:MOST_KEPT]}" for text, title in parts if text]
    # What is short leaves its room to what is long.
    room, kept = MOST_KEPT, []
    for number, part in enumerate(present):
        least = (len(present) - number - 1) * _LEAST_OF_PART
        kept.append(cut(part, room - least))
        room -= len(kept[-1].encode()) + 1
    return CallError(error.sqlstate or _LOST, "\n".join(kept), tell_failure(error))


def _lost(error: psycopg.Error) -> CallError:
    words = "the connection was lost, so whether its last transaction was committed is not known"
    return CallError(_LOST, cut(f"{words}\n{error}", MOST_KEPT), f"{_LOST} connection_failure: {words}")


def _own_error(sqlerrcode: str, words: str) -> CallError:
    name = errors.lookup(sqlerrcode).__name__
    return CallError(sqlerrcode, f"{words}, so the connection was given up", f"{sqlerrcode} {name}: {words}")
