"""Notes that a step waits for once, at its end, instead of at each of them: what rows it checked or deleted.

Rows and the note of them are in one transaction, and the server keeps transactions in their order. So what a crash of
the server takes back are the last ones of a step that has not yet said that it succeeded: its rows are in the table
again, and the ledger says so. Whatever is told outside of the database, to Airflow or in S3, is told after a `flush`.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from pg_archiver.postgres.session import Session


@contextmanager
def noting_lazily(session: Session) -> Generator[None]:
    """Wait for the disk at no note of the block; whoever enters it flushes before anything is told of what was done."""
    session.notes_lazily = True
    try:
        yield
    finally:
        session.notes_lazily = False


def flush(session: Session) -> None:
    """Wait until all that was noted so far, by whomever, is kept as surely as users want commits to be kept.

    A ledger without a line has nothing to be kept.
    """
    session.fetch_all("ledger/windows/flush", commit=session.users_commit)
