"""The output of a COPY, as libpq receives it: rows in lists, so that no row costs a call through the driver."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

# How much the lists of rows hold: enough that whatever is done with one is done seldom.
_BATCH_BYTES = 1 << 18
# What libpq answers when it has no whole row yet.
_NOT_YET = 0

# A line of COPY's output, as libpq hands it over.
Line = bytes | bytearray | memoryview


class CopyOut:
    """A running COPY TO STDOUT."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Read what the connection's COPY sends.

        `rows` is what the server counted, once the copy has ended; `size` are the bytes of the rows read so far.
        """
        self._connection = connection
        self._ended = False
        self.rows = -1
        self.size = 0

    def batches(self) -> Iterator[list[Line]]:
        """Yield the output in lists of rows, 256 KiB or a little more at a time; the server sends row by row.

        Raises:
            psycopg.Error: the server broke the COPY off, or the connection was lost.
        """
        while rows := self._connection.wait(self._read_batch()):
            yield rows

    def _read_batch(self) -> Generator[Wait, Ready | int, list[Line]]:
        """Take rows as long as there are some, and wait only where none has come."""
        rows: list[Line] = []
        if self._ended:
            return rows
        pgconn, size = self._connection.pgconn, 0
        # Looked up once: this runs for every row.
        take, keep = pgconn.get_copy_data, rows.append
        while size < _BATCH_BYTES:
            found, row = take(1)
            if found > _NOT_YET:
                keep(row)
                size += found
            elif found == _NOT_YET:
                yield from _receive(pgconn)
            else:
                self._ended = True
                ending = yield from _read_ending(pgconn)
                if ending is None or ending.status != ExecStatus.COMMAND_OK:
                    raise self._translate(ending)
                self.rows = ending.command_tuples or 0
                break
        self.size += size
        return rows

    def _translate(self, ending: PGresult | None) -> psycopg.Error:
        if ending is None:
            return psycopg.OperationalError("the COPY ended without a word of the server")
        return psycopg.errors.error_from_result(ending, self._connection.info.encoding)


def _receive(pgconn: PGconn) -> Generator[Wait, Ready | int, None]:
    while not (yield Wait.R):
        pass
    pgconn.consume_input()


def _read_ending(pgconn: PGconn) -> Generator[Wait, Ready | int, PGresult | None]:
    """Return what the server says of the whole COPY, the first error if there was one, when it has said all."""
    ending: PGresult | None = None
    while True:
        while pgconn.is_busy():
            yield from _receive(pgconn)
        result = pgconn.get_result()
        if result is None:
            return ending
        if ending is None or ending.status == ExecStatus.COMMAND_OK:
            ending = result
