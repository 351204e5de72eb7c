"""For tests of your own functions: `run_event` runs one on your connection as a worker would.

It needs nothing but a function, an event and a psycopg connection: no queue, no policies, no Airflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pg_archiver.events.alone_run import LEFT_OPEN
from pg_archiver.events.batch_run import ENDED, SWALLOWED
from pg_archiver.events.calling import CallResult, Ending, call_function
from pg_archiver.events.event import Event
from pg_archiver.events.failures import Failure
from pg_archiver.events.functions import find_registered
from pg_archiver.postgres.function_trial import try_alone, try_in_transaction
from pg_archiver.postgres.functions_session import Connection, TransactionEndedError, TransactionFailedError

__all__ = ["Ending", "Event", "EventRun", "FunctionFailedError", "run_event"]


class FunctionFailedError(Exception):
    """The function would fail in a worker though it raised nothing; the message says why."""


@dataclass(frozen=True)
class EventRun:
    """How a run ended.

    Attributes:
        ending: done, snoozed or discarded.
        output: what the function printed, as its log would have it.
        wait_seconds: how long a snoozed event would wait.
        reason: why it was discarded, or "".
    """

    ending: Ending
    output: str
    wait_seconds: float
    reason: str


def run_event(
    function: Callable[..., object],
    event: Event[Any] | Sequence[Event[Any]],
    db: Connection,
    *,
    transaction: Literal["with_event", "own"] = "with_event",
) -> EventRun:
    """Run a function for an event, or one that takes lists for several, and return how it ended.

    With `with_event` it runs in a transaction of its own, or in the one that your test has open, and what it did stays
    only if it is done. With `own` the connection must be in autocommit, as the worker's is then.

    Args:
        function: what stands under `@event_function(...)`.
        event: what happened.
        db: the connection that the function gets.
        transaction: as the binding says.

    Raises:
        FunctionFailedError: it would fail in a worker: it ended the transaction, swallowed an error of the database,
            did not get the key that its model wants, or returned a generator.
        FunctionRefused: it is not registered.
        Exception: whatever the function raised.
    """
    registered = find_registered(function)
    events = [event] if isinstance(event, Event) else list(event)
    if not events or (len(events) > 1 and not registered.batch):
        raise FunctionFailedError(f"{len(events)} events for function {registered.name!r}. Fix: give it one")
    if transaction == "own" and not db.autocommit:
        raise FunctionFailedError("the connection is not in autocommit, as a worker's is. Fix: db.autocommit = True")
    results: list[CallResult] = []

    def call() -> bool:
        results.append(call_function(registered, lambda: events, db))
        return results[0].ending is Ending.DONE

    is_own = transaction == "own"
    failure: Failure | None = None
    try:
        (try_alone if is_own else try_in_transaction)(db, call)
    except TransactionFailedError:
        failure = LEFT_OPEN if is_own else SWALLOWED
    except TransactionEndedError:
        failure = ENDED
    return _tell(results[0], failure)


def _tell(result: CallResult, failure: Failure | None) -> EventRun:
    """Return how it ended, or raise why it failed."""
    if result.ending is Ending.FAILED and result.raised is not None:
        raise result.raised
    if failure is None and result.ending is Ending.FAILED:
        failure = result.failure
    if failure is not None:
        raise FunctionFailedError(failure.message) from result.error
    reason = str(result.error) if result.ending is Ending.DISCARDED else ""
    return EventRun(result.ending, result.output, result.wait_seconds, reason)
