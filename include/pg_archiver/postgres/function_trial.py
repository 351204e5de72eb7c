"""A function of users tried on any connection, as the session of functions lets it run."""

from __future__ import annotations

from collections.abc import Callable

from psycopg.pq import TransactionStatus

from pg_archiver.postgres.functions_session import (
    SAVEPOINT_GONE,
    Connection,
    TransactionEndedError,
    TransactionFailedError,
)
from pg_archiver.postgres.statements import compose


def try_in_transaction(connection: Connection, call: Callable[[], bool]) -> None:
    """Call in a transaction of its own, or in that of the caller; keep what it did if it returns true.

    Constraints that are checked late are checked at its end, as they are where events are committed.

    Raises:
        TransactionFailedError: it went on after an error of the database.
        TransactionEndedError: it ended the transaction.
    """
    with connection.transaction():
        connection.execute(compose("postgres/functions/savepoint", {}))
        kept = call()
        status = connection.info.transaction_status
        if status is TransactionStatus.INERROR and kept:
            raise TransactionFailedError
        if status not in (TransactionStatus.INERROR, TransactionStatus.INTRANS):
            raise TransactionEndedError
        endings = ("release", "check_constraints") if kept else ("roll_back", "release")
        for ending in endings:
            try:
                connection.execute(compose(f"postgres/functions/{ending}", {}))
            except SAVEPOINT_GONE:
                raise TransactionEndedError from None


def try_alone(connection: Connection, call: Callable[[], bool]) -> None:
    """Call outside of any transaction, on a connection in autocommit.

    Raises:
        TransactionFailedError: it left a transaction open, which is rolled back.
    """
    call()
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        connection.rollback()
        raise TransactionFailedError
