"""What may happen to Postgres in the middle of an archive. Each function breaks one run and returns the table.

The caller runs plainly again and makes the full check.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from pg_archiver.domain.windows import DueWindow
from pg_archiver.errors import DatabaseInterrupted
from pg_archiver.postgres import session
from pg_archiver.postgres.base_session import SessionLimits
from pg_archiver.postgres.session import Line
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.uploads import Upload
from tests.faults.account import Account, Verdict
from tests.faults.archiving import Run
from tests.faults.comparing import compared
from tests.faults.place import Place, hours_ago
from tests.faults.postgres_proxy import Cut, PostgresProxy
from tests.faults.recorder import filled, with_table
from tests.support.concurrency import until

ROWS = 12
BATCH_SIZE = 5
# Wide enough that a COPY cannot hide in the sockets' buffers: the server is in the middle of it.
_WIDE_ROWS = 400
_WIDE_BYTES = 16_000
_BROKEN_PIECE = 3
_OURS = "datname = current_database() AND application_name LIKE 'archiver %'"

Breaking = Callable[[], object]
# Breaks a run on a new table of this name, and returns the table.
Broken = Callable[[Place, str], Place]


@dataclass
class _BrokenUpload:
    """Does something once, at the end."""

    upload: Upload
    breaking: list[Breaking]

    def write(self, data: bytes) -> None:
        self.upload.write(data)

    def finish(self) -> None:
        if self.breaking:
            self.breaking.pop()()
        self.upload.finish()


@dataclass(frozen=True)
class BreakingStore(Bucket):
    """Does something at the end of the first data object that is uploaded."""

    breaking: list[Breaking] = field(default_factory=list)

    @contextmanager
    def upload(self, key: str) -> Generator[Any]:
        with super().upload(key) as upload:
            yield upload if key.rsplit("/", 1)[1].startswith("_") else _BrokenUpload(upload, self.breaking)


@contextmanager
def breaking_copies(breaking: list[Breaking]) -> Generator[None]:
    """Does something in the middle of the first COPY, while its rows are compressed and uploaded."""
    batches = session.CopyOut.batches

    def broken(copy: session.CopyOut) -> Iterator[list[Line]]:
        for piece, batch in enumerate(batches(copy), 1):
            if piece == _BROKEN_PIECE and breaking:
                breaking.pop()()
            yield batch

    session.CopyOut.batches = broken  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        session.CopyOut.batches = batches  # type: ignore[method-assign]


def table_of(place: Place, name: str, *, keyed: bool = True, wide: bool = False) -> Place:
    """A table with one window of rows, or with many wide rows."""
    table = with_table(place, name, keyed=keyed, batch_size=BATCH_SIZE)
    rows = _WIDE_ROWS if wide else ROWS
    moments = [hours_ago(50 - number / 3600) for number in range(1, rows + 1)]
    filled(table, moments, noise=_WIDE_BYTES if wide else 0)
    return replace(table, order=replace(table.order, batch_size=_WIDE_ROWS // 3)) if wide else table


def terminate(place: Place) -> None:
    """Ends the archiver's sessions, as an administrator might."""
    place.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_OURS}")


def restart(place: Place) -> None:
    """Stops the server at once, as if its machine had died, and starts it again."""
    place.server.kill()
    place.server.start()


def cancel(place: Place) -> None:
    """Cancels the archiver's statement, as an administrator might."""
    place.sql(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {_OURS}")


def in_copy(breaking: Callable[[Place], None]) -> Broken:
    """Breaks in the middle of the COPY of the rows."""

    def broken(place: Place, name: str) -> Place:
        table = table_of(place, name, wide=True)
        once: list[Breaking] = [lambda: breaking(table)]
        with pytest.raises(DatabaseInterrupted), breaking_copies(once):
            Run.of(table).archive()
        assert not once, "the COPY was over before it could be broken"
        return table

    return broken


def in_delete(breaking: Callable[[Place], None], *, keyed: bool = True) -> Broken:
    """Breaks the second delete batch while it waits for a row that a user holds."""

    def broken(place: Place, name: str) -> Place:
        table = table_of(place, name, keyed=keyed)
        run, windows = checked(table)
        lock = f"SELECT FROM {table.relation} WHERE id = {BATCH_SIZE + 2} FOR UPDATE"
        with ThreadPoolExecutor(max_workers=1) as pool, holding(table, lock):
            deleting = pool.submit(run.delete, windows)
            until(lambda: waiting(table))
            breaking(table)
            with pytest.raises(DatabaseInterrupted):
                deleting.result()
        ((state, gone),) = progress(table)
        assert state == "stored"
        # A server that dies may take the first batch back, with its note.
        assert gone == BATCH_SIZE or (breaking is restart and not gone)
        assert table.rows() == ROWS - gone
        return table

    return broken


def cut_off(words: bytes, occurrence: int, *, delivered: bool, deleting: bool = False) -> Broken:
    """Cuts the connection at a message; if `delivered`, the server does what it says and the answer is dropped."""

    def broken(place: Place, name: str) -> Place:
        place.sql("DROP SCHEMA IF EXISTS archiver CASCADE")
        table = table_of(place, name)
        run = Run.of(table)
        windows = checked(table)[1] if deleting else []
        cut = Cut(words, occurrence, delivered)
        with PostgresProxy.started(table, cut) as proxy:
            proxied = replace(run, connect=proxy.connect)
            work = partial(proxied.delete, windows) if deleting else proxied.archive
            with pytest.raises(DatabaseInterrupted):
                work()
        assert cut.made
        return table

    return broken


def idle_too_long(place: Place, name: str) -> Place:
    """S3 takes its time while the snapshot is open, and the server ends a transaction that does nothing."""
    table = table_of(place, name)
    bucket = BreakingStore(table.client, table.bucket, breaking=[lambda: time.sleep(0.5)])
    limits = SessionLimits(idle=timedelta(milliseconds=100))
    with pytest.raises(DatabaseInterrupted):
        replace(Run.of(table, bucket), limits=limits).archive()
    return table


def checked(table: Place) -> tuple[Run, list[DueWindow]]:
    """A run that has only the delete before it."""
    run = Run.of(table)
    windows = run.plan()
    run.export(windows)
    run.check(windows)
    return run, windows


def progress(table: Place) -> list[Any]:
    statement = "SELECT state, deleted_rows FROM archiver.windows WHERE table_name = %s ORDER BY id"
    return table.sql(statement, table.order.table.name)


@contextmanager
def holding(place: Place, statement: str) -> Generator[None]:
    """A user's transaction that holds a lock; the server may be gone when it ends."""
    connection = place.server.connect(place.database, autocommit=False)
    try:
        connection.execute(statement.encode())
        yield
    finally:
        connection.close()


def waiting(place: Place) -> bool:
    """Whether a session of the archiver waits for somebody's lock."""
    return bool(place.sql(f"SELECT 1 FROM pg_stat_activity WHERE {_OURS} AND wait_event_type = 'Lock'"))


FAULTS: dict[str, Broken] = {
    "session ended in mid-COPY": in_copy(terminate),
    "session ended in mid-delete": in_delete(terminate),
    "session ended in mid-delete without a key": in_delete(terminate, keyed=False),
    "statement cancelled in mid-delete": in_delete(cancel),
    "transaction idle for too long": idle_too_long,
}
FAULTS |= {
    f"connection cut {'after' if delivered else 'before'} {what}": cut_off(
        words, occurrence, delivered=delivered, deleting=deleting
    )
    for what, words, occurrence, deleting in (
        ("the first batch's COMMIT", b"COMMIT", 1, True),
        ("the second batch's COMMIT", b"COMMIT", 2, True),
        ("the last batch's COMMIT", b"COMMIT", 3, True),
        ("the DELETE", b"DELETE FROM", 2, True),
        ("the progress in the ledger", b"    sub_ranges_gone =", 1, True),
        ("the end of a generation", b"state = 'deleted', deleted_at", 1, True),
        ("the creation of the ledger", b"CREATE TABLE archiver.windows", 1, False),
        ("the begin of a generation", b"INSERT INTO archiver.windows", 1, False),
        ("the note of the export", b"state = 'exported', exported_at", 1, False),
        ("the note of the check", b"SET state = 'stored'", 1, False),
    )
    for delivered in (False, True)
}
# These end the server itself, so they want one that keeps what it has promised.
RESTARTS: dict[str, Broken] = {
    "server stopped in mid-COPY": in_copy(restart),
    "server stopped in mid-delete": in_delete(restart),
    "server stopped in mid-delete without a key": in_delete(restart, keyed=False),
}


def tried(place: Place, name: str, broken: Broken) -> Verdict:
    """Breaks a run on a new table, runs plainly again and checks everything."""
    table = broken(place, name)
    Run.of(table).settle()
    return Account(table).check() + compared(table)
